"""The merge of a run's work: onto its integration branch, to the target if wanted, then the worktrees go."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aurora_spawner.errors import WorkspaceError
from aurora_spawner.tasks.result import TaskState
from aurora_spawner.tasks.work import MergeOutcome, RunDelivery, RunMerge, TaskMerge
from aurora_spawner.workspaces.merge_queue import MergeQueue, Work
from aurora_spawner.workspaces.merging import is_ancestor
from aurora_spawner.workspaces.names import INTEGRATION, branch_of, slug
from aurora_spawner.workspaces.starting_point import starting_point

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.tasks.work import TaskWork
    from aurora_spawner.workspaces.checks import CommandCheck
    from aurora_spawner.workspaces.git import Git
    from aurora_spawner.workspaces.merge_queue import Check, Merged
    from aurora_spawner.workspaces.merging import Merger
    from aurora_spawner.workspaces.run_worktrees import RunWorktrees
    from aurora_spawner.workspaces.worktrees import Worktree


_AT_ONCE: Final = 4
"""Worktrees that are removed side by side."""

_HOW_IT_WENT: Final = {
    TaskState.FAILED: "failed",
    TaskState.CANCELLED: "was cancelled",
    TaskState.SKIPPED: "was skipped",
}


def merge_run(
    worktrees: RunWorktrees,
    works: Mapping[str, TaskWork],
    *,
    deliver: bool,
    agents: Mapping[str, str],
    check: CommandCheck | None = None,
    merger: Merger | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> RunMerge:
    """Merges the work of a run's tasks. What was merged before stays so; a second call goes on where one was killed.

    Args:
        works: Of the tasks that succeeded, in the order of the run.
        deliver: Bring the merged work to the target branch, and to the user's checkout if that is clean.
        agents: The agent of each task.
        check: Says if a commit is good; None takes everything that can be merged.
        merger: Merges two commits; git alone if None.
        stopped: Asked between two steps; True ends the merge, which a second call then completes.
    """
    git, isolation = worktrees.workspaces.git, worktrees.isolation
    changed = {task_id: work for task_id, work in works.items() if work.commit is not None}
    delivery = RunDelivery(
        branch=branch_of(worktrees.workspaces.run_id, INTEGRATION), commit=isolation.base, target=isolation.target
    )
    merged: dict[str, TaskMerge] = {}
    try:
        finished = _finished(worktrees, changed, agents)
        queue = MergeQueue(
            git=git,
            run_id=worktrees.workspaces.run_id,
            target=isolation.target or "",
            base=starting_point(worktrees, [work.commit for work in finished]),
            check=None if check is None else _careful(check, worktrees, stopped),
            own_files=isolation.own_files,
            merger=merger,
        )
        if finished:  # else there would be a branch without anything on it
            _go_on(git, stopped)
            batch = queue.merge(finished)
            merged = {each.work.task_id: _task_merge(each) for each in batch.merged}
            delivery = replace(delivery, commit=queue.head, flaky=batch.flaky, base_fails=batch.base_fails)
        if deliver and isolation.target is not None and _any_merged(merged):
            _go_on(git, stopped)
            with worktrees.workspaces.delivering():
                outcome = queue.deliver(update_checkout=True)
            delivery = replace(delivery, commit=queue.head, outcome=outcome)
    except WorkspaceError as error:
        delivery = replace(delivery, problem=str(error))
    return RunMerge(tasks=merged, delivery=replace(delivery, check_output=check.failure if check else ""))


def _any_merged(merged: Mapping[str, TaskMerge]) -> bool:
    return any(each.outcome is MergeOutcome.MERGED for each in merged.values())


def remove_merged(worktrees: RunWorktrees, works: Mapping[str, TaskWork], merge: RunMerge) -> tuple[str, ...]:
    """Removes the worktrees of tasks that changed nothing, and of those whose work has arrived on the target.

    Only once the merge is in the journal: without the integration branch a second merge would begin anew.

    Returns:
        A sentence for each worktree or branch that stays although it could go.
    """
    arrived = merge.delivery.outcome is not None and merge.delivery.outcome.arrived
    merged = {each.task_id for each in merge.tasks.values() if arrived and each.outcome is MergeOutcome.MERGED}

    def remove(task_id: str) -> str:
        try:
            if worktrees.path_of(task_id).exists() or worktrees.has_refs(task_id):
                worktrees.workspaces.remove(worktrees.gone(task_id, works[task_id].base))
        except WorkspaceError as error:
            return f"the worktree of task {task_id} stays: {error}"
        return ""

    needless = [task_id for task_id, work in works.items() if work.commit is None or task_id in merged]
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        kept = [sentence for sentence in threads.map(remove, needless) if sentence]
    if arrived:
        kept += _remove_integration(worktrees, merge.delivery)
    return tuple(kept)


def left_behind(worktrees: RunWorktrees, results: Mapping[str, SpawnResult]) -> tuple[str, ...]:
    """Returns a sentence for each task that did not succeed and has left something in its worktree.

    Raises:
        GitError: Git failed.
    """
    names = {slug(task_id): task_id for task_id in results}
    sentences = []
    for worktree in worktrees.workspaces.existing():
        task_id = names.get(worktree.path.name, worktree.path.name)
        result = results.get(task_id)
        if (result is None or not result.success) and _holds_work(worktrees, worktree):
            how = "is in the run no longer" if result is None else _HOW_IT_WENT[result.state]
            where = f"{worktree.path}, on the branch {worktree.branch}"
            sentences.append(f"the work of task {task_id}, which {how}, is in {where}; a retry continues from it")
    return tuple(sentences)


def _holds_work(worktrees: RunWorktrees, worktree: Worktree) -> bool:
    try:
        unsaved = worktrees.workspaces.unsaved(worktree)
        return bool(unsaved) or worktree.git.text("rev-parse", "HEAD") != worktree.base
    except WorkspaceError:
        return True  # nobody can look into it


def _go_on(git: Git, stopped: Callable[[], bool]) -> None:
    if stopped():
        raise WorkspaceError(git.folder, "the merge was interrupted; resume the run to complete it")


def _careful(
    check: Callable[[str], Check], worktrees: RunWorktrees, stopped: Callable[[], bool]
) -> Callable[[str], Check]:
    """Returns a check that can be stopped before it begins, and whose commits a `git gc` meanwhile does not take."""

    def asked(commit: str) -> Check:
        _go_on(worktrees.workspaces.git, stopped)
        worktrees.hold(commit)
        return check(commit)

    return asked


def _finished(worktrees: RunWorktrees, works: Mapping[str, TaskWork], agents: Mapping[str, str]) -> list[Work]:
    """Returns the work with the heads of the tasks' branches, where they go on from it: a conflict was resolved."""
    git, heads = worktrees.workspaces.git, worktrees.heads()
    finished = []
    for task_id, work in works.items():
        head, commit = heads.get(work.branch), str(work.commit)
        if head is not None and head != commit and is_ancestor(git, commit, head):
            commit = head
        finished.append(Work(task_id=task_id, commit=commit, branch=work.branch, agent=agents.get(task_id, "")))
    return finished


def _task_merge(merged: Merged) -> TaskMerge:
    return TaskMerge(
        task_id=merged.work.task_id,
        branch=merged.work.branch,
        commit=merged.work.commit,
        outcome=merged.outcome,
        files=merged.files,
        clashes_with=merged.clashes_with,
        resolved=merged.resolved,
        problem=merged.problem,
    )


def _remove_integration(worktrees: RunWorktrees, delivery: RunDelivery) -> list[str]:
    """Removes the integration branch; the target has its commits."""
    try:
        worktrees.workspaces.git.run("update-ref", "-d", f"refs/heads/{delivery.branch}", delivery.commit)
    except WorkspaceError as error:
        return [f"the branch {delivery.branch} stays: {error}"]
    return []
