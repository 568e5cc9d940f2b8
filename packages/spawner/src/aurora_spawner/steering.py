"""Watch and steer runs of other processes: through their coordinator while it lives, through the journal after."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

from aurora_spawner.control import POINTER_NAME
from aurora_spawner.errors import SpawnerError, UnknownRunError
from aurora_spawner.executor import AttemptEnd
from aurora_spawner.identity import identify, own_identity
from aurora_spawner.journal.facts import AttemptEnded, Entry, Fact, RunEnded, RunEnding, TaskReopened
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import count_tasks, load_attempts, load_run, load_tasks
from aurora_spawner.local import LocalExecutor
from aurora_spawner.result import RunState
from aurora_spawner.resume import stored_task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from aurora_spawner.executor import Executor
    from aurora_spawner.journal.views import AttemptRow, RunRow

ANSWER_LIMIT_S = 5.0


class NotRunningError(SpawnerError):
    """Nobody coordinates the run, so nobody can be told to do this."""

    def __init__(self, run_id: str, state: str) -> None:
        super().__init__(f"run {run_id} is not running (it is {state}); resume it first")
        self.run_id = run_id


def run_status(journal: Path, run_id: str) -> dict[str, Any]:
    """How a run stands: state, paused, tasks by state, who works on it, what runs now, and what is waited for.

    Raises:
        UnknownRunError: The journal has no such run.
    """
    with Journal(journal) as store:
        run = load_run(store, run_id)
        held = run.holder is not None and run.holder.alive()
        waits = _what_is_waited_for(run) if held else {}
        return {
            "run_id": run_id,
            "state": str(run.state) if held or run.state is not RunState.RUNNING else "crashed",
            "paused": run.paused,
            "pid": run.holder.pid if run.holder and held else None,
            "tasks": {str(state): count for state, count in count_tasks(store, run_id).items()},
            "running": [
                {"task": each.task_id, "agent": each.agent, "attempt": each.number, "since": each.started_at}
                for each in load_attempts(store, run_id, open_only=True)
            ],
            "providers": waits.get("providers", []),
            "waiting_for": waits.get("waiting_for", {}),
            "health": waits.get("health", []),
        }


def _what_is_waited_for(run: RunRow) -> dict[str, Any]:
    """What only the living coordinator knows; nothing where it does not answer."""
    try:
        return _exchange(run, b'{"do": "status"}\n')
    except NotRunningError:
        return {}


def pause_run(journal: Path, run_id: str) -> None:
    """Start no further task; what runs goes on.

    Raises:
        NotRunningError: Nobody coordinates the run.
    """
    ask_coordinator(journal, run_id, {"do": "pause"})


def unpause_run(journal: Path, run_id: str) -> None:
    """Go on after a pause; errors as `pause_run`."""
    ask_coordinator(journal, run_id, {"do": "unpause"})


def cancel_run(journal: Path, run_id: str, *, task_id: str | None = None, at_once: bool = False) -> None:
    """End a run, or one of its tasks, with all its processes.

    A run whose coordinator has died is ended here: its attempts are stopped and the journal says so.

    Raises:
        UnknownRunError: The journal has no such run.
        NotRunningError: Nobody coordinates the run whose one task is to be ended.
        SpawnerError: The coordinator refused, the task being unknown.
    """
    request = {"do": "cancel", "at_once": at_once} | ({} if task_id is None else {"task": task_id})
    try:
        ask_coordinator(journal, run_id, request)
    except NotRunningError:
        if task_id is not None:
            raise
        asyncio.run(end_abandoned(journal, run_id))


def ask_coordinator(journal: Path, run_id: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Send a request to the coordinator of a run; see control.py.

    Raises:
        UnknownRunError: The journal has no such run.
        NotRunningError: Nobody coordinates it, or nobody answers.
        SpawnerError: The coordinator refused.
    """
    with Journal(journal) as store:
        run = load_run(store, run_id)
    if run.holder is None or not run.holder.alive():
        raise NotRunningError(run_id, str(run.state))
    answer = _exchange(run, json.dumps(request).encode("ascii") + b"\n")
    if not answer.get("ok"):
        raise SpawnerError(f"run {run_id}: {answer.get('error', 'refused')}")
    return answer


def _exchange(run: RunRow, request: bytes) -> dict[str, Any]:
    pointer = run.spool / run.run_id / POINTER_NAME
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(ANSWER_LIMIT_S)
            line.connect(pointer.read_text(encoding="utf-8"))
            line.sendall(request)
            with line.makefile("rb") as answers:
                answer = json.loads(answers.readline())
    except (OSError, ValueError) as error:
        raise NotRunningError(run.run_id, f"{run.state}, but does not answer") from error
    return answer if isinstance(answer, dict) else {}


async def end_abandoned(journal: Path, run_id: str, *, executor: Executor | None = None) -> list[int]:
    """End what a dead coordinator left running, and mark the run as cancelled; its tasks stay open for a resume.

    Returns:
        Processes that could not be ended.

    Raises:
        RunHeldError: Its coordinator is not dead.
    """
    worker = executor or LocalExecutor()
    survivors: list[int] = []
    with Journal(journal) as store, store.hold(run_id, holder=own_identity()) as lease:
        attempts = load_attempts(store, run_id, open_only=True)
        tasks = {row.task_id: row.task for row in load_tasks(store, run_id)} if attempts else {}
        facts: list[tuple[str | None, Fact]] = [(None, RunEnding(why="cancelled", at_once=False))]
        for attempt in attempts:
            end = await _end(worker, attempt)
            survivors += end.survivors
            facts.append((attempt.task_id, _ended(attempt, end)))
            reopened = TaskReopened(why="cancelled", task=stored_task(tasks[attempt.task_id]))
            facts.append((attempt.task_id, reopened))
        notices = [f"processes {survivors} could not be ended"] if survivors else []
        facts.append((None, RunEnded(state=RunState.CANCELLED, notices=notices)))
        store.append([Entry(run_id=run_id, task_id=task_id, fact=fact) for task_id, fact in facts], lease=lease)
    return survivors


async def _end(executor: Executor, attempt: AttemptRow) -> AttemptEnd:
    found = await executor.adopt(token=attempt.token, folder=attempt.folder, supervisor=attempt.supervisor)
    if isinstance(found, AttemptEnd):
        return found
    executor.cancel(found, at_once=False)
    return await executor.collect(found)


def _ended(attempt: AttemptRow, end: AttemptEnd) -> AttemptEnded:
    return AttemptEnded(
        number=attempt.number,
        reason=end.reason,
        exit_code=end.exit_code,
        record=end.record,
        survivors=list(end.survivors),
    )


def detach(command: Sequence[str], *, log: Path, cwd: Path | None = None) -> int:
    """Start a coordinator that survives this process, its terminal and the logout; returns its pid.

    Args:
        command: A program that calls `Run.execute`; its output is appended to `log`.

    Raises:
        OSError: It could not be started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
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
