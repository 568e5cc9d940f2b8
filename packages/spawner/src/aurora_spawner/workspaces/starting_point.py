"""The commit that an integration branch starts from: the base, or the target if that has work of the run already."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aurora_spawner.workspaces.run_worktrees import RunWorktrees


def starting_point(worktrees: RunWorktrees, commits: Iterable[str]) -> str:
    """Returns the commit for a merge of these commits to start from.

    The integration branch is removed once the target has its commits. A later merge that started from the base again
    would repeat what the target has, and would find a conflict only on the way to the target, without the other task.

    Raises:
        GitError: Git failed.
    """
    git, isolation = worktrees.workspaces.git, worktrees.isolation
    if isolation.target is None or git.succeeds(
        "show-ref", "--verify", "--quiet", f"refs/heads/{worktrees.integration}"
    ):
        return isolation.base
    target = git.commit_of(f"refs/heads/{isolation.target}")
    if not target or target == isolation.base:
        return isolation.base
    new = frozenset(git.text("rev-list", target, f"^{isolation.base}").splitlines())
    return isolation.base if new.isdisjoint(commits) else target
