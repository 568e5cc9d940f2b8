"""The places that an agent in a sandbox may change, and those within them that it may not."""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_SHARED: Final = ("objects", "refs", "logs")
"""The parts of a repository that a commit in one of its worktrees changes."""
_OURS: Final = ".aurora"
_CONTROLS_OF_GIT: Final = ("hooks", "config")
"""With our own folder, what in a workspace would take effect outside of the sandbox if it were changed."""
POINTER_LIMIT: Final = 4096


def writable_places(cwd: Path, more: Iterable[Path]) -> tuple[Path, ...]:
    """Returns the existing places that an agent may change, real paths: its folder, its part of git, and more."""
    found = (Path(os.path.realpath(each)) for each in (cwd, *_of_git(cwd), *more))
    return tuple(dict.fromkeys(each for each in found if each.exists()))


def protected_places(cwd: Path, writable: Sequence[Path]) -> tuple[Path, ...]:
    """Returns the existing places within the workspace that stay read-only, where a mechanism can do that."""
    root = Path(os.path.realpath(cwd))
    of_git = (each / name for each in _repositories(root) for name in _CONTROLS_OF_GIT)
    found = (Path(os.path.realpath(each)) for each in (root / _OURS, *of_git))
    return tuple(each for each in found if each.exists() and each not in writable)


def place_to_try(candidates: Iterable[Path], writable: Sequence[Path]) -> Path | None:
    """Returns a folder outside that could be written to without a sandbox; None if there is none."""
    for each in candidates:
        place = Path(os.path.realpath(each))
        outside = not any(place == one or one in place.parents for one in writable)
        if outside and place.is_dir() and os.access(place, os.W_OK):
            return place
    return None


def _of_git(cwd: Path) -> Iterator[Path]:
    """Yields the parts of the repository that a commit changes.

    That of a checkout is named even where it is in the workspace. So it is a mount where there are mounts, and nobody
    can rename it to get its read-only parts out of the way.
    """
    for pointer in _pointers(cwd):
        if pointer.is_file():
            yield from _of_worktree(pointer)
        else:
            yield pointer


def _repositories(cwd: Path) -> Iterator[Path]:
    """Yields the repository of the checkout that a folder is in; for a worktree none: its repository is elsewhere."""
    return (each for each in _pointers(cwd) if each.is_dir())


def _pointers(cwd: Path) -> Iterator[Path]:
    """Yields the `.git` that git would find from a folder, if there is one."""
    found = (folder / ".git" for folder in (cwd, *cwd.parents))
    return islice((each for each in found if each.is_dir() or each.is_file()), 1)


def _of_worktree(pointer: Path) -> Iterator[Path]:
    """Yields the parts of the repository of a worktree, given its file that points there.

    An agent can change that file, and what it names would be writable for the next attempt. So the repository has to
    point back, from the place where git keeps its worktrees.
    """
    own = _named_in(pointer, "gitdir:")
    if own is None:
        return
    common = own.parent.parent
    points_back = _named_in(own / "gitdir", "") == pointer.resolve()
    if own.parent.name == "worktrees" and points_back and _named_in(own / "commondir", "") == common:
        yield own
        # In a repository that an agent has made, a link would open the place to which it leads.
        yield from (common / name for name in _SHARED if not (common / name).is_symlink())


def _named_in(file: Path, before: str) -> Path | None:
    """Returns the folder that a file of git names; None if it names none."""
    with suppress(OSError, ValueError):
        with file.open(encoding="utf-8") as opened:
            text = opened.read(POINTER_LIMIT).strip()
        if text.startswith(before):
            return (file.parent / text.removeprefix(before).strip()).resolve()
    return None
