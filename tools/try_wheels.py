"""Install the built wheels as a user would, and use them.

    python tools/try_wheels.py DIST [PYTHON]

All five go into one empty environment, in which `aur` answers a question about a folder made on the spot, and has the
packages that talks with agents need; some of the tests run there, too, so that a file which only the checkout has is
missed. Then the three that promise to be useful alone each go into an environment of
their own, with nothing but what they declare. Third-party packages come at their pinned versions. PYTHON is another
interpreter for the environments.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent
UV = Path(sys.executable).with_name("uv")
ALONE = {"aurora-core": "aurora_core", "aurora-policies": "aurora_policies", "aurora-spawner": "aurora_spawner"}
TESTS = (
    *(f"tests/{package}/test_{package}_surface.py" for package in ("core", "policies", "spawner")),
    *(f"tests/cli/test_cli_{subject}.py" for subject in ("door", "exec", "init", "interact")),
)
"""Tests of what every package offers, and of commands that need most of it."""
OF_TESTS = ("hypothesis", "pytest", "pytest-asyncio", "pytest-randomly", "pytest-timeout", "pytest-xdist")
QUESTION = "How is a discount computed?"
SAMPLE = '''"""Prices."""


def discount(price: float, customer_years: int) -> float:
    """Compute the discount for a customer: one percent of the price a year, at most ten."""
    return price * min(customer_years, 10) / 100


def total(price: float, customer_years: int) -> float:
    """What the customer pays after the discount."""
    return price - discount(price, customer_years)
'''


def main(dist: Path, python: str) -> None:
    """Try every wheel; ends with a non-zero status at the first that fails."""
    wheels = {wheel.name.split("-")[0].replace("_", "-"): wheel for wheel in sorted(dist.glob("*.whl"))}
    if len(wheels) != 5:
        sys.exit(f"{dist}: expected five wheels, found {sorted(wheels)}")
    with tempfile.TemporaryDirectory(prefix="aurora-wheels-") as folder:
        work = Path(folder)
        whole = environment(work / "all", list(wheels.values()), work, python)
        use_aur(whole, work)
        run_tests(whole)
        for name, module in ALONE.items():
            alone = environment(work / name, [wheels[name]], work, python)
            run([alone / "python", "-c", ONLY_ITSELF.format(module=module)], work)
            sys.stdout.write(f"{name}: imports alone\n")


# Importing one package must not find another of ours.
ONLY_ITSELF = """
import importlib.util, {module}
others = {{"aurora_cli", "aurora_core", "aurora_policies", "aurora_soar", "aurora_spawner"}} - {{"{module}"}}
found = [name for name in others if importlib.util.find_spec(name)]
assert not found, found
assert {module}.__all__
"""


def environment(path: Path, wheels: list[Path], work: Path, python: str) -> Path:
    """An empty environment with some wheels and what they declare; returns its folder of programs."""
    run([UV, "venv", "--quiet", "--python", python, path], work)
    install(path, wheels, work)
    return path / "bin"


def install(python: Path, packages: Sequence[str | Path], work: Path) -> None:
    """Install packages into an environment, at their pinned versions."""
    pins = ROOT / "requirements.lock"
    run([UV, "pip", "install", "--quiet", "--python", python, "--constraint", pins, *packages], work)


def use_aur(programs: Path, work: Path) -> None:
    """Ask a question in a folder that was never set up, hold its places against the files, and look for extras."""
    project = work / "shop"
    project.mkdir()
    (project / "prices.py").write_text(SAMPLE)
    sys.stdout.write(run([programs / "aur", "--version"], work))
    answer = run([programs / "aur", "soar", QUESTION], project)
    places = re.findall(r"`([^`\s]+):(\d+)`", answer)
    if not places:
        sys.exit(f"aur soar cited nothing:\n{answer}")
    for file, line in places:
        if int(line) > len((project / file).read_text().splitlines()):
            sys.exit(f"aur soar cited {file}:{line}, which does not exist")
    sys.stdout.write(f"aur soar: {len(places)} places cited, all exist\n")
    found = run([programs / "aur", "doctor"], project)
    if "the extra `acp` is installed" not in found:
        sys.exit(f"the wheels bring no packages for the Agent Client Protocol:\n{found}")
    sys.stdout.write("aur doctor: the extra `acp` is installed\n")


def run_tests(programs: Path) -> None:
    """Run tests of the checkout on what is installed."""
    python = programs / "python"
    install(python, OF_TESTS, ROOT)
    found = run([python, "-c", "import aurora_cli; print(aurora_cli.__file__)"], ROOT)
    if not Path(found.strip()).is_relative_to(programs.parent):
        sys.exit(f"the tests would run on {found}")
    told = run([python, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *TESTS], ROOT)
    sys.stdout.write(f"tests on the wheels: {told.splitlines()[-1]}\n")


def run(command: list[str | Path], folder: Path) -> str:
    """Run a command outside of the checkout; its failure ends everything."""
    environ = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    environ |= {"UV_SYSTEM_CERTS": "1", "UV_PYTHON_DOWNLOADS": "never"}
    done = subprocess.run(command, cwd=folder, env=environ, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\nended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2] if len(sys.argv) > 2 else sys.executable)
