#!/usr/bin/env python3
"""Everything a fresh clone needs, from Python and git alone.

    python3 dev.py aur soar "How does the scheduler decide what runs next?"
    python3 dev.py test [pytest's arguments]
    python3 dev.py check            format, lint, types, import contracts, pins
    python3 dev.py lock [--upgrade] refresh the pins in pyproject.toml and requirements.lock
    python3 dev.py build            five wheels and source distributions into dist/
    python3 dev.py sync             only set up
    python3 dev.py run PROGRAM …    run a program of the environment

The first call brings uv (the version and hashes that requirements.lock pins) into .tools/, and with it makes .venv
from requirements.lock, every file checked against its hash, with the five packages in place. Later calls start at
once. Nothing outside the clone is changed.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this file must say so itself on an older one
    sys.exit(f"Aurora needs Python 3.11 or newer; this is {sys.version.split()[0]}. Try: python3.11 dev.py")

import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent
TOOLS = ROOT / ".tools"
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / "aurora-set-up"
PACKAGES = ("core", "policies", "spawner", "soar", "cli")
BIN = "Scripts" if os.name == "nt" else "bin"
CHECKED = ("packages", "tests", "benchmarks", "tools", "dev.py")
# Machines with a certificate authority of their own are known to the system, not to uv; and the Python that runs this
# file is the one to use.
UV_ENVIRONMENT = {"UV_SYSTEM_CERTS": "1", "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}


def main(arguments):
    """Set up what is missing, then do what is asked."""
    command, rest = (arguments[0], arguments[1:]) if arguments else ("help", [])
    if command == "aur":
        replace_by("aur", *rest)
    elif command == "test":
        replace_by("python", "-m", "pytest", *rest)
    elif command == "run" and rest:
        replace_by(*rest)
    elif command == "check":
        check()
    elif command == "lock":
        subprocess.run([tool("python"), ROOT / "tools" / "lock.py", uv(), *rest], check=True, env=uv_environ())
    elif command == "build":
        shutil.rmtree(ROOT / "dist", ignore_errors=True)
        subprocess.run(
            [uv(), "build", "--all-packages", "--quiet", "--out-dir", ROOT / "dist"],
            check=True,
            cwd=ROOT,
            env=uv_environ(),
        )
    elif command == "sync":
        set_up()
    else:
        sys.exit(__doc__)


def replace_by(program, *arguments):
    """Become a program of the environment, in the caller's folder."""
    path = tool(program)
    sys.stdout.flush()
    if os.name == "nt":
        sys.exit(subprocess.run([path, *arguments], check=False).returncode)
    os.execv(path, [str(path), *arguments])  # noqa: S606 - the caller's own words, no shell


def check():
    """Run every check, all of them even when one fails."""
    python = tool("python")
    checks = {
        "format": ["-m", "ruff", "format", "--check", "--quiet", *CHECKED],
        "lint": ["-m", "ruff", "check", "--quiet", *CHECKED],
        "types": ["-m", "mypy", *(f"packages/{name}/src" for name in PACKAGES), "tests", "benchmarks", "tools"],
        "import contracts": ["-c", "from importlinter.cli import lint_imports_command as c; c()"],
        "pins": ["tools/lock.py", "--check"],
    }
    failed = [name for name, command in checks.items() if not passes(name, [python, *command])]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def passes(name, command):
    """Run one check and say how long it took."""
    started = time.monotonic()
    passed = subprocess.run(command, check=False, cwd=ROOT).returncode == 0
    print(f"{name}: {'ok' if passed else 'FAILED'} ({time.monotonic() - started:.1f} s)", flush=True)
    return passed


def tool(program):
    """The path of a program in the environment, set up where needed."""
    set_up()
    path = VENV / BIN / (f"{program}.exe" if os.name == "nt" else program)
    if not path.exists():
        sys.exit(f"{program} is not in the environment; programs there: see {VENV / BIN}")
    return path


def set_up():
    """Make .venv what the pins say; one process at a time, and nothing half-made ever looks ready."""
    wanted = fingerprint()
    if read(STAMP) == wanted:
        return
    with only_one():
        if read(STAMP) == wanted:
            return
        STAMP.unlink(missing_ok=True)
        program = uv()
        print("setting up .venv (once; it is checked against requirements.lock)", file=sys.stderr, flush=True)
        if not usable(VENV):
            run_uv(program, "venv", "--quiet", "--clear", "--python", sys.executable, str(VENV))
        run_uv(program, "pip", "sync", "--quiet", "--require-hashes", "--python", str(VENV), str(LOCK))
        editable = [argument for name in PACKAGES for argument in ("-e", str(ROOT / "packages" / name))]
        run_uv(program, "pip", "install", "--quiet", "--no-deps", "--python", str(VENV), *editable)
        STAMP.write_text(wanted)


def fingerprint():
    """What the environment depends on: the pins, the packages' metadata and this interpreter."""
    digest = hashlib.sha256(f"{sys.executable} {platform.python_version()} {ROOT}".encode())
    for path in (LOCK, *(ROOT / "packages" / name / "pyproject.toml" for name in PACKAGES)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def read(path):
    """A small file's text; "" where there is none."""
    try:
        return path.read_text()
    except OSError:
        return ""


def usable(environment):
    """Whether an environment was made by this interpreter's version and still starts."""
    python = environment / BIN / "python"
    code = f"import sys; sys.exit(sys.version_info[:2] != {tuple(sys.version_info[:2])})"
    try:
        return subprocess.run([python, "-c", code], check=False, capture_output=True).returncode == 0
    except OSError:
        return False


@contextmanager
def only_one():
    """Hold the clone's set-up lock; a second call waits for the first."""
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "lock").open("w") as file:
        try:
            import fcntl
        except ImportError:
            yield
            return
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def uv():
    """The path of the pinned uv, installed into .tools/ where it is missing."""
    version, requirement = pinned_uv()
    home = TOOLS / f"uv-{version}"
    path = home / BIN / ("uv.exe" if os.name == "nt" else "uv")
    if path.exists():
        return path
    print(f"bringing uv {version} into .tools/", file=sys.stderr, flush=True)
    TOOLS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=TOOLS) as folder:
        file = Path(folder) / "uv.txt"
        file.write_text(requirement)
        made = Path(folder) / "made"
        step(
            [sys.executable, "-m", "venv", str(made)],
            "a virtual environment could not be made; is python3-venv installed?",
        )
        pip = [str(made / BIN / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        step([*pip, "--require-hashes", "--no-deps", "-r", str(file)], "uv could not be fetched; is there a network?")
        shutil.rmtree(home, ignore_errors=True)
        (home / BIN).mkdir(parents=True)
        # Copied first and then renamed, so that an interrupted copy never looks like a program.
        shutil.copy2(made / BIN / path.name, home / "uv-copied")
        (home / "uv-copied").replace(path)
    return path


def pinned_uv():
    """The version of uv in requirements.lock, and its requirement with all hashes."""
    match = re.search(r"^uv==(\S+)(?:.*\\\n)(?:\s+--hash=.*\n)+", LOCK.read_text(), re.MULTILINE)
    if match is None:
        sys.exit("requirements.lock pins no uv; restore the file")
    return match.group(1), match.group(0)


def step(command, hint):
    """Run a command of the set-up; its failure ends the set-up with a hint."""
    if subprocess.run(command, check=False).returncode != 0:
        sys.exit(hint)


def run_uv(program, *arguments):
    """Run uv for the set-up."""
    if subprocess.run([program, *arguments], check=False, cwd=ROOT, env=uv_environ()).returncode != 0:
        sys.exit(f"uv {arguments[0]} failed; what it said stands above. Is there a network?")


def uv_environ():
    """The environment for uv, with nothing of an environment that may be active."""
    inherited = {
        name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH")
    }
    return {**inherited, **UV_ENVIRONMENT}


if __name__ == "__main__":
    main(sys.argv[1:])
