"""Carries one attempt of a worker: from its claim, or from an earlier process, to its delivered result."""

from __future__ import annotations

import asyncio
import shutil
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptRefusedError, end_left
from aurora_spawner.distributed import lease
from aurora_spawner.distributed.beats import Beats
from aurora_spawner.distributed.clocks import ahead, moved
from aurora_spawner.distributed.database import until_reachable
from aurora_spawner.distributed.documents import DocumentError, EndDocument, OrderDocument, Result
from aurora_spawner.distributed.exchange import ExchangeError
from aurora_spawner.distributed.held_attempt import HeldAttempt
from aurora_spawner.distributed.lease import AttemptState, Cancel
from aurora_spawner.distributed.worker_gate import GatedAttempt
from aurora_spawner.distributed.worker_orders import Inheritance, order_for, result_of, where_it_worked
from aurora_spawner.distributed.worker_preparation import setup_mark
from aurora_spawner.distributed.worker_trees import AgentPlace
from aurora_spawner.errors import BackendError, TaskError
from aurora_spawner.storage.private_files import make_private_folder
from aurora_spawner.supervision.orphans import end_orphans
from aurora_spawner.workspaces.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_spawner.attempts.executor import Executor, RunningAttempt
    from aurora_spawner.distributed.attempt_store import AttemptStore
    from aurora_spawner.distributed.lease import Lease
    from aurora_spawner.distributed.tree_carrier import TreeCarrier
    from aurora_spawner.distributed.worker_gate import WorkerGate
    from aurora_spawner.distributed.worker_options import WorkerOptions
    from aurora_spawner.distributed.worker_place import WorkerPlace

_REFUSALS: Final = (DocumentError, BackendError, ExchangeError, TaskError, WorkspaceError)


@dataclass(slots=True, kw_only=True)
class AttemptCarrier:
    """Runs the attempts of a worker under supervisors of its machine, each on its own."""

    options: WorkerOptions
    place: WorkerPlace
    store: AttemptStore
    trees: TreeCarrier
    gate: WorkerGate | None
    tell: Callable[[str], None]
    _executors: dict[str, Executor] = field(default_factory=dict)
    """By the use of a sandbox."""
    _inheritance: Inheritance = field(init=False)

    def __post_init__(self) -> None:
        self._inheritance = Inheritance(self.options.environ)

    def close(self) -> None:
        """Gives the executors up; attempts continue."""
        for executor in self._executors.values():
            executor.close()

    async def begin(self, held: HeldAttempt, order: str) -> None:
        """Starts a claimed attempt, and sees it to its end."""
        try:
            held.document = OrderDocument.parse(order)
            running, executor = await self._start(held, held.document)
        except (*_REFUSALS, AttemptRefusedError, OSError) as error:
            self.tell(f"attempt {held.token}: does not begin: {error}")
            await self._deliver(held, self._unbegun(error))
            return
        await self._see_to_end(held, running, executor)

    def _unbegun(self, error: Exception) -> AttemptEnd:
        """Returns the end of an attempt that cannot begin here."""
        if isinstance(error, OSError):
            return AttemptEnd(reason=EndReason.EXEC_FAILED, exec_errno=error.errno or 0)
        if isinstance(error, ExchangeError | WorkspaceError):
            problem = f"worker {self.options.name} could not get its tree: {error}"
            return AttemptEnd(reason=EndReason.NOT_CARRIED, stderr=problem)
        reason = error.reason if isinstance(error, AttemptRefusedError) else EndReason.NOT_TAKEN
        return AttemptEnd(reason=reason, stderr=str(error))

    async def _start(self, held: HeldAttempt, document: OrderDocument) -> tuple[RunningAttempt, Executor]:
        options = self.options
        backend = options.backends.get(document.agent)
        if backend is None:
            allowed = ", ".join(sorted(options.backends)) or "none"
            raise BackendError(document.agent, f"worker {options.name} does not run it; it runs: {allowed}")
        place = AgentPlace(cwd=options.cwd, variables={})
        if document.tree is not None:
            make_private_folder(held.folder)  # the next process looks for what it has begun
            place = await self.trees.bring_here(held, document)
        held.place = place
        order = order_for(
            document,
            backend,
            token=held.token,
            folder=held.folder,
            cwd=place.cwd,
            inheritance=self._inheritance,
            variables=place.variables,
            hook=self.gate.hook_for(held.token, _gated(held, document, place)) if self.gate else None,
        )
        executor = self._executor(document.sandbox)
        self.tell(f"attempt {held.token}: {document.agent} begins task {document.task_id} of {document.run_id}")
        return await executor.start(order), executor

    async def go_on(self, token: str) -> None:
        """Takes over an attempt that an earlier process of this worker held."""
        document = await self._document_of(token)
        worker, lease_s, sent = self.place.worker_id, self.options.times.lease_s, time.monotonic()
        taken = await until_reachable(
            lambda: self.store.change(token, lambda row, now: lease.take_over(row, worker, now=now, lease_s=lease_s)),
            tell=self.tell,
        )
        if taken is None:
            await self.end_lost(token)
            return
        executor, held = self._executor("off"), self.held(token, taken, sent)
        held.document = document
        if document is not None:
            held.place = self._place_of(document)
        if self.gate and document is not None and held.place is not None:
            self.gate.hook_for(token, _gated(held, document, held.place))
        elif self.gate:
            self.gate.forget(token)
        found = await executor.adopt(token=token, folder=held.folder, supervisor=None)
        if isinstance(found, AttemptEnd):
            if found.reason is EndReason.VOIDED:  # killed between its claim and its start
                await asyncio.to_thread(end_orphans, setup_mark(token), session=None)
                await self._deliver(held, AttemptEnd(reason=EndReason.SUPERVISOR_LOST))
                return
            await self._bring_and_deliver(held, found)
            return
        self.tell(f"attempt {token}: adopted")
        await self._see_to_end(held, found, executor)

    def _place_of(self, document: OrderDocument) -> AgentPlace:
        """Returns the place of an agent that an earlier process has begun."""
        trees = self.options.trees
        if document.tree is None or trees is None:
            return AgentPlace(cwd=self.options.cwd, variables={})
        return trees.found(document)

    async def _document_of(self, token: str) -> OrderDocument | None:
        """Returns the order of an attempt that was begun here; None if the database no longer has a readable one."""
        stored = await until_reachable(lambda: self.store.read(token), tell=self.tell)
        try:
            return None if stored is None else OrderDocument.parse(stored.document)
        except DocumentError as error:
            self.tell(f"attempt {token}: {error}")
            return None

    async def end_lost(self, token: str) -> None:
        """Ends an attempt whose lease this worker has lost; its result counts no longer."""
        executor, folder = self._executor("off"), self.place.folder_of(token)
        await end_left(executor, token=token, folder=folder, supervisor=None, at_once=True)
        await asyncio.to_thread(end_orphans, setup_mark(token), session=None)
        if self.gate:
            self.gate.forget(token)
        self.tell(f"attempt {token}: ended, since its lease is lost")
        document = await self._document_of(token)
        if document is not None:
            await self.trees.put_away(token, document)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _see_to_end(self, held: HeldAttempt, running: RunningAttempt, executor: Executor) -> None:
        """Keeps the lease until the attempt has ended, and delivers its result; without a lease, ends its agent."""
        collecting = asyncio.ensure_future(executor.collect(running))
        asked, lost = Cancel.NO, False
        try:
            while not (await asyncio.wait({collecting}, timeout=held.beats.pause_s))[0]:
                wish = await held.beats.beat(running.folder)
                lost = lost or held.beats.lost
                if wish is not asked and asked is not Cancel.AT_ONCE:
                    asked = wish
                    executor.cancel(running, at_once=wish is Cancel.AT_ONCE)
            end = await collecting
        finally:
            collecting.cancel()
        if lost and end.reason is not EndReason.EXITED:  # the worker has ended it: the task is not to blame
            end = replace(end, reason=EndReason.SUPERVISOR_LOST)
        await self._bring_and_deliver(held, end)

    async def _bring_and_deliver(self, held: HeldAttempt, end: AttemptEnd) -> None:
        """Pushes the work on a tree, which has to be there before the result says so; then delivers the result."""
        document, place = held.document, held.place
        backend = None if document is None else self.options.backends.get(document.agent)
        if backend is not None and place is not None and place.worktree is not None:
            end = await asyncio.to_thread(where_it_worked, end, held.folder, backend, place.cwd)
        end, commit = await self.trees.take_back(held, end)
        await self._deliver(held, end, commit)

    async def _deliver(self, held: HeldAttempt, end: AttemptEnd, commit: str = "") -> None:
        """Delivers a result for as long as it takes; one that comes too late is dropped."""
        token = held.token
        if self.gate:
            self.gate.forget(token)
        try:
            told = moved(end, -held.ahead_s)
            packed = (await asyncio.to_thread(result_of, told, held.folder, commit, held.notices)).pack()
        except DocumentError as error:
            packed = Result(
                end=EndDocument(reason=EndReason.NOT_TAKEN), stderr=str(error).encode(), commit=commit
            ).pack()
        accepted = await until_reachable(
            lambda: self._finish(token, held.beats.row, packed),
            tell=self.tell,
        )
        self.tell(f"attempt {token}: {end.reason}" if accepted else f"attempt {token}: its result comes too late")
        await self.trees.leave(held, accepted=accepted, kept=bool(commit))
        await asyncio.to_thread(shutil.rmtree, held.folder, ignore_errors=True)

    async def _finish(self, token: str, held: Lease, packed: bytes) -> bool:
        """Returns True if the result counts; also if it was accepted already, and the answer to that got lost."""
        fence = held.fence
        if await self.store.change(
            token, lambda row, _now: lease.finish(row, fence), result=packed, known=(held, 0.0)
        ):
            return True
        row = await self.store.read(token)
        return row is not None and row.lease.state is AttemptState.FINISHED and row.lease.fence == fence

    def held(self, token: str, row: Lease, sent: float) -> HeldAttempt:
        """Returns an attempt that this worker holds since now.

        Args:
            row: The answer of the database, whose clock it shows.
            sent: The moment before it was asked, on this machine's monotonic clock.
        """
        return HeldAttempt(
            token=token,
            folder=self.place.folder_of(token),
            beats=Beats(store=self.store, token=token, row=row, times=self.options.times, since=sent),
            ahead_s=ahead(self.options.clock(), row.until - self.options.times.lease_s),
        )

    def _executor(self, sandbox: str) -> Executor:
        if sandbox not in self._executors:
            self._executors[sandbox] = self.options.executor(sandbox)
        return self._executors[sandbox]


def _gated(held: HeldAttempt, document: OrderDocument, place: AgentPlace) -> GatedAttempt:
    return GatedAttempt(document=document, folder=held.folder, place=place)
