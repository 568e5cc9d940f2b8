"""Conflicts that will come, found while agents still run."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_spawner.errors import WorkspaceError
from aurora_spawner.workspaces.merging import merge_trees
from aurora_spawner.workspaces.present import present_commit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_spawner.workspaces.git import Git
    from aurora_spawner.workspaces.worktrees import Worktree


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedWork:
    """The work of a task that has ended and is not merged yet."""

    task_id: str
    base: str
    """The commit that the task started from."""
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Two tasks whose work conflicts as it stands."""

    first: str
    """The id of a task."""
    second: str
    files: tuple[str, ...]
    """The files in conflict; git may name none."""


class Forecaster:
    """Merges the present states of works, to find those that conflict; nothing in them changes.

    It remembers the changed files of works that have ended.
    """

    def __init__(self, git: Git) -> None:
        self._git = git
        self._ended: dict[FinishedWork, _Changes] = {}

    def look(self, works: Sequence[Worktree | FinishedWork]) -> list[Forecast]:
        """Compares each two works that changed a common file or folder, unless both have ended: the merge does that.

        Args:
            works: The worktrees of tasks that run, and the work of others. One that is gone is left out.
        """
        running = [each for each in works if not isinstance(each, FinishedWork)]
        if not running:
            return []
        changes = {work.task_id: self._changes_of(work) for work in works}
        commits: dict[str, str] = {}
        found = []
        for first, second in combinations(works, 2):
            both_ended = isinstance(first, FinishedWork) and isinstance(second, FinishedWork)
            if both_ended or not changes[first.task_id].may_meet(changes[second.task_id]):
                continue
            try:
                merge = merge_trees(self._git, _commit_of(first, commits), _commit_of(second, commits))
            except WorkspaceError:
                continue  # its agent changes files at this moment, or it is gone; the next look sees it
            if not merge.is_clean:
                found.append(Forecast(first=first.task_id, second=second.task_id, files=merge.conflicts))
        return found

    def _changes_of(self, work: Worktree | FinishedWork) -> _Changes:
        if not isinstance(work, FinishedWork):
            return _Changes.of(self._git, work)
        if work not in self._ended:
            self._ended[work] = _Changes.of(self._git, work)
        return self._ended[work]


def _commit_of(work: Worktree | FinishedWork, commits: dict[str, str]) -> str:
    """Returns the present state of a work as a commit, which is made once for each look."""
    if isinstance(work, FinishedWork):
        return work.commit
    if work.task_id not in commits:
        commits[work.task_id] = present_commit(work, "forecast")
    return commits[work.task_id]


@dataclass(frozen=True, slots=True)
class _Changes:
    """The names of the files that a work has changed since its base."""

    files: frozenset[str]

    @classmethod
    def of(cls, git: Git, work: Worktree | FinishedWork) -> _Changes:
        try:
            return cls(frozenset(_changed(git, work)))
        except WorkspaceError:
            return cls(frozenset())  # gone, or in the middle of a change

    def may_meet(self, other: _Changes) -> bool:
        """Returns True if a merge of the two is worth trying.

        Two agents meet in a file, in a folder (one of them may have renamed it), or in a name that is a file for one
        and a folder for the other.
        """
        if not self.files or not other.files:
            return False
        return not (
            self.files.isdisjoint(other.files)
            and _folders(self.files).isdisjoint(_folders(other.files))
            and self.files.isdisjoint(_all_folders(other.files))
            and other.files.isdisjoint(_all_folders(self.files))
        )


def _changed(git: Git, work: Worktree | FinishedWork) -> Iterator[str]:
    names = ("diff-tree", "-r", "--no-commit-id", "--name-only", "--no-renames", "-z", work.base)
    if isinstance(work, FinishedWork):
        yield from git.run(*names, work.commit).fields
        return
    inside = work.git
    head = inside.text("rev-parse", "HEAD")
    if head != work.base:
        yield from inside.run(*names, head).fields
    # Without a lock on the index, which the agent's own git may want.
    question = ("--no-optional-locks", "status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all")
    yield from (entry[3:] for entry in inside.run(*question).fields)


def _folders(files: frozenset[str]) -> frozenset[str]:
    return frozenset(str(Path(name).parent) for name in files)


def _all_folders(files: frozenset[str]) -> frozenset[str]:
    return frozenset(str(parent) for name in files for parent in Path(name).parents)
