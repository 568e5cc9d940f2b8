"""Takes attempts of a worker's pool while there is room, each to be carried in a task of its own.

The queue rings a bell for each attempt; which one a worker gets is chosen by the database when it has room, and
whether it may run is decided by its row.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import psycopg
from procrastinate.exceptions import ProcrastinateException

from aurora_spawner.distributed.attempt_store import JOB, queue_of
from aurora_spawner.distributed.database import QueueError, QueueUnavailableError, until_reachable
from aurora_spawner.distributed.queues import queues_of
from aurora_spawner.distributed.worker_place import ForeignTokenError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from aurora_spawner.distributed.attempt_carrier import AttemptCarrier
    from aurora_spawner.distributed.attempt_store import AttemptStore
    from aurora_spawner.distributed.held_attempt import HeldAttempt
    from aurora_spawner.distributed.worker_options import WorkerOptions
    from aurora_spawner.distributed.worker_place import WorkerPlace

RETRY_S: Final = 1.0
"""Time between two tries to reach the database."""


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
    _slots: asyncio.Semaphore = field(init=False)
    _carried: set[asyncio.Task[None]] = field(default_factory=set)
    _look: asyncio.Event = field(default_factory=asyncio.Event)
    _idle_bells: int = 0
    """Bells at which nothing could begin: what they were for is found by looking."""

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.options.concurrency)

    async def serve(self, group: asyncio.TaskGroup) -> None:
        """Takes an attempt at each bell; begins again whenever the database comes back."""
        while True:
            queue = queue_of(self.store.database.conninfo)

            @queue.task(name=JOB)
            async def attempt(token: str) -> None:  # noqa: ARG001 -- another one may be its turn
                taken = await self._take(group)
                if taken is None:
                    self._idle_bells += 1
                    return
                await asyncio.shield(taken)

            try:
                async with queue.open_async():
                    await queue.run_worker_async(
                        queues=queues_of(self.options.pool, self.options.labels),
                        name=self.options.name,
                        concurrency=self.options.concurrency,
                        install_signal_handlers=False,
                        shutdown_graceful_timeout=0.0,  # attempts have an owner of their own, and go on
                        delete_jobs="always",
                        fetch_job_polling_interval=1.0,  # a notice may get lost
                    )
            except (ProcrastinateException, psycopg.Error, OSError) as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():  # it was cancelled, and could not sign off
                    raise asyncio.CancelledError from error
                self.tell("the queue cannot be reached; trying again")
            await asyncio.sleep(RETRY_S)

    async def keep_looking(self, group: asyncio.TaskGroup) -> None:
        """Takes, while there is room, what no bell was rung for, or its bell has gone with another worker.

        Attempts that a limit or a provider holds back begin by this, too.
        """
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.options.look_every_s):
                    await self._look.wait()
            self._look.clear()
            while not self._slots.locked() and await self._take(group) is not None:
                self._idle_bells = max(0, self._idle_bells - 1)
            if not self._carried:
                self._idle_bells = 0

    async def _take(self, group: asyncio.TaskGroup) -> asyncio.Task[None] | None:
        """Waits for room, claims the attempt whose turn it is, and sees it to its end in a task of its own.

        None if nothing may begin now. The room is free again once that task is over.
        """
        await self._slots.acquire()
        try:
            begun = None if self.draining.is_set() else await self._claim()
        except BaseException:
            self._slots.release()
            raise
        if begun is None:
            self._slots.release()
            return None
        held, order = begun
        return self._kept(group.create_task(self._in_slot(held.token, self.carrier.begin(held, order))))

    def _kept(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        self._carried.add(task)
        task.add_done_callback(self._carried.discard)
        return task

    async def _in_slot(self, token: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await self._told(token, work)
        finally:
            self._free()

    async def _told(self, token: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except QueueError as error:
            self.tell(f"attempt {token}: {error}")

    def _free(self) -> None:
        self._slots.release()
        if self._idle_bells:  # a place within a limit is free now
            self._look.set()

    async def take_over(self, group: asyncio.TaskGroup) -> None:
        """Goes on with the attempts of an earlier process, and ends those that this worker has lost meanwhile."""
        held = await until_reachable(lambda: self.store.held_by(self.place.worker_id), tell=self.tell)
        left = [(token, self.carrier.go_on) for token in held]
        left += [(token, self.carrier.end_lost) for token in self.place.tokens() if token not in held]
        for token, work in left:
            self._kept(group.create_task(self._at_once(token, work(token))))

    async def until_over(self) -> None:
        """Waits for the end of all attempts that were taken."""
        while self._carried:
            await asyncio.wait(self._carried)

    async def _at_once(self, token: str, work: Coroutine[Any, Any, None]) -> None:
        """Sees to what an earlier process has left, also if it had more room: leases end, and agents go on meanwhile.

        It has the next room that is free, before anything new.
        """
        room = asyncio.ensure_future(self._slots.acquire())
        try:
            await self._told(token, work)
        finally:
            if not room.cancel():
                self._free()

    async def _claim(self) -> tuple[HeldAttempt, str] | None:
        """Claims the attempt whose turn it is, with its order; None if none may begin here now."""
        options, sent = self.options, time.monotonic()
        try:
            claimed = await self.store.claim_next(
                options.pool, labels=options.labels, worker=self.place.worker_id, lease_s=self.options.times.lease_s
            )
        except (
            QueueUnavailableError
        ):  # asked again at the next look; a claim whose answer got lost ends with its lease
            return None
        except QueueError as error:
            self.tell(str(error))
            return None
        if claimed is None:
            return None
        row, taken = claimed
        try:
            return self.carrier.held(row.token, taken, sent), row.document
        except ForeignTokenError as error:
            self.tell(f"refused: {error}")
            return None
