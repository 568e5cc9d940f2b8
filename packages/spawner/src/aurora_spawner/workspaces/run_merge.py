"""The merge of a run's work: onto its integration branch, to the target if wanted, then the worktrees go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_spawner.errors import WorkspaceError
from aurora_spawner.tasks.work import Delivery, MergeOutcome, RunDelivery, RunMerge, TaskMerge
from aurora_spawner.workspaces.merge_queue import MergeQueue, Work
from aurora_spawner.workspaces.merging import is_ancestor
from aurora_spawner.workspaces.starting_point import starting_point

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aurora_spawner.tasks.work import TaskWork
    from aurora_spawner.workspaces.merge_queue import Check, Merged
    from aurora_spawner.workspaces.run_worktrees import RunWorktrees


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeResult:
    """A merge, and the worktrees that stay although their work has arrived."""

    merge: RunMerge
    kept: tuple[str, ...]
    """A sentence for each."""


def merge_run(
    worktrees: RunWorktrees,
    works: Mapping[str, TaskWork],
    *,
    deliver: bool,
    agents: Mapping[str, str],
    check: Callable[[str], Check] | None = None,
) -> MergeResult:
    """Merges the work of a run's tasks. What was merged before stays so; a second call goes on where one was killed.

    Args:
        works: Of the tasks that succeeded, in the order of the run.
        deliver: Bring the merged work to the target branch, and to the user's checkout if that is clean.
        agents: The agent of each task.
        check: Says if a commit is good; None takes everything that git can merge.
    """
    git, isolation = worktrees.workspaces.git, worktrees.isolation
    changed = [
        Work(task_id=task_id, commit=_present(worktrees, work), branch=work.branch, agent=agents.get(task_id, ""))
        for task_id, work in works.items()
        if work.commit is not None
    ]
    queue = MergeQueue(
        git=git,
        run_id=worktrees.workspaces.run_id,
        target=isolation.target or "",
        base=starting_point(worktrees, [work.commit for work in changed]),
        check=check,
        own_files=isolation.own_files,
    )
    flaky = base_fails = False
    merged: dict[str, TaskMerge] = {}
    outcome, problem = None, None
    try:
        if changed:  # else there would be a branch without anything on it
            batch = queue.merge(changed)
            flaky, base_fails = batch.flaky, batch.base_fails
            merged = {each.work.task_id: _task_merge(each) for each in batch.merged}
        if deliver and changed and isolation.target is not None and not base_fails:
            outcome = Delivery(queue.deliver(update_checkout=True).value)
    except WorkspaceError as error:
        problem = str(error)
    delivery = RunDelivery(
        branch=queue.branch,
        commit=queue.head,
        target=isolation.target,
        outcome=outcome,
        flaky=flaky,
        base_fails=base_fails,
        problem=problem,
    )
    merge = RunMerge(tasks=merged, delivery=delivery)
    arrived = outcome is not None and outcome.arrived
    kept = _remove_worktrees(worktrees, works, merge if arrived else None)
    if arrived:
        kept |= _remove_integration(worktrees, delivery)
    return MergeResult(merge=merge, kept=tuple(kept.values()))


def _present(worktrees: RunWorktrees, work: TaskWork) -> str:
    """Returns the head of a task's branch if it goes on from the task's commit, as after a conflict was resolved."""
    git, commit = worktrees.workspaces.git, str(work.commit)
    head = git.run("rev-parse", "--verify", "--quiet", f"refs/heads/{work.branch}", accepted=(0, 1)).text
    return head if head and is_ancestor(git, commit, head) else commit


def _task_merge(merged: Merged) -> TaskMerge:
    return TaskMerge(
        task_id=merged.work.task_id,
        branch=merged.work.branch,
        commit=merged.work.commit,
        outcome=MergeOutcome(merged.outcome.value),
        files=merged.files,
        clashes_with=merged.clashes_with,
    )


def _remove_worktrees(
    worktrees: RunWorktrees, works: Mapping[str, TaskWork], arrived: RunMerge | None
) -> dict[str, str]:
    """Removes the worktrees of tasks that changed nothing, and of those whose work has arrived.

    Args:
        arrived: The merge whose merged work is on the target; None if nothing arrived.

    Returns:
        Why others of them stay, by task.
    """
    kept: dict[str, str] = {}
    for task_id, work in works.items():
        merged = arrived.tasks.get(task_id) if arrived else None
        done = work.commit is None or (merged is not None and merged.outcome is MergeOutcome.MERGED)
        if not done:
            continue
        try:
            if worktrees.path_of(task_id).exists():
                worktrees.workspaces.remove(worktrees.find(task_id))
            elif worktrees.has_refs(task_id):  # a kill came between the removal of the folder and that of its refs
                worktrees.workspaces.remove(worktrees.gone(task_id, work.base))
        except WorkspaceError as error:
            kept[task_id] = f"the worktree of task {task_id} stays: {error}"
    return kept


def _remove_integration(worktrees: RunWorktrees, delivery: RunDelivery) -> dict[str, str]:
    """Removes the integration branch; the target has its commits."""
    try:
        worktrees.workspaces.git.run("update-ref", "-d", f"refs/heads/{delivery.branch}", delivery.commit)
    except WorkspaceError as error:
        return {delivery.branch: f"the branch {delivery.branch} stays: {error}"}
    return {}
