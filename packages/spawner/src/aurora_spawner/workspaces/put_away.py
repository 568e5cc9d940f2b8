"""Work that is not wanted, as it stands in its worktree: into the attic, then the worktree goes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aurora_spawner.workspaces.attic import ATTIC, AtticEntry, list_attic
from aurora_spawner.workspaces.checkouts import reveal
from aurora_spawner.workspaces.merging import is_ancestor
from aurora_spawner.workspaces.names import base_ref_of, slug
from aurora_spawner.workspaces.present import present_commit

if TYPE_CHECKING:
    from aurora_spawner.tasks.work import TaskWork
    from aurora_spawner.workspaces.git import Git
    from aurora_spawner.workspaces.run_worktrees import RunWorktrees
    from aurora_spawner.workspaces.worktrees import Worktree


def move_to_attic(worktrees: RunWorktrees, task_id: str) -> tuple[AtticEntry, ...]:
    """Puts the work of a task into the attic and removes its worktree; a second call goes on where one was killed.

    Files that `.gitignore` hides keep the worktree where it is, after its work is in the attic.

    Returns:
        The heads of the work; none if there was none.

    Raises:
        WorkspaceError: The worktree holds what no commit can hold, or ignored files; or git failed.
    """
    there = worktrees.path_of(task_id).exists()
    if not there and not worktrees.has_refs(task_id):
        return ()
    git, base = worktrees.workspaces.git, worktrees.workspaces.base_of(task_id)
    worktree = worktrees.find(task_id) if there else worktrees.gone(task_id, base)
    heads = commits_to_keep(git, worktree, there=there)
    entries = tuple(put_commit(git, worktree.branch, commit) for commit in heads if commit != base)
    for commit in heads:
        if commit != base:
            worktrees.leave_out(commit)
    if there:
        check_out_keeping_files(worktree, heads[0])
    worktrees.workspaces.remove(worktree)
    return entries


def is_put_away(worktrees: RunWorktrees, task_id: str, work: TaskWork) -> bool:
    """Returns True if the work of a task has no branch, and the attic has it."""
    git, branch = worktrees.workspaces.git, worktrees.branch_of(task_id)
    if work.commit is None or git.commit_of(f"refs/heads/{branch}"):
        return False
    return any(entry.commit == work.commit and entry.name == branch for entry in list_attic(git))


def bring_back(worktrees: RunWorktrees, task_id: str, work: TaskWork) -> None:
    """Gives work from the attic its branch again, and the ref that remembers its base; no worktree.

    It is not in the attic any longer, where a clean-up would take it for work that nobody wants. A branch that is
    there stays as it is: it may go on from the work.

    Raises:
        GitError: The commit is gone.
    """
    git, branch = worktrees.workspaces.git, worktrees.branch_of(task_id)
    refs = ((f"refs/heads/{branch}", work.head), (_base_ref(worktrees, task_id), work.base))
    changes = [f"create {ref} {commit}\n" for ref, commit in refs if not git.commit_of(ref)]
    if not git.commit_of(refs[0][0]):
        kept = [entry for entry in list_attic(git) if entry.commit == work.head and entry.is_of(branch)]
        changes += [f"delete {entry.ref} {entry.commit}\n" for entry in kept]
    git.run("update-ref", "--stdin", stdin="".join(changes).encode())


def _base_ref(worktrees: RunWorktrees, task_id: str) -> str:
    return base_ref_of(worktrees.workspaces.run_id, slug(task_id))


def commits_to_keep(git: Git, worktree: Worktree, *, there: bool) -> list[str]:
    """Returns the commits to keep: the present state of the worktree, and the branch if it has something else.

    Args:
        there: The folder of the worktree exists.
    """
    branch = git.commit_of(f"refs/heads/{worktree.branch}")
    if not there:
        return [branch] if branch else []
    message = f"Uncommitted files of task {worktree.task_id}\n\nAurora-Run: {worktree.run_id}\n"
    present = present_commit(worktree, f"{message}Aurora-Task: {worktree.task_id}\n")
    return [present, *([branch] if branch and not is_ancestor(git, branch, present) else [])]


def put_commit(git: Git, branch: str, commit: str) -> AtticEntry:
    """Puts a commit into the attic; one that an earlier, killed call has put there stays the only one."""
    there = [entry for entry in list_attic(git) if entry.commit == commit and entry.is_of(branch)]
    if there:
        return there[0]
    since = int(time.time())
    taken = {entry.ref for entry in list_attic(git)}
    name = branch if f"{ATTIC}/{since}/{branch}" not in taken else f"{branch}.{commit}"
    git.run("update-ref", f"{ATTIC}/{since}/{name}", commit, "0" * len(commit))
    return AtticEntry(ref=f"{ATTIC}/{since}/{name}", commit=commit, name=name, since=float(since))


def check_out_keeping_files(worktree: Worktree, commit: str) -> None:
    """Makes a worktree stand on a commit that has its files; none is written, so a later change is still seen."""
    git = worktree.git
    reveal(git)
    git.run("add", "--all")
    git.run("update-ref", "--no-deref", "HEAD", commit)
