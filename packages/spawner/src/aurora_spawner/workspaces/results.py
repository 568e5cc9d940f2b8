"""The work of an agent in its worktree, as a commit."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Final

from aurora_spawner.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aurora_spawner.workspaces.worktrees import Worktree

_GITLINK: Final = "160000"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """One changed file."""

    path: str
    """Relative to the repository; for a rename the new name."""
    kind: str
    """Git's letter: A added, M modified, D deleted, T changed its type."""
    insertions: int | None
    """Lines; None for a binary file."""
    deletions: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkResult:
    """The work of one task."""

    commit: str | None
    """None if the agent changed nothing."""
    branch: str
    files: tuple[FileChange, ...] = ()
    out_of_scope: tuple[str, ...] = ()
    """Changed files that the task did not declare; empty if it declared none."""

    @property
    def is_noop(self) -> bool:
        """True if the agent changed nothing."""
        return self.commit is None


def commit_work(
    worktree: Worktree, message: str, *, trailers: Mapping[str, str], scope: Sequence[str] = ()
) -> WorkResult:
    """Commits what an agent left in its worktree, on top of the commits that it made itself.

    The branch of the task is moved to the result, whatever the agent has checked out.

    Args:
        message: Subject and body.
        trailers: Name the run, the task and the agent.
        scope: Patterns of the files that the task may change; none allows all.

    Raises:
        ForeignWorktreeError: The worktree is gone, or its `.git` file is.
        WorkspaceError: The worktree is in the middle of a merge or rebase, or holds a repository of its own,
            whose content no commit of this one can hold.
        GitError: Git failed, a hook of the user's included.
    """
    git = worktree.git
    _check_settled(worktree)
    git.run("add", "--all")
    _check_embedded(worktree)
    if not git.succeeds("diff", "--cached", "--quiet", "--no-ext-diff", "HEAD"):
        added = [part for name, value in trailers.items() for part in ("--trailer", f"{name}: {value}")]
        git.run("commit", "--quiet", "-F", "-", *added, stdin=message.encode(), environment=git.identity())
    commit = git.text("rev-parse", "HEAD")
    git.run("update-ref", f"refs/heads/{worktree.branch}", commit)
    if commit == worktree.base:
        return WorkResult(commit=None, branch=worktree.branch)
    files = changed_files(worktree, commit)
    outside = tuple(file.path for file in files if scope and not any(fnmatch(file.path, each) for each in scope))
    return WorkResult(commit=commit, branch=worktree.branch, files=files, out_of_scope=outside)


def changed_files(worktree: Worktree, commit: str) -> tuple[FileChange, ...]:
    """Returns the files that differ between a task's base and a commit."""
    how = ("--no-ext-diff", "--no-textconv", "--no-renames", "-z", worktree.base, commit)
    letters = worktree.git.run("diff-tree", "-r", "--name-status", *how).fields
    kinds = dict(zip(letters[1::2], letters[::2], strict=True))
    changes = []
    for line in worktree.git.run("diff-tree", "-r", "--numstat", *how).fields:
        insertions, deletions, path = line.split("\t", 2)
        changes.append(
            FileChange(path=path, kind=kinds[path], insertions=_lines(insertions), deletions=_lines(deletions))
        )
    return tuple(changes)


def _lines(count: str) -> int | None:
    return None if count == "-" else int(count)


def _check_settled(worktree: Worktree) -> None:
    git = worktree.git
    for state, what in (("rebase-merge", "a rebase"), ("rebase-apply", "a rebase"), ("MERGE_HEAD", "a merge")):
        if (worktree.path / git.text("rev-parse", "--git-path", state)).exists():
            raise WorkspaceError(
                worktree.path, f"is in the middle of {what}; end it there, then merge the task again"
            )


def _check_embedded(worktree: Worktree) -> None:
    staged = worktree.git.run("diff", "--cached", "--raw", "-z", "--no-renames", "--no-ext-diff", "HEAD").fields
    embedded = [path for entry, path in zip(staged[::2], staged[1::2], strict=True) if entry.split()[1] == _GITLINK]
    if embedded:
        worktree.git.run("reset", "--quiet")
        problem = f"holds a git repository of its own in {embedded[0]}; move that away or delete its .git folder"
        raise WorkspaceError(worktree.path, problem)
