"""The stages of an attempt in a worktree: made and prepared before the attempt, committed after a good one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from aurora_spawner.journal.work_facts import WorkspaceIntended
from aurora_spawner.runs.merge_runner import merge_runner_for
from aurora_spawner.runs.room import has_room_now
from aurora_spawner.runs.worktree_setup import set_up_worktree
from aurora_spawner.tasks.file_claims import FileClaim
from aurora_spawner.tasks.result import TaskState
from aurora_spawner.tasks.work import commit_id
from aurora_spawner.workspaces.checkouts import relink
from aurora_spawner.workspaces.errors import CommandStoppedError, DiskCapError, WorkspaceError
from aurora_spawner.workspaces.task_checks import put_back_later

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aurora_spawner.runs.attempt import Attempt
    from aurora_spawner.runs.run_context import RunContext
    from aurora_spawner.tasks.resolved import ResolvedFile
    from aurora_spawner.tasks.task import SpawnTask
    from aurora_spawner.tasks.work import TaskWork
    from aurora_spawner.workspaces.run_worktrees import RunWorktrees, TaskStart

_NAMED_FILES: Final = 5


async def prepare_worktree(run: RunContext, attempt: Attempt) -> Attempt:
    """Makes the worktree of a new attempt, or finds that of an attempt which an earlier coordinator left."""
    worktrees = run.worktrees
    if worktrees is None:
        return attempt
    task_id = attempt.task_id
    if attempt.found is not None:
        try:
            found = await asyncio.to_thread(worktrees.find, task_id)
            run.tasks.flight(task_id).worktree = found
            return attempt._replace(worktree=found)
        except WorkspaceError:
            # Its agent has to be seen to its end first; `commit_attempt` looks again.
            return attempt._replace(worktree=worktrees.gone(task_id, ""))
    branch = worktrees.branch_of(task_id)
    intended = WorkspaceIntended(path=str(worktrees.path_of(task_id)), branch=branch)
    await run.recorder.append(task_id, intended)
    try:
        begun = await _begin(run, worktrees, task_id)
    except WorkspaceError as error:
        cut_off = isinstance(error, CommandStoppedError) or run.stopping(task_id)
        state = TaskState.CANCELLED if cut_off else TaskState.FAILED
        result = run.without_attempt(task_id, state, str(error))
        return attempt._replace(agent=run.agent_of(task_id), result=result, final=True)
    if begun.aside is not None:
        run.notices.append(aside_notice(task_id, begun.aside))
    if begun.resolved:
        run.notices.append(_merged_notice(task_id, begun.resolved))
    prepared = await set_up_worktree(run, attempt._replace(worktree=begun.worktree))
    run.tasks.flight(task_id).worktree = prepared.worktree
    return prepared


async def _begin(run: RunContext, worktrees: RunWorktrees, task_id: str) -> TaskStart:
    """Makes the worktree of a task once there is room for it.

    Raises:
        WorkspaceError: It cannot be made, or nobody will make room.
    """
    runner = merge_runner_for(run, task_id)
    start = _start_of(run.task(task_id))
    while True:
        before, also = _work_before(run, task_id), _work_on_its_files(run, task_id)
        prepare = partial(worktrees.prepare, task_id, before, runner, start=start, also=also)
        try:
            return await asyncio.to_thread(prepare)
        except DiskCapError as error:
            if not await has_room_now(run, task_id, error):
                raise


def _start_of(task: SpawnTask) -> str | None:
    """Returns the commit that a task starts from if it resolves a conflict."""
    return None if task.conflict is None else commit_id(task.conflict)


def aside_notice(task_id: str, aside: Path) -> str:
    """Says where the files are that earlier attempts at a task have left and no commit holds."""
    return f"task {task_id} starts over; files of its earlier attempts that git ignores are in {aside}"


def _merged_notice(task_id: str, resolved: Sequence[ResolvedFile]) -> str:
    """Says what has merged the work that a task starts from, where git alone did not."""
    named = ", ".join(f"{each.path} (by `{each.by}`)" for each in resolved[:_NAMED_FILES])
    more = f" and {len(resolved) - _NAMED_FILES} more" if len(resolved) > _NAMED_FILES else ""
    return f"task {task_id} starts from a merge in which git could not merge every file: {named}{more}"


def _work_before(run: RunContext, task_id: str) -> dict[str, TaskWork]:
    """Returns the work of the tasks that a task depends on, by task."""
    results = run.tasks.before(run.task(task_id))
    return {result.task_id: result.work for result in results if result.work is not None}


def _work_on_its_files(run: RunContext, task_id: str) -> dict[str, TaskWork]:
    """Returns the finished work of other tasks that declare a file which this one declares, too, in their order."""
    claim = FileClaim.of(run.task(task_id))
    found: dict[str, TaskWork] = {}
    for other, each in run.tasks.tasks.items() if claim.files else ():
        result = run.tasks.results.get(other)
        wanted = result is not None and each.candidate_of is None and other not in run.tasks.discarded
        if wanted and result is not None and result.work is not None and claim.common(FileClaim.of(each)):
            found[other] = result.work
    return found


async def commit_attempt(run: RunContext, attempt: Attempt) -> Attempt:
    """Commits the work of a good attempt; work that cannot be a commit stays in its worktree and fails the task."""
    result = attempt.result
    if run.worktrees is None or result is None or not result.success:
        return attempt
    try:
        worktree = attempt.worktree
        if worktree is None or not worktree.base:
            worktree = await asyncio.to_thread(run.worktrees.find, attempt.task_id)
        begun = run.tasks.flight(attempt.task_id).checking
        if begun is not None and begun.number == attempt.number:
            await asyncio.to_thread(relink, worktree.path, run.worktrees.workspaces.git)
            kept = await asyncio.to_thread(put_back_later, worktree, begun.commit)
            if kept:
                refs = ", ".join(each.ref for each in kept)
                run.notices.append(
                    f"task {attempt.task_id}: what was in its worktree beside its commit since its check is {refs}"
                )
        work, sentences = await asyncio.to_thread(
            run.worktrees.commit,
            worktree,
            run.task(attempt.task_id),
            agent=attempt.agent,
            protect=run.options.check_protect,
        )
    except WorkspaceError as error:
        failed = replace(result, state=TaskState.FAILED, error=f"its work cannot be committed: {error}")
        return attempt._replace(result=failed, final=True)
    run.notices.extend(sentences)
    return attempt._replace(worktree=worktree, result=replace(result, work=work))
