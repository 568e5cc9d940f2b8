"""Reads Makefile, justfile, tox and nox: a project's own names for its commands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aurora_core.project_profile.profile import ManifestFacts, ProjectCommand, Purpose

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["read_justfile", "read_makefile", "read_noxfile", "read_tox"]

# Nothing is tried anew, so that a line without a colon takes time in proportion to its length.
_TARGET: Final = re.compile(r"^([A-Za-z][\w-]*+)[^\n:=]*+:(?![=:])", re.MULTILINE)
_NAMES: Final = {
    Purpose.TEST: ("test", "tests", "check"),
    Purpose.LINT: ("lint", "format-check"),
    Purpose.BUILD: ("build", "all", "dist"),
}


def read_makefile(text: str, source: str) -> ManifestFacts:
    """Returns the targets that test, lint and build."""
    return _recipes("make", _TARGET.findall(text), source)


def read_justfile(text: str, source: str) -> ManifestFacts:
    """Returns the recipes that test, lint and build."""
    return _recipes("just", _TARGET.findall(text), source)


def read_tox(_: str, source: str) -> ManifestFacts:
    """Returns the command that runs the tests by tox."""
    return ManifestFacts(commands=(ProjectCommand(purpose=Purpose.TEST, line="tox", source=source),))


def read_noxfile(_: str, source: str) -> ManifestFacts:
    """Returns the command that runs the tests by nox."""
    return ManifestFacts(commands=(ProjectCommand(purpose=Purpose.TEST, line="nox", source=source),))


def _recipes(program: str, targets: Iterable[str], source: str) -> ManifestFacts:
    offered = set(targets)
    commands = []
    for purpose, names in _NAMES.items():
        name = next((name for name in names if name in offered), None)
        if name is not None:
            commands.append(ProjectCommand(purpose=purpose, line=f"{program} {name}", source=source))
    return ManifestFacts(commands=tuple(commands))
