# Thin names for `python3 dev.py …`, which sets everything up by itself.

default:
    @just --list

# Run `aur` in place.
aur *arguments:
    python3 dev.py aur {{arguments}}

# Run the tests; arguments go to pytest.
test *arguments:
    python3 dev.py test {{arguments}}

# Format, lint, types, import contracts and pins: what CI checks.
check:
    python3 dev.py check

# Write the format that the check wants.
fmt:
    python3 dev.py run ruff format packages tests benchmarks tools dev.py
    python3 dev.py run ruff check --fix packages tests benchmarks tools dev.py

# Refresh the pins in pyproject.toml and requirements.lock; `just lock --upgrade` moves them.
lock *arguments:
    python3 dev.py lock {{arguments}}

# Build the five wheels and source distributions.
build:
    python3 dev.py build

# Everything that CI does.
ci:
    bash .ci/run

# Start-up and the live view in one table; the times belong on a machine that does nothing else.
bench *arguments:
    python3 dev.py run python benchmarks/startup/run.py {{arguments}}
