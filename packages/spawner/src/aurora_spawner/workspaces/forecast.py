"""Conflicts that will come, found while agents still run."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_spawner.errors import WorkspaceError
from aurora_spawner.workspaces.merging import merge_trees

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_spawner.workspaces.worktrees import Worktree


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Two tasks whose work will conflict as it stands."""

    first: Worktree
    second: Worktree
    files: tuple[str, ...]


def forecast(worktrees: Sequence[Worktree]) -> list[Forecast]:
    """Merges the present state of each two worktrees that changed a common file; nothing in them changes.

    Args:
        worktrees: Of one repository. One that is gone meanwhile is left out.
    """
    states = {}
    for worktree in worktrees:
        try:
            states[worktree.path] = _State.of(worktree)
        except WorkspaceError:
            continue  # its agent changes files at this moment, or it is gone; the next forecast sees it
    found = []
    for first, second in combinations((each for each in worktrees if each.path in states), 2):
        if states[first.path].may_meet(states[second.path]):
            one, other = states[first.path], states[second.path]
            try:
                merge = merge_trees(first.git, one.commit, other.commit)
            except WorkspaceError:
                continue  # gone meanwhile
            if not merge.is_clean:
                found.append(Forecast(first=first, second=second, files=merge.conflicts))
    return found


@dataclass(frozen=True, slots=True)
class _State:
    """The present state of a worktree, as a commit on no branch."""

    commit: str
    files: frozenset[str]

    @classmethod
    def of(cls, worktree: Worktree) -> _State:
        git = worktree.git
        with tempfile.TemporaryDirectory(prefix="aurora-index-") as folder:
            index = Path(folder) / "index"
            own = Path(git.text("rev-parse", "--path-format=absolute", "--git-path", "index"))
            if own.exists():
                index.write_bytes(own.read_bytes())
            environment = {"GIT_INDEX_FILE": str(index)}
            git.run("add", "--all", "--sparse", "--ignore-errors", environment=environment, accepted=(0, 1))
            tree = git.text("write-tree", environment=environment)
        commit = git.run("commit-tree", tree, "-p", worktree.base, "-m", "forecast", environment=git.identity()).text
        files = git.run(
            "diff-tree", "-r", "--no-commit-id", "--name-only", "--no-renames", "-z", worktree.base, commit
        )
        return cls(commit=commit, files=frozenset(files.fields))

    def may_meet(self, other: _State) -> bool:
        """Returns True if a merge of the two is worth trying.

        Two agents meet in a file, in a folder (one of them may have renamed it), or in a name that is a file for one
        and a folder for the other.
        """
        return not (
            self.files.isdisjoint(other.files)
            and _folders(self.files).isdisjoint(_folders(other.files))
            and self.files.isdisjoint(_all_folders(other.files))
            and other.files.isdisjoint(_all_folders(self.files))
        )


def _folders(files: frozenset[str]) -> frozenset[str]:
    return frozenset(str(Path(name).parent) for name in files)


def _all_folders(files: frozenset[str]) -> frozenset[str]:
    return frozenset(str(parent) for name in files for parent in Path(name).parents)
