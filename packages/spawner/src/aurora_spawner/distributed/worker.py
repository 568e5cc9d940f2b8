"""A worker: takes attempts of its pool, runs them under supervisors of its machine, and delivers their results.

Attempts outlive the worker's process: the next process of the same worker takes them over.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Final

from aurora_spawner.distributed.attempt_carrier import AttemptCarrier
from aurora_spawner.distributed.attempt_store import AttemptStore
from aurora_spawner.distributed.attempt_taker import AttemptTaker
from aurora_spawner.distributed.bells import hear_bells
from aurora_spawner.distributed.database import Database, QueueUnavailableError, until_reachable
from aurora_spawner.distributed.tree_carrier import TreeCarrier
from aurora_spawner.distributed.worker_gate import WorkerGate
from aurora_spawner.distributed.worker_tokens import WorkerRefusedError, admit
from aurora_spawner.errors import first_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_spawner.distributed.announced import AnnouncedTool
    from aurora_spawner.distributed.worker_options import WorkerOptions
    from aurora_spawner.distributed.worker_place import WorkerPlace

_log = logging.getLogger(__name__)

TOOLS_EVERY_S: Final = 900.0
"""Time after which it is found out again which agents are on this machine, and signed in."""


class Worker:
    """Serves one pool until it is told to drain.

    Args:
        place: The worker's own folder, which this process has locked.
        url: The database.
        token: By which the database knows this worker; "" for one without roles.
        tell: Receives one line once it serves, for each attempt that begins or ends, and for each problem.
    """

    def __init__(
        self,
        options: WorkerOptions,
        *,
        place: WorkerPlace,
        url: str,
        token: str = "",
        tell: Callable[[str], None] = _log.info,
    ) -> None:
        self._options = options
        self._place = place
        self._database = Database(url, worker_token=token)
        self._store = AttemptStore(self._database)
        self._tell = tell
        self._refused: WorkerRefusedError | None = None
        self._tools: tuple[AnnouncedTool, ...] = ()
        self._tools_at: float | None = None
        self._gate = None if options.gate is None else WorkerGate(gate=options.gate, folder=place.path, tell=tell)
        self._trees = TreeCarrier(
            worker=options.name, pool=options.pool, trees=options.trees, within_s=options.carry_within_s, tell=tell
        )
        self._carrier = AttemptCarrier(
            options=options, place=place, store=self._store, trees=self._trees, gate=self._gate, tell=tell
        )
        self._taker = AttemptTaker(options=options, place=place, store=self._store, carrier=self._carrier, tell=tell)

    def drain(self) -> None:
        """Takes nothing more; `run` returns when the last attempt has ended, or the database is away for too long."""
        self._taker.drain()

    async def run(self) -> None:
        """Serves the pool until it has drained; a cancelled worker leaves its attempts to the next process.

        Raises:
            WorkerRefusedError: The database does not take its token, or no longer; its agents have been ended.
            QueueUnusableError: The database refuses this worker.
            QueueUnavailableError: It was to drain, and the database was away for longer than its leases.
        """
        try:
            async with asyncio.TaskGroup() as group:
                leaving = group.create_task(self._leave_when_cut_off())
                if self._gate:
                    self._gate.expect(self._place.tokens())
                await until_reachable(self._database.make_tables, tell=self._tell)
                await self._sign_on()
                self._tell(f"worker {self._options.name} serves pool {self._options.pool}")
                await self._serve(group)
                if self._refused is not None:
                    raise self._refused
                await until_reachable(lambda: self._store.remove(self._place.worker_id), tell=self._tell)
                leaving.cancel()
        except BaseExceptionGroup as failures:
            raise first_failure(failures.exceptions) from None
        finally:
            self._carrier.close()
            self._store.close()

    async def _serve(self, group: asyncio.TaskGroup) -> None:
        """Takes attempts until it drains, and sees them to their end."""
        async with self._gate.serving() if self._gate else nullcontext():
            await self._taker.take_over(group)
            conninfo, look = self._database.conninfo, self._taker.look
            hearing = hear_bells(conninfo, self._options.pool, ring=look, tell=self._tell)
            upkeep = [group.create_task(each) for each in (self._keep_up(), self._keep_clean(), hearing)]
            await self._taker.serve(group)
            await self._taker.until_over()
            for each in upkeep:
                each.cancel()

    async def _leave_when_cut_off(self) -> None:
        """Ends a worker that drains, but cannot deliver: its leases are over, and its agents have been ended."""
        limit_s = self._options.times.leave_after_s
        await self._taker.draining.wait()
        while self._database.away_s < limit_s:  # noqa: ASYNC110 -- nobody tells that time has passed
            await asyncio.sleep(min(1.0, limit_s / 4))
        raise QueueUnavailableError(
            f"the database has been away for {limit_s:.0f} s, and this worker was to drain: it leaves its"
            f" {self._taker.held} attempts to its next process"
        )

    async def _sign_on(self) -> None:
        """Announces the worker; one that is refused ends what an earlier process has left before it goes."""
        try:
            await until_reachable(lambda: self._announce(new=True), tell=self._tell)
        except WorkerRefusedError:
            for token in self._place.tokens():
                await self._carrier.end_lost(token)
            raise

    async def _announce(self, *, new: bool) -> None:
        options = self._options
        await admit(self._database, self._place.worker_id, name=options.name, pool=options.pool)
        drains = await self._store.announce(
            self._place.worker_id,
            name=options.name,
            pool=options.pool,
            concurrency=options.concurrency,
            agents=sorted(options.backends),
            labels=sorted(options.labels),
            new=new,
            tools=self._tools,
        )
        if drains is None:  # it was removed, or its token has ended since it was looked at
            await admit(self._database, self._place.worker_id, name=options.name, pool=options.pool)
        if drains or drains is None:
            self.drain()

    async def _keep_up(self) -> None:
        """Shows that the worker lives, and removes what is over for long."""
        while True:
            self._find_tools()
            await asyncio.sleep(self._options.times.beat_every_s)
            try:
                with suppress(QueueUnavailableError):
                    await self._announce(new=False)
                    await self._store.forget_over()
            except WorkerRefusedError as error:  # its attempts notice by their heartbeats, and end their agents
                self._tell(str(error))
                self._refused = error
                self.drain()
                return

    def _find_tools(self) -> None:
        """Has it found out, if it is time, which agents are here; in a thread that no end of the worker waits for."""
        now = time.monotonic()
        if self._tools_at is not None and now - self._tools_at < TOOLS_EVERY_S:
            return
        self._tools_at = now

        def find() -> None:
            self._tools = tuple(self._options.tools())

        threading.Thread(target=find, name="agents of this machine", daemon=True).start()

    async def _keep_clean(self) -> None:
        """Removes worktrees that are needed no longer."""
        while True:
            await self._trees.clean()
            await asyncio.sleep(self._options.clean_every_s)
