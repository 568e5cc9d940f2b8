"""Group commit: facts that arrive together share one durable transaction."""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_spawner.journal.entries import Entry
    from aurora_spawner.journal.store import Journal

GROUP_LIMIT = 1_000
"""The most facts of one transaction, so that a reader sees progress under load."""

_Waiting = tuple["Sequence[Entry]", "asyncio.Future[None] | None"]
_Batch = list[_Waiting]


class FactWriter(Protocol):
    """Writes down what a coordinator decides, in the order given."""

    def write(self, *entries: Entry) -> asyncio.Future[None]:
        """Appends facts; the returned future is done once they are durable."""
        ...

    def post(self, *entries: Entry) -> None:
        """Appends facts without waiting until they are durable."""
        ...


class GroupWriter:
    """The writer of one run's facts, in the order given, from a thread of its own; used from one event loop.

    The facts of one turn of the loop are handed over together. Facts that arrive during a transaction share the next
    one. After a failed write every later write fails with the same error: no fact may reach the journal past a gap.
    """

    def __init__(self, journal: Journal, *, lease: str) -> None:
        self._journal = journal
        self._lease = lease
        self._loop = asyncio.get_running_loop()
        self._turn: _Batch = []
        self._waiting: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="aurora-journal", daemon=True)
        self._thread.start()

    def write(self, *entries: Entry) -> asyncio.Future[None]:
        """Appends facts; the returned future is done once they are durable."""
        written = self._loop.create_future()
        self._take(entries, written)
        return written

    def post(self, *entries: Entry) -> None:
        """Appends facts without waiting until they are durable; a failure shows at the next `write`."""
        self._take(entries, None)

    def _take(self, entries: Sequence[Entry], written: asyncio.Future[None] | None) -> None:
        if not self._turn:
            # A thread that is woken by the first fact would commit it alone and let the others wait for it.
            self._loop.call_soon(self._hand_over)
        self._turn.append((entries, written))

    def _hand_over(self) -> None:
        if self._turn:
            batch, self._turn = self._turn, []
            self._waiting.put(batch)

    async def close(self) -> None:
        """Writes the waiting facts and ends the thread."""
        self._hand_over()
        self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        while True:
            group, last = self._collect()
            if group:
                self._commit(group)
            if last:
                return

    def _collect(self) -> tuple[_Batch, bool]:
        group: _Batch = []
        size = 0
        while size < GROUP_LIMIT:
            try:
                batch = self._waiting.get(block=not group)
            except queue.Empty:
                break
            if batch is None:
                return group, True
            group += batch
            size += sum(len(entries) for entries, _written in batch)
        return group, False

    def _commit(self, group: list[_Waiting]) -> None:
        entries = [entry for some, _written in group for entry in some]
        if self._failure is None:
            try:
                self._journal.append(entries, lease=self._lease)
            except Exception as error:  # noqa: BLE001 -- the run raises it; a dead thread would leave it waiting
                self._failure = error
        futures = [written for _some, written in group if written is not None]
        if futures:
            self._loop.call_soon_threadsafe(_resolve, futures, self._failure)


def _resolve(futures: list[asyncio.Future[None]], failure: Exception | None) -> None:
    for future in futures:
        if future.cancelled():
            continue
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)
