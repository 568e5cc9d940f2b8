"""Refresh the pins, or check that they agree.

    python tools/lock.py UV [--upgrade]
    python tools/lock.py --check

The exact resolution stands twice: as `[tool.uv] constraint-dependencies` in the root pyproject.toml, where uv and
people read it, and with hashes in requirements.lock, from which environments are made. Neither names an index.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
PROJECT = "pyproject.toml"
LOCK = "requirements.lock"
OLDEST_PYTHON = "3.11"
# Where the pins must hold: the interpreters in the packages' classifiers, on the systems we know users to have.
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
SYSTEMS = ({"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"},
           {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"},
           {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"})  # fmt: skip
_CONSTRAINTS = re.compile(r"^constraint-dependencies = \[.*?\]\n", re.DOTALL | re.MULTILINE)
_PIN = re.compile(r"^(?P<pin>[A-Za-z0-9][\w.\-]*==[^\\\n]*?)\s*\\?$", re.MULTILINE)
_ADDRESS = re.compile(r"\w+://|^-|\bfile:", re.MULTILINE)


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments say; the exit status is 1 where pins disagree or cannot be found."""
    if list(arguments) == ["--check"]:
        problems = list(disagreements(ROOT))
        sys.stderr.writelines(f"{problem}\n" for problem in problems)
        return 1 if problems else 0
    uv, *options = arguments
    if options not in ([], ["--upgrade"]):
        sys.stderr.write(f"lock knows --upgrade only, not {' '.join(options)}\n")
        return 2
    try:
        refresh(ROOT, uv, upgrade=bool(options))
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"uv {error.cmd[1]} found no solution, or no network; the pins are as they were\n")
        return 1
    return 0


def refresh(root: Path, uv: str, *, upgrade: bool) -> None:
    """Resolve, and write both lists of pins; without `upgrade`, pins that still fit are kept.

    All is worked out on a copy of the metadata, so that a failure or an interruption changes nothing.
    """
    with tempfile.TemporaryDirectory(prefix="aurora-lock-") as folder:
        copy = Path(folder)
        copy_metadata(root, copy)
        write_constraints(copy / PROJECT, [])
        if upgrade:
            (copy / LOCK).unlink()
        _resolve(uv, copy)
        write_constraints(copy / PROJECT, exported_pins((copy / LOCK).read_text(encoding="utf-8")))
        subprocess.run([uv, "lock", "--quiet"], cwd=copy, check=True)
        for name in (PROJECT, LOCK, "uv.lock"):
            shutil.copyfile(copy / name, root / name)


def copy_metadata(root: Path, copy: Path) -> None:
    """Copy what a resolution reads: the lock and the six pyprojects, in their places."""
    for path in (root / LOCK, *projects(root)):
        target = copy / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def write_constraints(project: Path, pins: Sequence[str]) -> None:
    """Put pins in the place of those that stand in a root pyproject.toml."""
    listed = "".join(f"    {_quoted(pin)},\n" for pin in pins)
    text = project.read_text(encoding="utf-8")
    project.write_text(
        _CONSTRAINTS.sub(lambda _: f"constraint-dependencies = [\n{listed}]\n", text, count=1), encoding="utf-8"
    )


def exported_pins(text: str) -> list[str]:
    """The pins of a requirements file, markers included, hashes left out."""
    return [match.group("pin").strip() for match in _PIN.finditer(text)]


def projects(root: Path) -> list[Path]:
    """The pyproject.toml of the workspace and of every package."""
    return [root / PROJECT, *sorted(root.glob(f"packages/*/{PROJECT}"))]


def disagreements(root: Path) -> Iterator[str]:
    """Every way in which the pins do not agree with each other or with what the packages ask for."""
    text = (root / LOCK).read_text(encoding="utf-8")
    listed = _read(root / PROJECT)["tool"]["uv"]["constraint-dependencies"]
    constraints = {str(Requirement(pin)) for pin in listed}
    locked = {str(Requirement(pin)) for pin in exported_pins(text)}
    for pin in sorted(constraints - locked):
        yield f"{PROJECT} pins {pin}, {LOCK} does not; run `python3 dev.py lock`"
    for pin in sorted(locked - constraints):
        yield f"{LOCK} pins {pin}, {PROJECT} does not; run `python3 dev.py lock`"
    if _ADDRESS.search(text):
        yield f"{LOCK} names an address or an option; run `python3 dev.py lock`"
    for pin in _without_hashes(text):
        yield f"{LOCK} has no hash for {pin}; run `python3 dev.py lock`"
    yield from _unmet(root, [Requirement(pin) for pin in sorted(locked)])


def _resolve(uv: str, copy: Path) -> None:
    """Write the lock of the workspace in `copy`; uv prefers the versions that stand in it already."""
    ours = [option for path in projects(copy) for option in ("--no-emit-package", _read(path)["project"]["name"])]
    subprocess.run(
        [uv, "pip", "compile", "--quiet", "--universal", "--python-version", OLDEST_PYTHON, "--generate-hashes",
         "--no-header", "--no-annotate", "--group", "dev", *ours, "--output-file", LOCK, *projects(copy)],
        cwd=copy, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def _without_hashes(text: str) -> list[str]:
    logical = re.sub(r"\\\n", "", text).splitlines()
    return [line.strip() for line in logical if line.strip() and "--hash=sha256:" not in line]


def _unmet(root: Path, pins: Sequence[Requirement]) -> Iterator[str]:
    members = {canonicalize_name(_read(path)["project"]["name"]) for path in projects(root)}
    for path in projects(root):
        for wanted in _requirements(_read(path)):
            if canonicalize_name(wanted.name) not in members and (fault := _fault(wanted, pins)):
                yield f"{path.relative_to(root)} asks for {wanted}, {fault}; run `python3 dev.py lock`"


def _fault(wanted: Requirement, pins: Sequence[Requirement]) -> str:
    """What is wrong with the pin of a requirement on any of the systems; "" where nothing is."""
    named = [pin for pin in pins if canonicalize_name(pin.name) == canonicalize_name(wanted.name)]
    for environment in _environments():
        if not _applies(wanted, environment):
            continue
        versions = [_version(pin) for pin in named if _applies(pin, environment)]
        where = f"on Python {environment['python_version']} for {environment['sys_platform']}"
        if len(versions) != 1:
            return f"pinned {where} {len(versions)} times, not once"
        if not wanted.specifier.contains(versions[0], prereleases=True):
            return f"pinned {where} is {versions[0]}"
    return ""


def _environments() -> Iterator[dict[str, str]]:
    here = {name: str(value) for name, value in default_environment().items()}
    for python, system in product(PYTHONS, SYSTEMS):
        yield {**here, **system, "python_version": python, "python_full_version": f"{python}.0"}


def _applies(requirement: Requirement, environment: dict[str, str]) -> bool:
    return requirement.marker is None or requirement.marker.evaluate(environment)


def _version(pin: Requirement) -> str:
    return next(iter(pin.specifier)).version


def _requirements(document: Mapping[str, Any]) -> Iterator[Requirement]:
    project = document["project"]
    groups = (*project.get("optional-dependencies", {}).values(), *document.get("dependency-groups", {}).values())
    for text in (*project.get("dependencies", ()), *(item for group in groups for item in group)):
        yield Requirement(text)


def _quoted(pin: str) -> str:
    return f"'{pin}'" if '"' in pin else f'"{pin}"'


def _read(project: Path) -> dict[str, Any]:
    return tomllib.loads(project.read_text(encoding="utf-8"))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
