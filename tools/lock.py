"""Refresh the pins, or check that they agree.

    python tools/lock.py UV [--upgrade]
    python tools/lock.py --check

The exact resolution stands twice: as `[tool.uv] constraint-dependencies` in the root pyproject.toml, where uv and
people read it, and with hashes in requirements.lock, from which environments are made. Neither names an index.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
ROOT_PROJECT = ROOT / "pyproject.toml"
LOCK = ROOT / "requirements.lock"
_CONSTRAINTS = re.compile(r"^constraint-dependencies = \[.*?\]\n", re.DOTALL | re.MULTILINE)
_PIN = re.compile(r"^(?P<pin>[A-Za-z0-9][\w.\-]*==[^\\\n]*?)\s*\\?$", re.MULTILINE)


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments say; the exit status is 1 where pins disagree."""
    if list(arguments) == ["--check"]:
        problems = list(disagreements(ROOT))
        for problem in problems:
            sys.stderr.write(f"{problem}\n")
        return 1 if problems else 0
    refresh(arguments[0], upgrade="--upgrade" in arguments[1:])
    return 0


def refresh(uv: str, *, upgrade: bool) -> None:
    """Resolve, and write both lists of pins; without `upgrade`, pins that still fit are kept."""
    before = ROOT_PROJECT.read_text(encoding="utf-8")
    kept = _CONSTRAINTS.sub("constraint-dependencies = []\n", before) if upgrade else before
    ROOT_PROJECT.write_text(kept, encoding="utf-8")
    try:
        _resolve(uv, upgrade=upgrade)
        pins = exported_pins(_export(uv))
        listed = "".join(f"    {quoted(pin)},\n" for pin in pins)
        ROOT_PROJECT.write_text(
            _CONSTRAINTS.sub(lambda _: f"constraint-dependencies = [\n{listed}]\n", kept), encoding="utf-8"
        )
        _resolve(uv, upgrade=False)
        LOCK.write_text(_export(uv), encoding="utf-8")
    except subprocess.CalledProcessError:
        ROOT_PROJECT.write_text(before, encoding="utf-8")
        raise


def quoted(pin: str) -> str:
    """A pin as a TOML string."""
    return f"'{pin}'" if '"' in pin else f'"{pin}"'


def _resolve(uv: str, *, upgrade: bool) -> None:
    subprocess.run([uv, "lock", "--quiet", *(["--upgrade"] if upgrade else [])], cwd=ROOT, check=True)


def _export(uv: str) -> str:
    done = subprocess.run(
        [uv, "export", "--quiet", "--frozen", "--format", "requirements.txt", "--all-groups", "--all-packages",
         "--no-emit-workspace", "--no-header", "--no-annotate"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return "".join(line for line in done.stdout.splitlines(keepends=True) if not line.startswith("-"))


def exported_pins(text: str) -> list[str]:
    """The pins of a requirements file, markers included, hashes left out."""
    return [match.group("pin").strip() for match in _PIN.finditer(text)]


def disagreements(root: Path) -> Iterator[str]:
    """Every way in which the pins do not agree with each other or with what the packages ask for."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    text = (root / "requirements.lock").read_text(encoding="utf-8")
    constraints = {str(Requirement(pin)) for pin in project["tool"]["uv"]["constraint-dependencies"]}
    locked = {str(Requirement(pin)) for pin in exported_pins(text)}
    for pin in sorted(constraints - locked):
        yield f"pyproject.toml pins {pin}, requirements.lock does not; run `python3 dev.py lock`"
    for pin in sorted(locked - constraints):
        yield f"requirements.lock pins {pin}, pyproject.toml does not; run `python3 dev.py lock`"
    if re.search(r"https?://|file:", text):
        yield "requirements.lock names an address; export it without index URLs"
    yield from _unmet(root, locked)


def _unmet(root: Path, locked: set[str]) -> Iterator[str]:
    pins = [Requirement(pin) for pin in locked]
    for path in (root / "pyproject.toml", *sorted(root.glob("packages/*/pyproject.toml"))):
        for wanted in _requirements(path):
            if canonicalize_name(wanted.name).startswith("aurora-"):
                continue
            versions = [
                _version(pin) for pin in pins if canonicalize_name(pin.name) == canonicalize_name(wanted.name)
            ]
            if not versions:
                yield f"{path.relative_to(root)} asks for {wanted}, which is not pinned; run `python3 dev.py lock`"
            elif not any(wanted.specifier.contains(version, prereleases=True) for version in versions):
                yield f"{path.relative_to(root)} asks for {wanted}, pinned is {', '.join(versions)}"


def _version(pin: Requirement) -> str:
    return next(iter(pin.specifier)).version


def _requirements(path: Path) -> Iterator[Requirement]:
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    project = document["project"]
    optional = [item for group in project.get("optional-dependencies", {}).values() for item in group]
    groups = [item for group in document.get("dependency-groups", {}).values() for item in group]
    for text in (*project.get("dependencies", ()), *optional, *groups):
        yield Requirement(text)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
