"""The stages of an attempt that resolves a conflict: its result is accepted, or goes to the attic with the reason."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from aurora_spawner.runs.check_stage import check_attempt
from aurora_spawner.runs.merge_runner import merge_runner_for
from aurora_spawner.runs.stage_ends import left_to_resume
from aurora_spawner.tasks.result import TaskState
from aurora_spawner.tasks.work import commit_id
from aurora_spawner.workspaces.conflicts.resolution import NotResolvedError, read_conflict, resolve
from aurora_spawner.workspaces.errors import CommandStoppedError, WorkspaceError
from aurora_spawner.workspaces.merging import one_line

if TYPE_CHECKING:
    from aurora_spawner.runs.attempt import Attempt
    from aurora_spawner.runs.run_context import RunContext
    from aurora_spawner.tasks.task import SpawnTask
    from aurora_spawner.workspaces.run_worktrees import RunWorktrees
    from aurora_spawner.workspaces.worktrees import Worktree


async def accept_resolution(run: RunContext, attempt: Attempt) -> Attempt:
    """Makes the work of an agent the merge that it resolves, if no marker is left and no other file has changed."""
    task, result, worktree = run.task(attempt.task_id), attempt.result, attempt.worktree
    if task.resolves is None or result is None or not result.success:
        return attempt
    if run.worktrees is None or worktree is None or result.work is None:
        failed = replace(result, state=TaskState.FAILED, error="a conflict can only be resolved in a worktree")
        return attempt._replace(result=failed, final=True)
    accept = partial(_accept, run, run.worktrees, worktree, task, agent=attempt.agent, commit=result.work.head)
    try:
        onto, merge = await asyncio.to_thread(accept)
    except CommandStoppedError as error:
        return left_to_resume(run, attempt, result, error.problem)
    except NotResolvedError as error:
        return await _reject(run, attempt._replace(final=True), error.problem)
    except WorkspaceError as error:
        failed = replace(result, state=TaskState.FAILED, error=f"the conflict is not resolved: {error}", work=None)
        return attempt._replace(result=failed, final=True)
    # Without the work, the checks are those of what was merged before, not of a commit full of markers.
    return attempt._replace(
        worktree=replace(worktree, base=onto), result=replace(result, work=replace(result.work, commit=merge))
    )


async def check_work(run: RunContext, attempt: Attempt) -> Attempt:
    """Runs the checks of a good attempt's work; a resolution that fails them for good goes to the attic."""
    attempt = await check_attempt(run, attempt)
    result = attempt.result
    failed = result is not None and result.state is TaskState.FAILED and attempt.checked is not None
    if failed and result is not None and run.task(attempt.task_id).resolves is not None:
        return await _reject(run, attempt, str(result.error))
    return attempt


def _accept(
    run: RunContext, worktrees: RunWorktrees, worktree: Worktree, task: SpawnTask, *, agent: str, commit: str
) -> tuple[str, str]:
    """Returns what was merged before, and the merge with the agent's work, on which the worktree stands now."""
    task_id = str(task.id)
    merger = worktrees.merger(merge_runner_for(run, task_id), task_id=task_id)
    conflict = read_conflict(merger, commit_id(task.conflict))
    trailers = {
        "Aurora-Run": worktrees.workspaces.run_id,
        "Aurora-Task": str(task.resolves),
        "Aurora-Resolved-By": f"{agent} (task {task_id})",
    }
    named = "".join(f"{name}: {one_line(value)}\n" for name, value in trailers.items())
    merge = resolve(merger, conflict, commit, f"Merge task {one_line(str(task.resolves))}\n\n{named}")
    worktrees.keep_merge(worktree, merge)
    return conflict.onto, merge


async def _reject(run: RunContext, attempt: Attempt, reason: str) -> Attempt:
    """Returns the attempt as a failure; its commits are in the attic."""
    assert run.worktrees is not None
    assert attempt.worktree is not None
    assert attempt.result is not None
    try:
        worktree = await asyncio.to_thread(run.worktrees.find, attempt.task_id)
        ref = await asyncio.to_thread(run.worktrees.reject, worktree, reason)
        where = f"its work is {ref}"
    except WorkspaceError as error:
        where = str(error)
    problem = f"the conflict is not resolved: {reason}; {where}"
    failed = replace(attempt.result, state=TaskState.FAILED, error=problem, work=None)
    return attempt._replace(result=failed)
