"""The preparation of a task's worktree in a run: it is recorded, ends with the run, and leaves no process."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final

from aurora_spawner.journal.work_facts import WorkspacePrepared
from aurora_spawner.runs.attempt_orders import process_token
from aurora_spawner.sandbox.commands import confined_for
from aurora_spawner.supervision.environment import TOKEN_VARIABLE
from aurora_spawner.supervision.orphans import end_orphans
from aurora_spawner.tasks import run_events
from aurora_spawner.tasks.result import TaskState
from aurora_spawner.workspaces.checks import CommandRunner
from aurora_spawner.workspaces.errors import CommandStoppedError, WorkspaceError
from aurora_spawner.workspaces.preparation import slug_of
from aurora_spawner.workspaces.supported import first_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aurora_spawner.runs.attempt import Attempt
    from aurora_spawner.runs.run_context import RunContext
    from aurora_spawner.workspaces.preparation import Preparation
    from aurora_spawner.workspaces.run_worktrees import RunWorktrees
    from aurora_spawner.workspaces.setting_up import Prepared
    from aurora_spawner.workspaces.worktrees import Worktree

_NAMED: Final = 100
"""Files that the journal names of a worktree; there may be thousands."""


async def set_up_worktree(run: RunContext, attempt: Attempt) -> Attempt:
    """Prepares the worktree of a new attempt, unless it is prepared; a failure is nobody's, and fails the task."""
    worktrees, worktree, task_id = run.worktrees, attempt.worktree, attempt.task_id
    if worktrees is None or worktrees.preparer is None or worktree is None:
        return attempt
    # A thread of its own: set-up may take minutes, and the shared ones commit the work of other tasks.
    threads, ended = ThreadPoolExecutor(1, thread_name_prefix="aurora-setup"), threading.Event()
    try:
        before = worktrees.preparer.manifest_of(worktree)
        commands = () if before.done else worktrees.preparer.preparation.setup
        token = f"{process_token()}-setup-{slug_of(worktree.path)}"
        runner = CommandRunner(
            environment={**run.orders.command_environment, TOKEN_VARIABLE: token},
            timeout_s=worktrees.preparer.preparation.setup_timeout_s,
            stopped=partial(_stopped, run, task_id, ended),
            sweep=partial(_end, token),
            confined=confined_for(run.options.confining, [run.agent_of(task_id)]),
        )
        if commands:
            run.notifier.emit(run_events.TaskPreparing(task_id=task_id, commands=commands))
        call = partial(_set_up, worktrees, worktree, runner, before=before.token if commands else "", token=token)
        worktree, prepared = await asyncio.get_running_loop().run_in_executor(threads, call)
    except CommandStoppedError as error:
        return _without(run, attempt, TaskState.CANCELLED, error)
    except WorkspaceError as error:
        return _without(run, attempt, TaskState.FAILED, error)
    finally:
        ended.set()
        threads.shutdown(wait=False)
    if prepared is not None and prepared.new:
        run.recorder.append_nowait(task_id, _fact(worktrees.preparer.preparation, prepared))
    if prepared is not None:
        known = frozenset(run.notices)  # what the checkout lacks is the same for all tasks
        run.notices.extend(each for each in _notices(task_id, prepared) if each not in known)
    return attempt._replace(worktree=worktree)


def _stopped(run: RunContext, task_id: str, ended: threading.Event) -> bool:
    return ended.is_set() or run.stopping(task_id)


def _set_up(
    worktrees: RunWorktrees, worktree: Worktree, runner: CommandRunner, *, before: str, token: str
) -> tuple[Worktree, Prepared | None]:
    """Prepares a worktree, and first ends what a set-up left whose coordinator was killed.

    Args:
        before: The token of that set-up; empty for none.
    """
    _end(before)
    return worktrees.set_up(worktree, runner, token=token)


def _end(token: str) -> None:
    if token:
        end_orphans(token, session=None)


def _without(run: RunContext, attempt: Attempt, state: TaskState, error: WorkspaceError) -> Attempt:
    result = run.without_attempt(attempt.task_id, state, str(error))
    return attempt._replace(agent=run.agent_of(attempt.task_id), result=result, final=True)


def _fact(preparation: Preparation, prepared: Prepared) -> WorkspacePrepared:
    return WorkspacePrepared(
        ports=[] if prepared.port_base is None else [prepared.port_base, preparation.ports],
        copied=list(prepared.copied[:_NAMED]),
        copies=len(prepared.copied),
        linked=list(prepared.linked),
        setup=list(preparation.setup),
        setup_s=[round(each, 3) for each in prepared.setup_s],
        put_back=list(prepared.put_back[:_NAMED]),
    )


def _notices(task_id: str, prepared: Prepared) -> Iterator[str]:
    for sentence in prepared.notices:
        yield f"worktrees: {sentence}"
    if prepared.put_back:
        changed = first_of(prepared.put_back)
        yield f"task {task_id}: its set-up changed what git tracks, which was put back: {changed}"
