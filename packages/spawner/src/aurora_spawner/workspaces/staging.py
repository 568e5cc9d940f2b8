"""The index of a worktree with all of an agent's work, and nothing that the worktree was given."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from aurora_spawner.workspaces.checkouts import linked_git_dir
from aurora_spawner.workspaces.errors import GitError, WorkspaceError
from aurora_spawner.workspaces.manifest import read_manifest, stamp, unchanged

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aurora_spawner.workspaces.commits import Head
    from aurora_spawner.workspaces.worktrees import Worktree


_WITHOUT_COMMIT: Final = re.compile(r"^error: '(.+)/' does not have a commit checked out", re.MULTILINE)
"""The words of git about a repository inside a checkout in which nothing was committed yet: it cannot be added."""


def embedded_repository(worktree: Worktree, name: str) -> WorkspaceError:
    """Returns the error of a worktree that holds a git repository of its own, whose content no commit can hold."""
    problem = f"holds a git repository of its own in {name}; move that away or delete its .git folder"
    return WorkspaceError(worktree.path, problem)


def stage_work(worktree: Worktree, *, index: Path | None = None) -> None:
    """Puts all files of a worktree into its index that are an agent's work.

    Copied and linked files are none; neither is what set-up made, unless the agent has changed it.

    Args:
        index: An index instead of the worktree's own.

    Raises:
        ForeignWorktreeError: The worktree is gone.
        WorkspaceError: Its manifest is damaged, or it holds a repository of its own without a commit.
        GitError: Git failed.
    """
    git = worktree.git
    environment = {} if index is None else {"GIT_INDEX_FILE": str(index)}
    try:
        git.run("add", "--all", "--sparse", environment=environment)
    except GitError as error:
        empty = _WITHOUT_COMMIT.search(error.reason)
        if empty is None:
            raise
        raise embedded_repository(worktree, empty[1]) from error
    manifest = read_manifest(linked_git_dir(worktree.path))
    if manifest is None:
        return
    same = unchanged(worktree.path, manifest.made)
    altered = [name for name in manifest.made if name not in same and stamp(worktree.path, name)]
    from_input = ("--pathspec-from-file=-", "--pathspec-file-nul")
    if altered:
        git.run("add", "--force", "--sparse", *from_input, stdin=_paths(altered), environment=environment)
    if manifest.given or same:
        without = _paths([*manifest.given, *same])
        git.run("reset", "--quiet", *from_input, "HEAD", stdin=without, environment=environment)


def leave_given_behind(worktree: Worktree, head: Head) -> tuple[str, ...]:
    """Takes commits of the agent's that hold copied or linked files out of its branch; the files stay as they are.

    All its work then becomes one commit, and the old commits go to the attic.

    Returns:
        The copied and linked files that were in its commits.
    """
    git, manifest = worktree.git, read_manifest(linked_git_dir(worktree.path))
    if manifest is None or not manifest.given or head.commit == worktree.base:
        return ()
    question = ("log", "-m", "--no-renames", "--name-only", "--format=", "-z", f"{worktree.base}..HEAD")
    committed = {name.lstrip("\n") for name in git.run(*question).fields}
    found = tuple(name for name in manifest.given if name in committed)
    if found:
        on_own = head.branch == f"refs/heads/{worktree.branch}"
        detach = () if on_own else ("--no-deref",)  # another branch stays where it is
        git.run("update-ref", *detach, "HEAD", worktree.base)
    return found


def _paths(names: Iterable[str]) -> bytes:
    return b"".join(os.fsencode(name) + b"\0" for name in names)
