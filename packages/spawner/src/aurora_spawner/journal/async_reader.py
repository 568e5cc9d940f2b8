"""Asynchronous reads of the journal, for programs whose event loop follows runs of other processes.

The synchronous core writes through `sqlite3`; these reads go through `aiosqlite`, which keeps one connection in one
thread. docs/decisions/0010-async-reads.md has the reason and the figures.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from typing import TYPE_CHECKING, Self

import aiosqlite

from aurora_spawner.errors import JournalError, JournalLockedError, UnknownRunError
from aurora_spawner.journal.approval_views import read_approval, select_approvals
from aurora_spawner.journal.places import FileIdentity
from aurora_spawner.journal.sqlite_errors import translated
from aurora_spawner.journal.store import BUSY_WAIT_S, SELECT_ORIGIN, check_origin
from aurora_spawner.journal.views import (
    read_attempt,
    read_event,
    read_run,
    read_task_counts,
    read_task_state,
    select_attempts,
    select_events,
    select_run,
    select_task_counts,
    select_task_state,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aurora_spawner.journal.approval_views import ApprovalRow
    from aurora_spawner.journal.views import AttemptRow, EventRow, RunRow, Statement
    from aurora_spawner.tasks.result import TaskState

LOCK_WAIT_S = 0.1
"""The longest wait of the thread for a lock: whoever cancels a read waits for it. The event loop asks again."""
EVENTS_AT_ONCE = 500
"""The most events of one read: the event loop decodes them in a few milliseconds."""


class AsyncJournal:
    """A journal that one event loop reads and never writes or makes; use it in `async with`.

    A coordinator whose journal was removed goes on in the open file until it writes it back, and so does a reader.

    Raises:
        JournalCorruptError: The file is something else, or a stored value is malformed.
        JournalError: It cannot be opened or read; the message has the reason of the system.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: aiosqlite.Connection | None = None
        self._file: FileIdentity | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._follow_file()
        except BaseException:
            await self._close()
            raise
        if self._connection is None:
            raise JournalError(self.path, "is not there")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def _follow_file(self) -> None:
        """Opens the file in place, unless it is open or there is none."""
        while (found := FileIdentity.of(self.path)) not in (None, self._file):
            try:
                connection = await self._connect()
            except JournalError:
                if FileIdentity.of(self.path) == found:
                    raise
            else:
                former, self._connection, self._file = self._connection, connection, found
                if former is not None:
                    await former.close()

    async def _connect(self) -> aiosqlite.Connection:
        with translated(self.path):
            connection = await aiosqlite.connect(
                f"{self.path.absolute().as_uri()}?mode=ro", uri=True, timeout=LOCK_WAIT_S, isolation_level=None
            )
            try:  # SQLite opens the log at the first read: now, while both belong together
                (origin,) = await self._read(connection, (SELECT_ORIGIN, ()))
                check_origin(self.path, *origin)
            except BaseException:
                await connection.close()
                raise
            connection.row_factory = sqlite3.Row
        return connection

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _rows(self, statement: Statement) -> Iterable[sqlite3.Row]:
        if self._connection is None:
            raise JournalError(self.path, "is not open; read it in `async with AsyncJournal(path)`")
        await self._follow_file()  # a coordinator wrote a lost journal back under its name
        return await self._read(self._connection, statement)

    async def _read(self, connection: aiosqlite.Connection, statement: Statement) -> Iterable[sqlite3.Row]:
        until = time.monotonic() + BUSY_WAIT_S
        while True:
            try:
                with translated(self.path):
                    return await connection.execute_fetchall(*statement)
            except JournalLockedError:
                if time.monotonic() >= until:
                    raise
            await asyncio.sleep(LOCK_WAIT_S)

    async def version(self) -> int:
        """Returns a number that changes with every commit of another connection."""
        (row,) = await self._rows(("PRAGMA data_version", ()))
        return int(row[0])

    async def run(self, run_id: str) -> RunRow:
        """Returns one run.

        Raises:
            UnknownRunError: The journal has no such run.
        """
        for row in await self._rows(select_run(run_id)):
            return read_run(row, self.path)
        raise UnknownRunError(run_id)

    async def count_tasks(self, run_id: str) -> dict[TaskState, int]:
        """Returns the number of tasks of a run in each state; states without tasks are left out."""
        return read_task_counts(await self._rows(select_task_counts(run_id)), self.path, run_id)

    async def task_state(self, run_id: str, task_id: str) -> TaskState | None:
        """Returns the state of one task; None if the run has no such task."""
        return read_task_state(await self._rows(select_task_state(run_id, task_id)), self.path, run_id)

    async def attempts(self, run_id: str, *, task_id: str | None = None, open_only: bool = False) -> list[AttemptRow]:
        """Returns the attempts of a run, or of one of its tasks; `open_only` leaves out ended ones."""
        rows = await self._rows(select_attempts(run_id, task_id=task_id, open_only=open_only))
        return [read_attempt(row, self.path, run_id) for row in rows]

    async def open_approvals(self, run_id: str) -> list[ApprovalRow]:
        """Returns the questions of a run that wait for an answer, the oldest first."""
        return [read_approval(row, self.path) for row in await self._rows(select_approvals(run_id, open_only=True))]

    async def events(self, run_id: str, *, after: int = 0, limit: int = EVENTS_AT_ONCE) -> list[EventRow]:
        """Returns the next events of a run behind the event `after`, the oldest first."""
        rows = await self._rows(select_events(run_id, after=after, limit=limit))
        return [read_event(row, self.path) for row in rows]
