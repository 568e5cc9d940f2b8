"""Pause and cancellation of runs of other processes, through their coordinator or, if it died, the journal."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.attempts.end_reason import ENDED_EARLY
from aurora_spawner.attempts.executor import end_left
from aurora_spawner.attempts.process_identity import identify, own_identity
from aurora_spawner.control.control_client import NoAnswerError, NotRunningError, request_coordinator
from aurora_spawner.control.lookup import check_task, open_journal
from aurora_spawner.control.status import RunningTask, RunStatus, run_status
from aurora_spawner.errors import SpawnerError, UnknownRunError, UnknownTaskError
from aurora_spawner.journal.approval_views import load_approvals
from aurora_spawner.journal.entries import entry_of
from aurora_spawner.journal.facts import REVIEW, Fact, RunEnded, RunEnding, TaskCancelled, TaskReopened
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import count_tasks, load_attempts, load_run, load_tasks
from aurora_spawner.runs.merge_gate import MERGE
from aurora_spawner.runs.recorder import ended_fact
from aurora_spawner.runs.resume_state import stored_task
from aurora_spawner.storage.private_files import make_private_file, make_private_folder
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.result import RunState, TaskState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from aurora_spawner.attempts.executor import AttemptEnd, Executor
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
    """Pauses a run: no further task starts, running attempts continue.

    Raises:
        NotRunningError: No coordinator executes the run.
    """
    request_coordinator(journal, run_id, {"do": "pause"})


def unpause_run(journal: Path, run_id: str) -> None:
    """Continues a paused run; errors as for `pause_run`."""
    request_coordinator(journal, run_id, {"do": "unpause"})


def cancel_run(
    journal: Path,
    run_id: str,
    *,
    task_id: str | None = None,
    at_once: bool = False,
    executor: Executor | None = None,
) -> TaskState | RunState | None:
    """Cancels a run, or one of its tasks, with all its processes; durable when this returns.

    If the run's coordinator has died, this process ends the attempts and writes the journal. Attempts that have ended
    by themselves are left for a resume to collect, so no finished work is lost. A resume leaves a cancelled task
    cancelled. A coordinator that was stopped, as by Ctrl-Z, is woken.

    Args:
        executor: Ends the attempts of a dead coordinator; None for a `LocalExecutor`.

    Returns:
        For a task its state before the call; a settled task is not changed. For a run its state if it had ended
        already, and None if this call ends it.

    Raises:
        UnknownRunError, UnknownTaskError: The journal has no such run, or the run no such task.
        NoAnswerError: Its coordinator lives and does not answer.
        SpawnerError: The task has ended and no coordinator has collected its result.
    """
    if task_id is not None:
        check_task(journal, run_id, task_id)  # a coordinator's refusal is a sentence, not a typed error
    request = {"do": "cancel", "at_once": at_once} | ({} if task_id is None else {"task": task_id})
    try:
        answer = _ask_while_held(journal, run_id, request)
    except NotRunningError:
        ending = _cancel_abandoned(journal, run_id, task_id, executor or LocalExecutor(), at_once=at_once)
        return asyncio.run(ending)
    if task_id is None:
        return None
    try:
        return TaskState(str(answer.get("state")))
    except ValueError as error:
        raise SpawnerError(
            f"run {run_id}: task {task_id} is cancelled; its coordinator did not say what it was"
        ) from error


def _ask_while_held(journal: Path, run_id: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Sends a request to the coordinator; errors as for `request_coordinator`.

    The coordinator may end while it is asked: then it does not answer, or answers that the run is over. What it has
    written by then counts, so this waits for its end.
    """
    try:
        answer = request_coordinator(journal, run_id, request)
    except NoAnswerError:
        if not _released(journal, run_id):
            raise
        raise NotRunningError(run_id, "over") from None
    if answer.get("over") and _released(journal, run_id):
        raise NotRunningError(run_id, "over")
    return answer


def _released(journal: Path, run_id: str) -> bool:
    """Returns True if a run's coordinator releases the run within `RELEASE_TIMEOUT_S`."""
    end = time.monotonic() + RELEASE_TIMEOUT_S
    while time.monotonic() < end:
        with open_journal(journal, run_id) as store:
            holder = load_run(store, run_id).holder
        if holder is None or not holder.alive():
            return True
        time.sleep(0.02)
    return False


async def _cancel_abandoned(
    journal: Path, run_id: str, task_id: str | None, executor: Executor, *, at_once: bool
) -> TaskState | RunState | None:
    try:
        if task_id is not None:
            return await _cancel_task_of_abandoned(journal, run_id, task_id, executor, at_once=at_once)
        with open_journal(journal, run_id) as store:
            state = load_run(store, run_id).state
        if state.settled:
            return state
        await end_abandoned(journal, run_id, executor=executor, at_once=at_once)
    finally:
        executor.close()
    return None


async def _cancel_task_of_abandoned(
    journal: Path, run_id: str, task_id: str, executor: Executor, *, at_once: bool
) -> TaskState:
    """Ends one task of a run without a coordinator; a resume settles the task."""
    with open_journal(journal, run_id) as store:
        rows = {row.task_id: row for row in load_tasks(store, run_id)}
        if task_id not in rows:
            raise UnknownTaskError(run_id, task_id, rows)
        row = rows[task_id]
        if row.state.settled:
            return row.state
        with store.hold(run_id, holder=own_identity()) as lease:
            attempts = load_attempts(store, run_id, task_id=task_id, open_only=True)
            ends = await _end_all(attempts, executor, at_once=at_once)
            cut_off = [(each, end) for each, end in ends if end.reason in ENDED_EARLY]
            facts: list[Fact] = [ended_fact(each.number, end) for each, end in cut_off]
            if finished := len(cut_off) < len(ends):
                facts.clear()
            else:
                facts.append(TaskCancelled(by="another process"))
            ended = RunEnded(state=RunState.INTERRUPTED.value, notices=_left_running(ends))
            entries = [entry_of(fact, run_id=run_id, task_id=task_id) for fact in facts]
            store.append([*entries, entry_of(ended, run_id=run_id)], lease=lease)
    if finished:
        raise SpawnerError(f"run {run_id}: task {task_id} has ended already; resume the run to collect its result")
    return row.state


async def end_abandoned(
    journal: Path, run_id: str, *, executor: Executor | None = None, at_once: bool = False
) -> list[int]:
    """Ends the attempts of a dead coordinator and marks the run as cancelled; its tasks stay open for a resume.

    An attempt that has ended by itself is left for a resume to collect. A run whose tasks are all settled is marked
    as succeeded or failed, unless its work waits for the approval of its merge.

    Returns:
        Ids of processes that could not be ended.

    Raises:
        RunHeldError: Its coordinator is not dead.
    """
    with open_journal(journal, run_id) as store, store.hold(run_id, holder=own_identity()) as lease:
        attempts = load_attempts(store, run_id, open_only=True)
        tasks = {row.task_id: row.task for row in load_tasks(store, run_id)} if attempts else {}
        state = _state_by_tasks(store, run_id)
        facts: list[tuple[str | None, Fact]] = []
        if state is RunState.CANCELLED:
            facts.append((None, RunEnding(why="cancelled", at_once=at_once)))
        ends = await _end_all(attempts, executor or LocalExecutor(), at_once=at_once)
        for attempt, end in ends:
            if end.reason in ENDED_EARLY:
                facts.append((attempt.task_id, ended_fact(attempt.number, end)))
                if attempt.role == REVIEW:  # the attempt whose work it reviews is open, and a resume looks at it
                    continue
                reopened = TaskReopened(why="cancelled", task=stored_task(tasks[attempt.task_id]))
                facts.append((attempt.task_id, reopened))
        facts.append((None, RunEnded(state=state.value, notices=_left_running(ends))))
        store.append([entry_of(fact, run_id=run_id, task_id=task_id) for task_id, fact in facts], lease=lease)
    return [pid for _attempt, end in ends for pid in end.survivors]


def _state_by_tasks(store: Journal, run_id: str) -> RunState:
    """Returns the state of a run that is cancelled now: succeeded or failed if it has tasks and all are settled.

    Work that waits for the approval of its merge is not there yet.
    """
    counts = {state for state, count in count_tasks(store, run_id).items() if count}
    waits = any(each.gate == MERGE for each in load_approvals(store, run_id, open_only=True))
    if waits or not counts or not all(state.settled for state in counts):
        return RunState.CANCELLED
    return RunState.SUCCEEDED if counts <= {TaskState.SUCCEEDED} else RunState.FAILED


RELEASE_TIMEOUT_S: Final = 5.0
"""The longest time from a coordinator's last answer to the end of its run."""


async def _end_all(
    attempts: Sequence[AttemptRow], executor: Executor, *, at_once: bool
) -> list[tuple[AttemptRow, AttemptEnd]]:
    """Ends attempts whose coordinator has died, in parallel: each may take its grace period."""
    ends = await asyncio.gather(
        *(
            end_left(executor, token=each.token, folder=each.folder, supervisor=each.supervisor, at_once=at_once)
            for each in attempts
        )
    )
    return list(zip(attempts, ends, strict=True))


def _left_running(ends: Sequence[tuple[AttemptRow, AttemptEnd]]) -> list[str]:
    survivors = [pid for _attempt, end in ends for pid in end.survivors]
    return [f"processes {survivors} could not be ended"] if survivors else []


def detach(command: Sequence[str], *, log: Path, cwd: Path | None = None) -> int:
    """Starts a coordinator that survives this process, its terminal and the logout; returns its process id.

    Args:
        command: A program that calls `Run.execute`; its output is appended to `log`.

    Raises:
        OSError: The program could not be started.
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


def wait_until_held(journal: Path, run_id: str, *, pid: int, since: float = 0.0, limit_s: float = 10.0) -> bool:
    """Returns True if the coordinator `pid` takes the run within the limit, False at once if it dies before.

    Args:
        since: The time at which it was started, in seconds since 1970; a resumed run may have ended before.
    """
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if journal.exists():
            with Journal(journal, make=False) as store:
                try:
                    run = load_run(store, run_id)
                except UnknownRunError:
                    return False
            if run.holder is not None and run.holder.pid == pid:
                return True
            if run.holder is None and run.ended_at is not None and run.ended_at >= since:
                return True
        if identify(pid) is None:
            return False
        time.sleep(0.02)
    return False
