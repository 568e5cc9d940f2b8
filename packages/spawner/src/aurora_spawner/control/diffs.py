"""The change that a task or a run has made, as git shows it; nothing in a worktree or on a branch changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_spawner.control.lookup import find_run
from aurora_spawner.control.work_changes import rows_without_work
from aurora_spawner.errors import NoWorkError, UnknownTaskError
from aurora_spawner.tasks.work import MergeOutcome
from aurora_spawner.workspaces.merging import commit_merge, is_ancestor, merge_parents
from aurora_spawner.workspaces.names import base_ref_of, slug
from aurora_spawner.workspaces.present import present_commit
from aurora_spawner.workspaces.run_worktrees import RunWorktrees
from aurora_spawner.workspaces.shown_work import SAFE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aurora_spawner.journal.views import RunRow, TaskRow
    from aurora_spawner.workspaces.git import Git


def work_diff(
    journal: Path, run_id: str, task_id: str | None = None, *, stat: bool = False, colour: bool = False
) -> bytes:
    """Returns the change of a task against its base, or of all merged tasks against the base of the run.

    The change of a task is the present state of its worktree, with uncommitted and untracked files; if that is gone,
    its branch, or the commit that the journal has.

    Args:
        stat: Files and numbers of lines instead of a patch.
        colour: With the escape sequences of a terminal.

    Returns:
        A patch; empty if nothing was changed.

    Raises:
        UnknownRunError, UnknownTaskError: There is no such run, or it has no such task.
        NoWorkError: The tasks had no worktrees, or nothing of the work is left.
        WorkspaceError: The worktree cannot be read, or git failed.
    """
    run, rows = find_run(journal, run_id)
    isolation = run.options.isolation if run.options else None
    if isolation is None:
        raise NoWorkError(
            run_id, None, "its tasks did not work in worktrees, so Aurora cannot tell what each has changed"
        )
    worktrees = RunWorktrees.of(isolation, run_id)
    if task_id is None:
        base, commit = isolation.base, _merged(worktrees, run, rows)
    else:
        by_id = {row.task_id: row for row in rows}
        worker = by_id[task_id].worker if task_id in by_id else task_id
        if worker not in by_id:
            raise UnknownTaskError(run_id, worker, list(by_id))
        base, commit = ends_of_work(worktrees, run_id, by_id[worker])
    form = ("--stat=100",) if stat else ("--patch", "--binary", "--full-index")
    shown = ("--color=always" if colour else "--color=never", "-r", "--find-renames", *form)
    return worktrees.workspaces.git.run("diff-tree", *SAFE, *shown, base, commit).data


def ends_of_work(worktrees: RunWorktrees, run_id: str, row: TaskRow) -> tuple[str, str]:
    """Returns the base of a task and a commit with its present state; errors as for `work_diff`."""
    git = worktrees.workspaces.git
    work = row.result.work if row.result else None
    base = work.base if work else git.commit_of(base_ref_of(run_id, slug(row.task_id)))
    if row.branch is None or not base:
        raise NoWorkError(
            run_id, row.task_id, f"it is {row.state} and has no worktree, so there is no change to show"
        )
    worktree = worktrees.gone(row.task_id, base)
    if worktree.path.exists():
        return base, present_commit(worktree, f"Present state of task {row.task_id}\n")
    known = [f"refs/heads/{row.branch}", row.merge.attic if row.merge else None, work.head if work else None]
    for revision in filter(None, known):
        commit = git.commit_of(revision)
        if commit:
            return base, commit
    raise NoWorkError(run_id, row.task_id, "its branch and its worktree are gone")


def _merged(worktrees: RunWorktrees, run: RunRow, rows: Sequence[TaskRow]) -> str:
    """Returns a commit with the work of the merged tasks, and nothing that others have done on the target."""
    git = worktrees.workspaces.git
    aside = rows_without_work(rows)
    merged = [row for row in rows if row.task_id not in aside]
    merged.sort(key=lambda row: row.task.resolves is None)  # what resolves a conflict holds the work that conflicts
    merges = [row.merge for row in merged if row.merge and row.merge.outcome is MergeOutcome.MERGED]
    if not merges or run.delivery is None:
        raise NoWorkError(run.run_id, None, f"nothing of it is merged yet; see one task: aur diff {run.run_id} TASK")
    there = _as_merged(git, run, worktrees.isolation.base, [each.commit for each in merges])
    if there is not None:
        return there
    head, merger = worktrees.isolation.base, worktrees.merger()
    for each in merges:
        if is_ancestor(git, each.commit, head):
            continue
        merge = merger.merge(head, each.commit)
        if not merge.is_clean:  # a conflict that a person has resolved with commits of the target
            return run.delivery.commit
        head = commit_merge(git, merge.tree, (head, each.commit), "Work of the merged tasks\n")
    return head


def _as_merged(git: Git, run: RunRow, base: str, merged: Sequence[str]) -> str | None:
    """Returns the commit that the run's merges ended with, before new commits of the target joined it.

    Nothing is merged anew, so files that a command has made again are as it has made them. None if that commit is
    gone, lacks merged work, or has commits of others.
    """
    commit = git.commit_of(run.delivery.commit) if run.delivery else ""
    if not commit:
        return None
    while (parents := merge_parents(git, commit)) and _is_with_target(git, run.run_id, commit):
        commit = parents[1]
    others = git.text("rev-list", "--no-merges", commit, "--not", base, *merged)
    return None if others or not all(is_ancestor(git, each, commit) for each in merged) else commit


def _is_with_target(git: Git, run_id: str, commit: str) -> bool:
    return git.text("show", "--no-patch", "--format=%s", commit).startswith(f"Merge run {run_id} into ")
