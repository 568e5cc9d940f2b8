"""Watch and steer runs of other processes: through their coordinator while it lives, through the journal after."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from typing import TYPE_CHECKING, Final

from aurora_spawner.asking import NoAnswerError, NotRunningError, ask_coordinator
from aurora_spawner.errors import SpawnerError, UnknownRunError
from aurora_spawner.executor import FOLDER_REMOVED, AttemptEnd
from aurora_spawner.identity import identify, own_identity
from aurora_spawner.journal.facts import Fact, RunEnded, RunEnding, TaskCancelled, TaskReopened, entry_of
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_attempts, load_run, load_tasks
from aurora_spawner.local import LocalExecutor
from aurora_spawner.private import make_private_file, make_private_folder
from aurora_spawner.record import ended_fact
from aurora_spawner.result import RunState, TaskState
from aurora_spawner.resume import stored_task
from aurora_spawner.status import RunningTask, RunStatus, run_status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aurora_spawner.executor import Executor
    from aurora_spawner.journal.views import AttemptRow

__all__ = [
    "NoAnswerError",
    "NotRunningError",
    "RunStatus",
    "RunningTask",
    "cancel_run",
    "detach",
    "end_abandoned",
    "pause_run",
    "run_status",
    "unpause_run",
    "wait_until_held",
]


def pause_run(journal: Path, run_id: str) -> None:
    """Start no further task; what runs goes on.

    Raises:
        NotRunningError: Nobody coordinates the run.
    """
    ask_coordinator(journal, run_id, {"do": "pause"})


def unpause_run(journal: Path, run_id: str) -> None:
    """Go on after a pause; errors as `pause_run`."""
    ask_coordinator(journal, run_id, {"do": "unpause"})


def cancel_run(
    journal: Path,
    run_id: str,
    *,
    task_id: str | None = None,
    at_once: bool = False,
    executor: Executor | None = None,
) -> TaskState | None:
    """End a run, or one of its tasks, with all its processes; durable when this returns.

    Where the run's coordinator has died this is done here: attempts are stopped and the journal says so. Those that
    have ended by themselves meanwhile are left for a resume to collect: what is finished stays finished. A resume of
    the run leaves a cancelled task cancelled.

    Args:
        executor: What ends the attempts of a dead coordinator; one like that it used.

    Returns:
        How the one task stood; one that is settled stays as it is. None for a whole run.

    Raises:
        UnknownRunError: The journal has no such run.
        NoAnswerError: Its coordinator lives and cannot be spoken to.
        SpawnerError: The task is unknown, or it has ended and nobody has collected what it did.
    """
    request = {"do": "cancel", "at_once": at_once} | ({} if task_id is None else {"task": task_id})
    try:
        answer = ask_coordinator(journal, run_id, request)
    except NotRunningError:
        return asyncio.run(_cancel_abandoned(journal, run_id, task_id, executor or LocalExecutor()))
    return None if task_id is None else TaskState(answer["state"])


async def _cancel_abandoned(journal: Path, run_id: str, task_id: str | None, executor: Executor) -> TaskState | None:
    try:
        if task_id is None:
            await end_abandoned(journal, run_id, executor=executor)
            return None
        return await _cancel_task_of_abandoned(journal, run_id, task_id, executor)
    finally:
        executor.close()


async def _cancel_task_of_abandoned(journal: Path, run_id: str, task_id: str, executor: Executor) -> TaskState:
    """End one task of a run that nobody works on; a resume settles it."""
    with Journal(journal) as store:
        row = next((row for row in load_tasks(store, run_id) if row.task_id == task_id), None)
        if row is None:
            raise SpawnerError(f"run {run_id}: the run has no task {task_id}")
        if row.state.settled:
            return row.state
        with store.hold(run_id, holder=own_identity()) as lease:
            ends = await _end_all(load_attempts(store, run_id, task_id=task_id, open_only=True), executor)
            cut_off = [(each, end) for each, end in ends if end.reason in CUT_OFF_ENDS]
            facts: list[Fact] = [ended_fact(each.number, end) for each, end in cut_off]
            if finished := len(cut_off) < len(ends):
                facts.clear()
            else:
                facts.append(TaskCancelled(by="another process"))
            ended = RunEnded(state=RunState.INTERRUPTED, notices=_left_running(ends))
            entries = [entry_of(fact, run_id=run_id, task_id=task_id) for fact in facts]
            store.append([*entries, entry_of(ended, run_id=run_id)], lease=lease)
    if finished:
        raise SpawnerError(f"run {run_id}: task {task_id} has ended already; resume the run to collect what it did")
    return row.state


async def end_abandoned(journal: Path, run_id: str, *, executor: Executor | None = None) -> list[int]:
    """End what a dead coordinator left running, and mark the run as cancelled; its tasks stay open for a resume.

    An attempt that has ended by itself is left as it is, for a resume to collect.

    Returns:
        Processes that could not be ended.

    Raises:
        RunHeldError: Its coordinator is not dead.
    """
    with Journal(journal) as store, store.hold(run_id, holder=own_identity()) as lease:
        attempts = load_attempts(store, run_id, open_only=True)
        tasks = {row.task_id: row.task for row in load_tasks(store, run_id)} if attempts else {}
        facts: list[tuple[str | None, Fact]] = [(None, RunEnding(why="cancelled", at_once=False))]
        ends = await _end_all(attempts, executor or LocalExecutor())
        for attempt, end in ends:
            if end.reason in CUT_OFF_ENDS:
                facts.append((attempt.task_id, ended_fact(attempt.number, end)))
                reopened = TaskReopened(why="cancelled", task=stored_task(tasks[attempt.task_id]))
                facts.append((attempt.task_id, reopened))
        facts.append((None, RunEnded(state=RunState.CANCELLED, notices=_left_running(ends))))
        store.append([entry_of(fact, run_id=run_id, task_id=task_id) for task_id, fact in facts], lease=lease)
    return [pid for _attempt, end in ends for pid in end.survivors]


CUT_OFF_ENDS: Final = ("cancelled", "voided", "supervisor_lost", FOLDER_REMOVED)
"""How attempts end that did not come to their own end."""


async def _end_all(attempts: Sequence[AttemptRow], executor: Executor) -> list[tuple[AttemptRow, AttemptEnd]]:
    """End attempts whose coordinator has died, all at once: each may take its grace."""
    return list(zip(attempts, await asyncio.gather(*(_end(executor, each) for each in attempts)), strict=True))


async def _end(executor: Executor, attempt: AttemptRow) -> AttemptEnd:
    found = await executor.adopt(token=attempt.token, folder=attempt.folder, supervisor=attempt.supervisor)
    if isinstance(found, AttemptEnd):
        return found
    executor.cancel(found, at_once=False)
    return await executor.collect(found)


def _left_running(ends: Sequence[tuple[AttemptRow, AttemptEnd]]) -> list[str]:
    survivors = [pid for _attempt, end in ends for pid in end.survivors]
    return [f"processes {survivors} could not be ended"] if survivors else []


def detach(command: Sequence[str], *, log: Path, cwd: Path | None = None) -> int:
    """Start a coordinator that survives this process, its terminal and the logout; returns its pid.

    Args:
        command: A program that calls `Run.execute`; its output is appended to `log`.

    Raises:
        OSError: It could not be started.
    """
    make_private_folder(log.parent)
    make_private_file(log)
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=cwd,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    process.returncode = 0  # it is not ours to wait for
    return process.pid


def wait_until_held(journal: Path, run_id: str, *, pid: int, limit_s: float = 10.0) -> bool:
    """Whether the coordinator `pid` takes the run within the limit; False at once when it dies before."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if journal.exists():
            with Journal(journal) as store:
                try:
                    run = load_run(store, run_id)
                except UnknownRunError:
                    return False
            if run.started_at is not None and (run.holder is None or run.holder.pid == pid):
                return True
        if identify(pid) is None:
            return False
        time.sleep(0.02)
    return False
