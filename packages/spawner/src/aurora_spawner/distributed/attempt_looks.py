"""Looks at the attempts that a coordinator waits for: one statement for all of them, more often while some end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_spawner.distributed.database import QueueError, until_reachable
from aurora_spawner.distributed.lease import OVER

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_spawner.distributed.attempt_store import AttemptStore, StoredAttempt

SHORTEST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 0.5
_GROWTH: Final = 1.5
"""The factor from one pause between two looks to the next, while nothing ends."""


@dataclass(slots=True, kw_only=True)
class AttemptLooks:
    """The attempts of one coordinator, each of which waits for its row."""

    store: AttemptStore
    tell: Callable[[str], None]
    """Receives that the database cannot be reached; it is waited for."""
    _waiting: list[tuple[str, asyncio.Future[StoredAttempt | None]]] = field(default_factory=list)
    _hurry: asyncio.Event = field(default_factory=asyncio.Event)
    _pause_s: float = SHORTEST_PAUSE_S
    _looking: asyncio.Task[None] | None = None

    async def next_row(self, token: str) -> StoredAttempt | None:
        """Returns an attempt as the next look finds it, without its order while it goes on; None without a row.

        Raises:
            QueueUnusableError: The database refuses to be asked.
        """
        found: asyncio.Future[StoredAttempt | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((token, found))
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_on())
        return await found

    def hurry(self) -> None:
        """Makes the next look one without a pause, and the pauses after it short."""
        self._hurry.set()

    def close(self) -> None:
        """Ends what looks; whoever still waits is cancelled."""
        if self._looking is not None:
            self._looking.cancel()
        self._cancel_all()

    async def _look_on(self) -> None:
        try:
            while self._waiting:
                await self._pause()
                await self._look()
        finally:
            self._cancel_all()

    def _cancel_all(self) -> None:
        for _token, found in self._waiting:
            found.cancel()
        self._waiting.clear()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._pause_s):
                await self._hurry.wait()
        except TimeoutError:
            self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * _GROWTH)
            return
        self._hurry.clear()
        self._pause_s = SHORTEST_PAUSE_S

    async def _look(self) -> None:
        asked = list(self._waiting)
        rows: dict[str, StoredAttempt] = {}
        problem: QueueError | None = None
        try:
            rows = await until_reachable(lambda: self.store.look([token for token, _found in asked]), tell=self.tell)
        except QueueError as error:
            problem = error
        del self._waiting[: len(asked)]  # those who came meanwhile stand behind
        for token, found in asked:
            if found.done():  # nobody waits for it any more
                continue
            if problem is None:
                found.set_result(rows.get(token))
            else:
                found.set_exception(problem)
        if any(row.lease.state in OVER for row in rows.values()):
            self._pause_s = SHORTEST_PAUSE_S
