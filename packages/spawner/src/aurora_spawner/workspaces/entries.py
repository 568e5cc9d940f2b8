"""The parts of a repository that belong to its worktrees, as gitrepository-layout(5) describes them.

A question about one worktree is answered here from a few small files; `listing.py` asks git about all of them.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_spawner.storage.system_words import system_words
from aurora_spawner.workspaces.errors import WorkspaceError
from aurora_spawner.workspaces.turns import turn_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INITIALIZING: Final = "initializing"
"""The lock reason of a worktree that is being made; git's own word, too."""
_BRANCH: Final = "ref: refs/heads/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The record that a repository keeps of a worktree."""

    path: Path
    git_dir: Path
    """The part of the repository that belongs to it."""

    @property
    def lock(self) -> str | None:
        """The reason of its lock; None if it is not locked."""
        try:
            return os.fsdecode((self.git_dir / "locked").read_bytes()).strip()
        except FileNotFoundError:
            return None

    @property
    def branch(self) -> str | None:
        """The branch that is checked out, without `refs/heads/`; None for a detached head, or a damaged entry."""
        try:
            head = os.fsdecode((self.git_dir / "HEAD").read_bytes()).rstrip("\n")
        except OSError:
            return None
        return head.removeprefix(_BRANCH) if head.startswith(_BRANCH) else None

    def relock(self, reason: str) -> None:
        """Locks the worktree for another reason, in one step.

        Raises:
            WorkspaceError: The lock cannot be written.
        """
        new = self.git_dir / "locked.new"
        try:
            new.write_text(f"{reason}\n")
            new.replace(self.git_dir / "locked")
        except OSError as error:
            raise WorkspaceError(self.path, f"cannot be locked: {system_words(error)}") from error

    @contextmanager
    def being_made(self) -> Iterator[int]:
        """Waits for who fills the worktree with files, which may be a git whose parent was killed.

        Yields:
            The descriptor of a lock, for the next git that fills it.

        Raises:
            WorkspaceError: The entry is gone.
            WorkspaceLockedError: It takes too long, as a hook of the user's may.
        """
        with turn_in(self.git_dir) as held:
            yield held


def entries_of(common: Path) -> dict[Path, Entry]:
    """Returns the worktrees that a repository remembers, without its main one.

    Args:
        common: The repository itself.
    """
    found: dict[Path, Entry] = {}
    for link in common.glob("worktrees/*/gitdir"):
        with suppress(OSError):  # it was removed meanwhile
            named = os.fsdecode(link.read_bytes()).rstrip("\n")
            place = (link.parent / named).parent
            path = place.parent.resolve() / place.name
            found[path] = Entry(path=path, git_dir=link.parent)
    return found
