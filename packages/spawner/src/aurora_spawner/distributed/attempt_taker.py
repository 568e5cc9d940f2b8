"""Takes attempts of a worker's pool while there is room, each to be carried in a task of its own.

The database rings a bell whenever something is queued; which attempts a worker gets is chosen by the database when
there is room, and whether each may run is decided by its row.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aurora_spawner.distributed.database import QueueError, QueueUnavailableError, until_reachable
from aurora_spawner.distributed.worker_place import ForeignTokenError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from aurora_spawner.distributed.attempt_carrier import AttemptCarrier
    from aurora_spawner.distributed.attempt_store import AttemptStore
    from aurora_spawner.distributed.worker_options import WorkerOptions
    from aurora_spawner.distributed.worker_place import WorkerPlace


@dataclass(slots=True, kw_only=True)
class AttemptTaker:
    """Fills the room of a worker, until it drains."""

    options: WorkerOptions
    place: WorkerPlace
    store: AttemptStore
    carrier: AttemptCarrier
    tell: Callable[[str], None]
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once nothing more is to be taken."""
    _carried: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    """By token."""
    _look: asyncio.Event = field(default_factory=asyncio.Event)
    _most: int = 1
    """Attempts to take at once: more each time, while the queue has them, so that few go to each of idle workers."""
    _unheard: bool = False
    """True if a claim may have been made whose answer got lost."""

    @property
    def held(self) -> int:
        """The number of attempts that have not been seen to their end."""
        return len(self._carried)

    def look(self) -> None:
        """Has it looked at once if something may begin."""
        self._look.set()

    def drain(self) -> None:
        """Ends the taking; what is claimed in this moment is still carried."""
        self.draining.set()
        self._look.set()

    async def serve(self, group: asyncio.TaskGroup) -> None:
        """Takes attempts while there is room, until it drains: at each bell, after each end, and now and then."""
        while not self.draining.is_set():
            while not self.draining.is_set() and await self._take(group):
                pass
            with suppress(TimeoutError):
                async with asyncio.timeout(self.options.look_every_s):
                    await self._look.wait()
            self._look.clear()

    async def _take(self, group: asyncio.TaskGroup) -> bool:
        """Claims attempts whose turn it is, each of which is seen to its end in a task of its own; False for none."""
        most = min(self._most, self.options.concurrency - self.held)
        if most <= 0:
            return False
        sent = time.monotonic()
        try:
            if self._unheard:
                await self._find_unheard(group)
                return True
            claimed = await self.store.claim(
                self.options.pool,
                labels=self.options.labels,
                worker=self.place.worker_id,
                lease_s=self.options.times.lease_s,
                most=most,
            )
        except QueueUnavailableError:  # asked again at the next look
            self._unheard = True
            return False
        except QueueError as error:
            self.tell(str(error))
            return False
        self._most = 2 * most if len(claimed) == most else 1
        for row, taken in claimed:
            try:
                held = self.carrier.held(row.token, taken, sent)
            except ForeignTokenError as error:
                self.tell(f"refused: {error}")
                continue
            self._keep(group, held.token, self.carrier.begin(held, row.document))
        return bool(claimed)

    async def _find_unheard(self, group: asyncio.TaskGroup) -> None:
        """Has attempts told lost at once, and not by the end of their leases, that this worker holds unknowingly."""
        for token in await self.store.held_by(self.place.worker_id):
            if token not in self._carried:
                self._keep(group, token, self.carrier.go_on(token))
        self._unheard = False

    def _keep(self, group: asyncio.TaskGroup, token: str, work: Coroutine[Any, Any, None]) -> None:
        task = self._carried[token] = group.create_task(self._told(token, work))
        task.add_done_callback(lambda _task: self._over(token))

    def _over(self, token: str) -> None:
        del self._carried[token]
        self._look.set()

    async def _told(self, token: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except QueueError as error:
            self.tell(f"attempt {token}: {error}")

    async def take_over(self, group: asyncio.TaskGroup) -> None:
        """Goes on with the attempts of an earlier process, and ends those that this worker has lost meanwhile.

        With all of them at once, also if it had more room: leases end, and agents go on meanwhile.
        """
        held = await until_reachable(lambda: self.store.held_by(self.place.worker_id), tell=self.tell)
        left = [(token, self.carrier.go_on) for token in held]
        left += [(token, self.carrier.end_lost) for token in self.place.tokens() if token not in held]
        for token, work in left:
            self._keep(group, token, work(token))

    async def until_over(self) -> None:
        """Waits for the end of all attempts that were taken."""
        while self._carried:
            await asyncio.wait(self._carried.values())
