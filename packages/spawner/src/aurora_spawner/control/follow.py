"""Asynchronous followers of runs of other processes: of their status, their events and their tasks' output.

Each follower ends when no coordinator executes the run. `contextlib.aclosing` closes its journal if the caller leaves
the loop before.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aurora_spawner.control.logs import FOLLOW_PERIOD_S, LogCursor, last_begun
from aurora_spawner.control.lookup import open_journal
from aurora_spawner.control.status import ask_for_waits, coordinator_pid, status_of
from aurora_spawner.journal.async_reader import AsyncJournal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from aurora_spawner.control.logs import Stream
    from aurora_spawner.control.status import RunStatus
    from aurora_spawner.journal.views import EventRow

STATUS_PERIOD_S = 2.0
"""The longest time between two reads of a status: quiet attempts and crashes write nothing."""


@asynccontextmanager
async def opened_journal(journal: Path, run_id: str) -> AsyncGenerator[AsyncJournal, None]:
    """Opens the journal that a run should be in for reading; errors as `open_journal`."""
    await asyncio.to_thread(_migrate, journal, run_id)
    async with AsyncJournal(journal) as reader:
        yield reader


def _migrate(journal: Path, run_id: str) -> None:
    open_journal(journal, run_id).close()


async def arun_status(journal: Path, run_id: str) -> RunStatus:
    """Returns the status of a run; the asynchronous twin of `run_status`.

    Raises:
        UnknownRunError: The journal has no such run.
    """
    async with opened_journal(journal, run_id) as reader:
        return await _status(reader, run_id)


async def _status(reader: AsyncJournal, run_id: str) -> RunStatus:
    run = await reader.run(run_id)
    pid = coordinator_pid(run)
    if pid is None:  # it may have ended its run between the read and the look at its process
        run = await reader.run(run_id)
        pid = coordinator_pid(run)
    waits = await asyncio.to_thread(ask_for_waits, run, pid)
    counts = await reader.count_tasks(run_id)
    attempts, asked = await reader.attempts(run_id, open_only=True), await reader.open_approvals(run_id)
    return status_of(run, counts, attempts, waits, pid=pid, approvals=asked)


async def afollow_run(
    journal: Path, run_id: str, *, period_s: float = FOLLOW_PERIOD_S
) -> AsyncGenerator[RunStatus, None]:
    """Yields the status of a run now and after each change, until no coordinator executes it.

    Raises:
        UnknownRunError: The journal has no such run.
    """
    loop = asyncio.get_running_loop()
    status: RunStatus | None = None
    read_version, due = -1, 0.0
    async with opened_journal(journal, run_id) as reader:
        while True:
            version = await reader.version()
            if version != read_version or loop.time() >= due:
                read_version, due = version, loop.time() + STATUS_PERIOD_S
                before, status = status, await _status(reader, run_id)
                if status != before:
                    yield status
                if status.pid is None:
                    return
            await asyncio.sleep(period_s)


async def afollow_events(
    journal: Path, run_id: str, *, after: int = 0, period_s: float = FOLLOW_PERIOD_S
) -> AsyncGenerator[EventRow, None]:
    """Yields the events of a run, the oldest first, until no coordinator executes it.

    Args:
        after: Number of an event; only events behind it are yielded, so that a follower can continue.

    Raises:
        UnknownRunError: The journal has no such run.
    """
    async with opened_journal(journal, run_id) as reader:
        while True:
            over = coordinator_pid(await reader.run(run_id)) is None  # asked first: the last events follow it
            while events := await reader.events(run_id, after=after):
                for event in events:
                    yield event
                after = events[-1].seq
            if over:
                return
            await asyncio.sleep(period_s)


async def afollow_log(
    journal: Path,
    run_id: str,
    task_id: str,
    *,
    stream: Stream = "stdout",
    transcript: bool = False,
    period_s: float = FOLLOW_PERIOD_S,
) -> AsyncGenerator[bytes, None]:
    """Yields the output of a task as it grows; the asynchronous twin of `follow_log`."""
    cursor = LogCursor(stream=stream, transcript=transcript)
    async with opened_journal(journal, run_id) as reader:
        while True:
            over = await _task_over(reader, run_id, task_id)
            attempt = last_begun(await reader.attempts(run_id, task_id=task_id))
            if attempt is not None:
                pieces = cursor.new_pieces(attempt)
                while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                    yield piece
            if over:
                yield cursor.close()
                return
            await asyncio.sleep(period_s)


async def _task_over(reader: AsyncJournal, run_id: str, task_id: str) -> bool:
    run = await reader.run(run_id)
    if await reader.attempts(run_id, task_id=task_id, open_only=True):
        return False
    state = await reader.task_state(run_id, task_id)
    return coordinator_pid(run) is None or state is None or state.settled
