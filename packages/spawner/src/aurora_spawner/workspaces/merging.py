"""Merges of two commits without a checkout."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aurora_spawner.workspaces.git import Git


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeMerge:
    """Two commits put together.

    Attributes:
        tree: the merged tree; with conflicts it holds conflict markers.
        conflicts: files that git cannot merge.
    """

    tree: str
    conflicts: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """True if nothing conflicts."""
        return not self.conflicts


def merge_trees(git: Git, ours: str, theirs: str) -> TreeMerge:
    """Merges two commits in memory; no branch, index or file changes.

    Raises:
        GitError: They have no common history, or git failed.
    """
    done = git.run("merge-tree", "--write-tree", "-z", "--no-messages", "--name-only", ours, theirs, accepted=(0, 1))
    tree, *conflicts = (os.fsdecode(field) for field in done.data.split(b"\0") if field)
    return TreeMerge(tree=tree, conflicts=tuple(dict.fromkeys(conflicts)))


def is_ancestor(git: Git, commit: str, of: str) -> bool:
    """Returns True if a commit is part of the history of another."""
    return git.succeeds("merge-base", "--is-ancestor", commit, of)


def commit_merge(git: Git, tree: str, parents: tuple[str, ...], message: str) -> str:
    """Makes a merge commit on no branch; returns its name."""
    which = [part for parent in parents for part in ("-p", parent)]
    done = git.run("commit-tree", tree, *which, "-F", "-", stdin=message.encode(), environment=git.identity())
    return done.text
