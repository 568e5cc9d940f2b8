"""Linked git worktrees: further checkouts of a repository, each a folder with a `.git` file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aurora_core.bounded import read_regular

__all__ = ["LinkedWorktree", "enclosing_repository", "linked_worktree", "linked_worktree_above"]

_PREFIX: Final = "gitdir:"
# Longer than any path that a system takes.
_MAX_BYTES: Final = 8_192


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedWorktree:
    """A folder that `git worktree add` created.

    Attributes:
        git_dir: the folder that its `.git` file points to, `…/.git/worktrees/NAME`; it may no longer exist.
        common_dir: the repository that the checkouts share.
        main_checkout: the first checkout of that repository; None for a bare repository.
        confirmed: True if the repository lists the folder as its worktree.
    """

    git_dir: Path
    common_dir: Path
    main_checkout: Path | None
    confirmed: bool


def linked_worktree(folder: Path) -> LinkedWorktree | None:
    """Returns the linked worktree whose top is a folder; None if the folder is no such top.

    A submodule has a `.git` file too, but it points to `…/.git/modules/NAME`.
    """
    text = _short_text(folder / ".git")
    if not text.startswith(_PREFIX):
        return None
    git_dir = Path(os.path.normpath(folder / text.removeprefix(_PREFIX).strip()))
    if git_dir.parent.name != "worktrees":
        return None
    common_dir = Path(os.path.normpath(git_dir / (_short_text(git_dir / "commondir").strip() or "../..")))
    named = _short_text(git_dir / "gitdir").strip()
    return LinkedWorktree(
        git_dir=git_dir,
        common_dir=common_dir,
        main_checkout=common_dir.parent if common_dir.name == ".git" else None,
        confirmed=bool(named) and (git_dir / named).parent.resolve() == folder.resolve(),
    )


def linked_worktree_above(folder: Path) -> Path | None:
    """Returns the top of the linked worktree that contains a folder; None if there is none."""
    folder = folder.resolve()
    return next((above for above in (folder, *folder.parents) if linked_worktree(above)), None)


def enclosing_repository(folder: Path) -> Path | None:
    """Returns the repository of the checkout that contains a folder: its `.git`, or the shared one of worktrees."""
    for above in (folder, *folder.parents):
        if (above / ".git").is_dir():
            return above / ".git"
        if linked := linked_worktree(above):
            return linked.common_dir
    return None


def _short_text(file: Path) -> str:
    """Returns the text of a small regular file; "" for anything else."""
    try:
        content = read_regular(file, _MAX_BYTES)
    except OSError:
        return ""
    return content.decode("utf-8", "replace").partition("\0")[0]
