"""Merges of two commits without a checkout."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from aurora_spawner.workspaces.errors import GitError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from aurora_spawner.tasks.resolved import ResolvedFile
    from aurora_spawner.workspaces.git import Git


_UNREADABLE: Final = b"could not read"
"""Git's word for a missing tree, which it merges as an empty one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeMerge:
    """Two commits put together.

    Attributes:
        tree: the merged tree; with conflicts it holds conflict markers.
        is_clean: True if nothing conflicts. Git may report a conflict without a file.
        conflicts: files that cannot be merged.
        resolved: files that git alone cannot merge, and what has merged them.
        problem: why files could not be made again; empty if they were, or need not be.
    """

    tree: str
    is_clean: bool
    conflicts: tuple[str, ...] = ()
    resolved: tuple[ResolvedFile, ...] = ()
    problem: str = ""


class Merger(Protocol):
    """A way to merge two commits without a checkout."""

    def preview(self, ours: str, theirs: str) -> TreeMerge:
        """Returns what conflicts; no command of the user's runs, so the tree may not be final."""
        ...

    def merge(self, ours: str, theirs: str) -> TreeMerge:
        """Merges two commits; no branch, index or file of the user's changes."""
        ...


@dataclass(frozen=True, slots=True)
class PlainMerger:
    """Merges as git does, line by line."""

    git: Git

    def preview(self, ours: str, theirs: str) -> TreeMerge:
        """Returns the merge itself."""
        return merge_trees(self.git, ours, theirs)

    merge = preview


def merge_trees(git: Git, ours: str, theirs: str) -> TreeMerge:
    """Merges two commits in memory; no branch, index or file changes.

    Raises:
        GitVersionError: Git is too old for it.
        GitError: One of the two is missing, they have no common history, or git failed.
    """
    git.check_version()
    command = ("merge-tree", "--write-tree", "-z", "--no-messages", "--name-only", ours, theirs)
    done = git.run(*command, accepted=(0, 1))
    tree, *conflicts = done.fields or [""]
    # Git ends with 1 for a conflict, and for a commit that it cannot find; then it names no tree.
    if not tree or _UNREADABLE in done.errors.lower() or (conflicts and not done.status):
        raise GitError(git.folder, command, os.fsdecode(done.errors).strip() or f"exit status {done.status}")
    return TreeMerge(tree=tree, is_clean=done.status == 0, conflicts=tuple(dict.fromkeys(conflicts)))


def is_ancestor(git: Git, commit: str, of: str) -> bool:
    """Returns True if a commit is part of the history of another."""
    return git.succeeds("merge-base", "--is-ancestor", commit, of)


def merge_parents(git: Git, commit: str) -> tuple[str, str] | None:
    """Returns the two commits that a commit merges; None if it is no merge of two."""
    parents = git.text("rev-list", "--no-walk", "--parents", commit).split()[1:]
    return (parents[0], parents[1]) if len(parents) == 2 else None


def one_line(value: str) -> str:
    """Returns a value as one line for a message, where a second line could be a trailer of its own."""
    return " ".join(value.split())


def commit_merge(
    git: Git, tree: str, parents: tuple[str, ...], message: str, *, identity: Mapping[str, str] | None = None
) -> str:
    """Makes a merge commit on no branch; returns its name.

    Args:
        identity: `Git.identity`, for a caller that makes many.
    """
    which = [part for parent in parents for part in ("-p", parent)]
    environment = git.identity() if identity is None else identity
    text = message.encode(errors="replace")
    return git.run("commit-tree", tree, *which, "-F", "-", stdin=text, environment=environment).text


class Joined:
    """The commits that a growing line of merges contains, without a question to git for each.

    Args:
        base: The commit that the line starts from.
        commits: What may be asked about.
    """

    def __init__(self, git: Git, base: str, commits: Collection[str]) -> None:
        self._outside: dict[str, list[str]] = {}
        """The commits that the line does not contain, of these and their histories, each with its parents."""
        if commits:
            lines = "".join(f"{each}\n" for each in (*commits, f"^{base}"))
            listing = git.run("rev-list", "--parents", "--stdin", stdin=lines.encode()).text
            self._outside = {name: parents for name, *parents in map(str.split, listing.splitlines())}

    def has(self, commit: str) -> bool:
        """Returns True if the line contains a commit."""
        return commit not in self._outside

    def take(self, commit: str) -> None:
        """Merges a commit: the line contains it from now on, and all of its history."""
        left = [commit]
        while left:
            left += self._outside.pop(left.pop(), ())
