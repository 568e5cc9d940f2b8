"""The worktrees of a repository as git lists them, whoever made them."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_spawner.workspaces.entries import INITIALIZING
from aurora_spawner.workspaces.errors import GitError
from aurora_spawner.workspaces.names import base_ref_of, is_check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aurora_spawner.workspaces.git import Git


_HALF_MADE_S: Final = 1.0
"""Time for a living git to fill the files of a new entry."""
_PAUSE_S: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A worktree as git lists it."""

    path: Path
    head: str | None
    """The commit that is checked out; None for a bare repository, and for a branch without a commit."""
    branch: str | None
    """Without `refs/heads/`; None for a detached head."""
    lock: str | None
    """The reason of its lock; None if it is not locked."""


def list_worktrees(git: Git) -> list[Listed]:
    """Returns the worktrees that git lists; the first is the main one.

    Raises:
        GitError: Git failed.
    """
    found = []
    for block in os.fsdecode(_listing(git)).split("\0\0"):
        words = dict(line.partition(" ")[::2] for line in block.split("\0") if line)
        if "worktree" in words:
            head = words.get("HEAD", "")
            found.append(
                Listed(
                    path=Path(words["worktree"]).resolve(),
                    head=head if head.strip("0") else None,
                    branch=words.get("branch", "").removeprefix("refs/heads/") or None,
                    lock=words.get("locked"),
                )
            )
    return found


def _listing(git: Git) -> bytes:
    """Asks git, which lists no worktree at all while the entry of one has an empty file.

    Git fills that file as soon as it has made it. One that stays empty is of a git that was killed in between; nobody
    has worked in its worktree, and if it is ours the entry is removed.
    """
    until = time.monotonic() + _HALF_MADE_S
    while True:
        try:
            return git.run("worktree", "list", "--porcelain", "-z").data
        except GitError:
            half_made = list(_half_made(git))
            if not half_made:
                raise
            if time.monotonic() > until:
                dead = [entry for entry in half_made if _is_ours(git, entry)]
                if not dead:
                    raise
                for entry in dead:
                    shutil.rmtree(entry, ignore_errors=True)
            time.sleep(_PAUSE_S)


def _half_made(git: Git) -> Iterator[Path]:
    common = Path(git.text("rev-parse", "--path-format=absolute", "--git-common-dir"))
    for entry in common.glob("worktrees/*"):
        with suppress(OSError):  # it was removed meanwhile
            if (entry / "commondir").stat().st_size == 0 and (entry / "locked").read_text().strip() == INITIALIZING:
                yield entry


def _is_ours(git: Git, entry: Path) -> bool:
    """Returns True if the worktree of an entry is of a run: its base is remembered before git is asked to make it."""
    try:
        place = Path(os.fsdecode((entry / "gitdir").read_bytes()).rstrip("\n")).parent
    except OSError:
        return False
    return is_check(place.name) or bool(git.commit_of(base_ref_of(place.parent.name, place.name)))
