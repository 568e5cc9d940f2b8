"""Lists the files of a project: those that git would track, or, without git, those not made by tools."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_core.git import run_git

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["list_files"]

GIT_TIMEOUT_S: Final = 30
_TOOLS: Final = frozenset([".git", ".hg", ".svn", ".aurora", ".venv", "venv", ".tox", ".nox", "__pycache__"])
_MADE: Final = frozenset(["site-packages", "node_modules", "target", "dist", "build"])
PRUNED: Final = _TOOLS | _MADE


def list_files(root: Path) -> list[str]:
    """Returns files as paths with slashes relative to `root`, sorted; without ignored ones if git can tell."""
    found = _by_git(root) or _by_walking(root)
    return sorted(file for file in found if not PRUNED.intersection(file.split("/")[:-1]))


def _by_git(root: Path) -> list[str]:
    """Returns nothing without a repository or git, or if an outer repository ignores the folder."""
    answer = run_git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", timeout_s=GIT_TIMEOUT_S)
    return [os.fsdecode(name) for name in answer.data.split(b"\0") if name] if answer and answer.complete else []


def _by_walking(root: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in PRUNED]
        inside = Path(folder).relative_to(root)
        yield from ((inside / name).as_posix() for name in names)
