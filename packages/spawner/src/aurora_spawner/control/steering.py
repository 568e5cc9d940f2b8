"""Watch and steer runs of other processes: through their coordinator while it lives, through the journal after."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.attempts.end_reason import ENDED_EARLY
from aurora_spawner.attempts.executor import AttemptEnd
from aurora_spawner.attempts.process_identity import identify, own_identity
from aurora_spawner.control.control_client import NoAnswerError, NotRunningError, ask_coordinator
from aurora_spawner.control.status import RunningTask, RunStatus, run_status
from aurora_spawner.errors import SpawnerError, UnknownRunError
from aurora_spawner.journal.facts import Fact, RunEnded, RunEnding, TaskCancelled, TaskReopened, entry_of
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import count_tasks, load_attempts, load_run, load_tasks
from aurora_spawner.runs.recorder import ended_fact
from aurora_spawner.runs.resume_state import stored_task
from aurora_spawner.storage.private_files import make_private_file, make_private_folder
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.result import RunState, TaskState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from aurora_spawner.attempts.executor import Executor
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
    """Starts no further task; what runs goes on.

    Raises:
        NotRunningError: Nobody coordinates the run.
    """
    ask_coordinator(journal, run_id, {"do": "pause"})


def unpause_run(journal: Path, run_id: str) -> None:
    """Goes on after a pause; errors as `pause_run`."""
    ask_coordinator(journal, run_id, {"do": "unpause"})


def cancel_run(
    journal: Path,
    run_id: str,
    *,
    task_id: str | None = None,
    at_once: bool = False,
    executor: Executor | None = None,
) -> TaskState | RunState | None:
    """Ends a run, or one of its tasks, with all its processes; durable when this returns.

    Where the run's coordinator has died this is done here: attempts are stopped and the journal says so. Those that
    have ended by themselves meanwhile are left for a resume to collect: what is finished stays finished. A resume of
    the run leaves a cancelled task cancelled. A coordinator that is stopped, as by Ctrl-Z, is woken.

    Args:
        executor: What ends the attempts of a dead coordinator; one like that it used.

    Returns:
        How the one task stood; one that is settled stays as it is. For a whole run the state of one that has ended,
        which stays as it is; None for one that is ended by this.

    Raises:
        UnknownRunError: The journal has no such run.
        NoAnswerError: Its coordinator lives and cannot be spoken to.
        SpawnerError: The task is unknown, or it has ended and nobody has collected what it did.
    """
    request = {"do": "cancel", "at_once": at_once} | ({} if task_id is None else {"task": task_id})
    try:
        answer = _ask_while_held(journal, run_id, request)
    except NotRunningError:
        ending = _cancel_abandoned(journal, run_id, task_id, executor or LocalExecutor(), at_once=at_once)
        return asyncio.run(ending)
    return None if task_id is None else TaskState(answer["state"])


def _ask_while_held(journal: Path, run_id: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Asks the coordinator; errors as `ask_coordinator`.

    It may end on its own while it is asked: then it does not answer, or answers that all is over. What it has written
    by then counts, so its end is waited for.
    """
    try:
        answer = ask_coordinator(journal, run_id, request)
    except NoAnswerError:
        if not _let_go(journal, run_id):
            raise
        raise NotRunningError(run_id, "over") from None
    if answer.get("over") and _let_go(journal, run_id):
        raise NotRunningError(run_id, "over")
    return answer


def _let_go(journal: Path, run_id: str) -> bool:
    """Whether a run's coordinator lets it go within a moment."""
    end = time.monotonic() + LAST_WORDS_LIMIT_S
    while time.monotonic() < end:
        with Journal(journal) as store:
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
        with Journal(journal) as store:
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
    """Ends one task of a run that nobody works on; a resume settles it."""
    with Journal(journal) as store:
        row = next((row for row in load_tasks(store, run_id) if row.task_id == task_id), None)
        if row is None:
            raise SpawnerError(f"run {run_id}: the run has no task {task_id}")
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
            ended = RunEnded(state=RunState.INTERRUPTED, notices=_left_running(ends))
            entries = [entry_of(fact, run_id=run_id, task_id=task_id) for fact in facts]
            store.append([*entries, entry_of(ended, run_id=run_id)], lease=lease)
    if finished:
        raise SpawnerError(f"run {run_id}: task {task_id} has ended already; resume the run to collect what it did")
    return row.state


async def end_abandoned(
    journal: Path, run_id: str, *, executor: Executor | None = None, at_once: bool = False
) -> list[int]:
    """Ends what a dead coordinator left running, and mark the run as cancelled; its tasks stay open for a resume.

    An attempt that has ended by itself is left as it is, for a resume to collect. A run whose tasks have all come to
    their ends is marked as what it is.

    Returns:
        Processes that could not be ended.

    Raises:
        RunHeldError: Its coordinator is not dead.
    """
    with Journal(journal) as store, store.hold(run_id, holder=own_identity()) as lease:
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
                reopened = TaskReopened(why="cancelled", task=stored_task(tasks[attempt.task_id]))
                facts.append((attempt.task_id, reopened))
        facts.append((None, RunEnded(state=state, notices=_left_running(ends))))
        store.append([entry_of(fact, run_id=run_id, task_id=task_id) for task_id, fact in facts], lease=lease)
    return [pid for _attempt, end in ends for pid in end.survivors]


def _state_by_tasks(store: Journal, run_id: str) -> RunState:
    """What a run is that is cancelled now: finished, if nothing is left to do."""
    counts = {state for state, count in count_tasks(store, run_id).items() if count}
    if not all(state.settled for state in counts):
        return RunState.CANCELLED
    return RunState.SUCCEEDED if counts <= {TaskState.SUCCEEDED} else RunState.FAILED


LAST_WORDS_LIMIT_S: Final = 5.0
"""How long a coordinator may take from its last answer to the end of its run."""


async def _end_all(
    attempts: Sequence[AttemptRow], executor: Executor, *, at_once: bool
) -> list[tuple[AttemptRow, AttemptEnd]]:
    """Ends attempts whose coordinator has died, side by side: each may take its grace."""
    ends = await asyncio.gather(*(_end(executor, each, at_once=at_once) for each in attempts))
    return list(zip(attempts, ends, strict=True))


async def _end(executor: Executor, attempt: AttemptRow, *, at_once: bool) -> AttemptEnd:
    found = await executor.adopt(token=attempt.token, folder=attempt.folder, supervisor=attempt.supervisor)
    if isinstance(found, AttemptEnd):
        return found
    executor.cancel(found, at_once=at_once)
    return await executor.collect(found)


def _left_running(ends: Sequence[tuple[AttemptRow, AttemptEnd]]) -> list[str]:
    survivors = [pid for _attempt, end in ends for pid in end.survivors]
    return [f"processes {survivors} could not be ended"] if survivors else []


def detach(command: Sequence[str], *, log: Path, cwd: Path | None = None) -> int:
    """Starts a coordinator that survives this process, its terminal and the logout; returns its pid.

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
