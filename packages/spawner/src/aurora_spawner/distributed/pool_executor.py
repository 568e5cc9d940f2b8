"""The executor of a pool: attempts run on whichever worker of it takes them, and their output comes back."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.attempt_folder import AttemptFolder
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import (
    AttemptEnd,
    AttemptOrder,
    AttemptRefusedError,
    RunningAttempt,
)
from aurora_spawner.attempts.process_identity import ProcessIdentity
from aurora_spawner.distributed import lease
from aurora_spawner.distributed.attempt_documents import document_of, show_life, unpacked
from aurora_spawner.distributed.attempt_looks import AttemptLooks
from aurora_spawner.distributed.attempt_store import AttemptStore, StoredAttempt
from aurora_spawner.distributed.clocks import ahead
from aurora_spawner.distributed.database import Database, QueueUnusableError, until_reachable
from aurora_spawner.distributed.documents import DocumentError, OrderDocument
from aurora_spawner.distributed.exchange import (
    GIVE_UP_AFTER_S,
    ExchangeError,
    ExchangeUnreachableError,
    until_carried,
)
from aurora_spawner.distributed.lease import AttemptState, Cancel, Lease
from aurora_spawner.distributed.nobody import held_for, nobody_for
from aurora_spawner.distributed.pool_limits import LimitStore
from aurora_spawner.distributed.pool_trees import CarriedWork, bring_work
from aurora_spawner.distributed.shared_gates import shut_gates
from aurora_spawner.distributed.standing import Standing
from aurora_spawner.distributed.worker_tokens import why_lost
from aurora_spawner.workspaces.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aurora_spawner.attempts.executor import OrderedTree
    from aurora_spawner.distributed.documents import TreeDocument
    from aurora_spawner.distributed.pool_trees import PoolTrees

_log = logging.getLogger(__name__)

NOBODY_AFTER_S: Final = 5.0
"""The time in the queue after which an attempt is looked for a worker that could take it."""


@dataclass(slots=True, kw_only=True)
class PoolExecutor:
    """Runs attempts on the workers of a pool.

    A database that cannot be reached is waited for: only it can say what has become of an attempt.
    """

    pool: str
    url: str
    sandbox: Callable[[str], str] = lambda _agent: "off"
    """Tells the use of a sandbox that workers are asked for, by agent: off, auto or require."""
    tell: Callable[[str], None] = _log.warning
    """Receives what the user should know while an attempt waits."""
    trees: PoolTrees | None = None
    """Carries the trees of tasks with worktrees; None if the pool names no repository."""
    workspace: str = ""
    """The project, which has its share of the pool beside others."""
    provider: Callable[[str], str] = lambda _agent: ""
    """Tells the account whose limits an agent meets; attempts wait in the queue while it is paused."""
    lost_after_s: float = lease.LOST_AFTER_S
    carry_within_s: float = GIVE_UP_AFTER_S
    """The time for which the pool's repository is tried again if it cannot be reached."""
    _store: AttemptStore | None = None
    _looks: AttemptLooks | None = None
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    _wishes: dict[str, Cancel] = field(default_factory=dict)
    """Ends of attempts that were asked for and not yet passed on, by token."""
    _waiting: dict[str, AttemptOrder] = field(default_factory=dict)
    """Attempts that were queued and not yet looked for a worker, by token."""
    _told: set[str] = field(default_factory=set)
    _sending: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    """Attempts whose tree is on its way to the pool's repository, by token."""

    async def start(self, order: AttemptOrder) -> RunningAttempt:
        """Queues an attempt; it starts once a worker takes it. One with a tree is queued once the tree has arrived.

        Raises:
            AttemptRefusedError: It cannot be sent to a worker, or the database refuses it.
        """
        if order.tree is not None:
            if self.trees is None:
                problem = f"pool {self.pool} names no repository any more, and the task has a worktree"
                raise AttemptRefusedError(EndReason.NOT_TAKEN, problem)
            if order.token not in self._sending:
                sending = self._send(self.trees, order, order.tree)
                self._sending[order.token] = asyncio.ensure_future(sending)
            return self._running(order.token, order.folder)
        submitting = asyncio.ensure_future(self._submit(order))
        try:
            return await asyncio.shield(submitting)
        except asyncio.CancelledError:
            running = await submitting
            self.cancel(running, at_once=True)
            await self.collect(running)
            raise

    async def _send(self, trees: PoolTrees, order: AttemptOrder, tree: OrderedTree) -> None:
        """Pushes what an attempt starts from, and queues it.

        Raises:
            ExchangeError: The pool's repository refuses it, or cannot be reached.
            WorkspaceError: The worktree is gone.
            AttemptRefusedError: It cannot be sent to a worker, or was ended before it was queued.
            OSError: The attempt's folder cannot be written to.
        """
        sent = await until_carried(
            lambda: trees.send(order, tree),
            within_s=self.carry_within_s,
            stopped=lambda: order.token in self._wishes,
            tell=self.tell,
        )
        if order.token in self._wishes:
            raise AttemptRefusedError(EndReason.CANCELLED, "it was ended before it was queued")
        await self._submit(order, sent)

    async def _submit(self, order: AttemptOrder, tree: TreeDocument | None = None) -> RunningAttempt:
        try:
            document = document_of(order, self.sandbox(order.agent), tree).to_text()
        except DocumentError as error:
            raise AttemptRefusedError(EndReason.NOT_TAKEN, str(error)) from error
        AttemptFolder(path=order.folder).prepare(order.prompt)
        key, outages = (order.run_id, order.task_id, order.number), list[str]()

        def tell(problem: str) -> None:
            outages.append(problem)
            self.tell(problem)

        try:
            store = await self._opened()
            row = await until_reachable(
                lambda: store.submit(
                    order.token,
                    key=key,
                    pool=order.pool or self.pool,
                    document=document,
                    labels=order.labels,
                    standing=self._standing(order),
                ),
                tell=tell,
            )
        except QueueUnusableError as error:
            if outages:  # the answer to a try was lost, and it may have been queued
                raise
            raise AttemptRefusedError(EndReason.NOT_TAKEN, str(error)) from error
        if row.token != order.token or row.lease.state is AttemptState.VOIDED:
            problem = "the queue has this attempt from another coordinator; only one may execute a run"
            raise AttemptRefusedError(EndReason.NOT_TAKEN, problem)
        self._waiting[order.token] = order
        return self._running(order.token, order.folder)

    def _standing(self, order: AttemptOrder) -> Standing:
        return Standing(
            priority=order.priority,
            workspace=self.workspace,
            agent=order.agent,
            provider=self.provider(order.agent),
        )

    async def collect(self, attempt: RunningAttempt) -> AttemptEnd:
        """Waits for the result, and writes the output into the attempt's folder as if it had run here.

        The work on a tree is in the worktree of the task then.
        """
        end = await self._ended(attempt)
        self._waiting.pop(attempt.token, None)
        self._sending.pop(attempt.token, None)
        return end

    async def _ended(self, attempt: RunningAttempt) -> AttemptEnd:
        unsent = await self._unsent(attempt.token)
        if unsent is not None:
            return unsent
        store, progress = await self._opened(), 0
        while True:
            row = await self._look(store, attempt.token)
            if row is None:
                return AttemptEnd(reason=EndReason.VOIDED)
            if row.lease.state in lease.OVER:
                return await self._end_of(store, row, attempt.folder, within_s=self.carry_within_s)
            if row.lease.state is AttemptState.RUNNING and attempt.begun is not None:
                attempt.begun.set()
            if row.lease.state is AttemptState.QUEUED and row.waited_s >= NOBODY_AFTER_S:
                await self._tell_why(store, attempt.token)
            if row.progress != progress:
                progress = row.progress
                show_life(attempt.folder)

    async def _tell_why(self, store: AttemptStore, token: str) -> None:
        """Tells once for each reason why an attempt waits, if that is not that all workers are busy."""
        order = self._waiting.pop(token, None)
        if order is None:
            return
        workers = await until_reachable(store.workers, tell=self.tell)
        pool = order.pool or self.pool
        reason = nobody_for(workers, pool=pool, labels=order.labels, agent=order.agent)
        if not reason:
            limits = await until_reachable(LimitStore(store.database).all, tell=self.tell)
            gates = await until_reachable(lambda: shut_gates(store.database), tell=self.tell)
            provider = self.provider(order.agent)
            reason = held_for(limits, gates, pool=pool, agent=order.agent, provider=provider)
        if reason and reason not in self._told:
            self._told.add(reason)
            self.tell(f"task {order.task_id} waits: {reason}")

    async def _unsent(self, token: str) -> AttemptEnd | None:
        """Waits until the tree of an attempt is sent; returns the end of one that could not be queued."""
        sending = self._sending.get(token)
        if sending is None:
            return None
        try:
            await asyncio.shield(sending)
        except AttemptRefusedError as error:
            return AttemptEnd(reason=error.reason, stderr=str(error))
        except (ExchangeError, WorkspaceError) as error:
            reason = EndReason.CANCELLED if token in self._wishes else EndReason.NOT_CARRIED
            return AttemptEnd(reason=reason, stderr=f"its tree could not be sent: {error}")
        except OSError as error:
            return AttemptEnd(reason=EndReason.EXEC_FAILED, exec_errno=error.errno or 0)
        return None

    async def _look(self, store: AttemptStore, token: str) -> StoredAttempt | None:
        """Returns the row, after it was changed by what is due: a wish to end it, or the end of its lease."""
        assert self._looks is not None
        wish = self._wishes.pop(token, None)
        if wish is not None:
            try:
                await self._change(store, token, lambda row, _now: lease.request_cancel(row, wish))
            except BaseException:
                self._wishes.setdefault(token, wish)
                raise
        row = await self._looks.next_row(token)
        if row is None or not self._lost(row.lease, row.now):
            return row
        await self._change(store, token, self._lost)
        return await self._looks.next_row(token)

    async def _change(self, store: AttemptStore, token: str, rule: Callable[[Lease, float], Lease | None]) -> None:
        """Changes a row, and looks at it soon."""
        await until_reachable(lambda: store.change(token, rule), tell=self.tell)
        if self._looks is not None:
            self._looks.hurry()

    def _lost(self, row: Lease, now: float) -> Lease | None:
        return lease.declare_lost(row, now=now, lost_after_s=self.lost_after_s)

    async def _end_of(self, store: AttemptStore, row: StoredAttempt, folder: Path, *, within_s: float) -> AttemptEnd:
        """Returns the end of an attempt that is over.

        Args:
            within_s: The time for which the pool's repository is tried again if it cannot be reached.

        Raises:
            ExchangeUnreachableError: It cannot be reached, and `within_s` is 0.
        """
        if row.lease.state is AttemptState.VOIDED:
            cancelled = row.lease.cancel is not Cancel.NO
            return AttemptEnd(reason=EndReason.CANCELLED if cancelled else EndReason.VOIDED)
        if row.lease.state is AttemptState.LOST:
            await self._fence_off(row, folder)
            why = await until_reachable(lambda: why_lost(store.database, row.lease.worker), tell=self.tell)
            return AttemptEnd(reason=EndReason.SUPERVISOR_LOST, stderr=why)
        ahead_s = ahead(time.time(), row.now)
        packed = row.result
        if packed is None:
            packed = await until_reachable(lambda: store.result_of(row.token), tell=self.tell)
        end, commit = await asyncio.to_thread(unpacked, packed, folder, ahead_s)
        if not commit:
            return end
        return await bring_work(
            self.trees,
            end,
            CarriedWork(
                folder=folder, document=OrderDocument.parse(row.document), fence=row.lease.fence, commit=commit
            ),
            pool=self.pool,
            within_s=within_s,
            stopped=lambda: row.token in self._wishes,
            tell=self.tell,
        )

    async def _fence_off(self, row: StoredAttempt, folder: Path) -> None:
        """Keeps the worker of a lost attempt from pushing; its work would not be merged in any case."""
        trees = self.trees
        if trees is None:
            return
        document = OrderDocument.parse(row.document)
        if document.tree is None:
            return
        try:
            late = await asyncio.to_thread(trees.fence_off, folder, document, fence=row.lease.fence)
        except (ExchangeError, WorkspaceError) as error:
            late = f"attempt {document.number} at task {document.task_id} is lost, and not fenced off: {error}"
        if late:
            self.tell(late)

    def cancel(self, attempt: RunningAttempt, *, at_once: bool) -> None:
        """Asks for the end of an attempt; `collect` returns once its worker has seen it end."""
        self._wishes[attempt.token] = Cancel.AT_ONCE if at_once else Cancel.POLITE
        if self._looks is not None:
            self._looks.hurry()

    def suspend_deadline(self, attempt: RunningAttempt) -> None:
        """Changes nothing: agents of a pool do not ask a person."""

    def continue_deadline(self, attempt: RunningAttempt) -> None:
        """Changes nothing, as `suspend_deadline`."""

    def close(self) -> None:
        """Closes the connection; attempts continue."""
        if self._looks is not None:
            self._looks.close()
        if self._store is not None:
            self._store.close()

    async def adopt(
        self,
        *,
        token: str,
        folder: Path,
        supervisor: ProcessIdentity | None,  # noqa: ARG002 -- the row says who runs it
    ) -> RunningAttempt | AttemptEnd:
        """Takes over an attempt of another coordinator by its row; without one it never will begin."""
        store = await self._opened()
        assert self._looks is not None
        self._looks.hurry()
        row = await self._look(store, token)
        if row is None:
            voided = await until_reachable(lambda: store.void(token), tell=self.tell)
            return AttemptEnd(reason=EndReason.VOIDED) if voided else self._running(token, folder)
        if row.lease.state in lease.OVER:
            with suppress(ExchangeUnreachableError):  # `collect` waits for it, and other attempts do not
                return await self._end_of(store, row, folder, within_s=0.0)
        return self._running(token, folder)

    def _running(self, token: str, folder: Path) -> RunningAttempt:
        nowhere_here = ProcessIdentity(host=f"pool {self.pool}", boot_id="", namespace="", pid=0, start_time=0)
        return RunningAttempt(token=token, folder=folder, supervisor=nowhere_here, begun=asyncio.Event())

    async def _opened(self) -> AttemptStore:
        async with self._opening:  # of several attempts that begin at once, only one opens it
            if self._store is None:
                store = AttemptStore(Database(self.url))
                await until_reachable(store.database.make_tables, tell=self.tell)
                self._store, self._looks = store, AttemptLooks(store=store, tell=self.tell)
            return self._store
