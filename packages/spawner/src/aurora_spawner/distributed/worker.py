"""A worker: takes attempts of its pool, runs them under supervisors of its machine, and delivers their results.

The queue rings a bell for each attempt; which one a worker gets is chosen by the database when it has room, and
whether it may run is decided by its row. Attempts outlive the worker's process: the next process of the same worker
takes them over.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import threading
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import psycopg
from procrastinate.exceptions import ProcrastinateException

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptRefusedError, end_left
from aurora_spawner.distributed import lease
from aurora_spawner.distributed.attempt_store import JOB, AttemptStore, queue_of
from aurora_spawner.distributed.beats import Beats, LeaseTimes
from aurora_spawner.distributed.clocks import ahead, moved
from aurora_spawner.distributed.database import Database, QueueError, QueueUnavailableError, until_reachable
from aurora_spawner.distributed.documents import DocumentError, EndDocument, OrderDocument, Result
from aurora_spawner.distributed.exchange import GIVE_UP_AFTER_S, ExchangeError
from aurora_spawner.distributed.held_attempt import HeldAttempt
from aurora_spawner.distributed.lease import AttemptState, Cancel
from aurora_spawner.distributed.queues import queues_of
from aurora_spawner.distributed.tree_carrier import TreeCarrier
from aurora_spawner.distributed.worker_gate import GatedAttempt, WorkerGate
from aurora_spawner.distributed.worker_orders import Inheritance, order_for, result_of, where_it_worked
from aurora_spawner.distributed.worker_place import ForeignTokenError, WorkerPlace
from aurora_spawner.distributed.worker_preparation import setup_mark
from aurora_spawner.distributed.worker_tokens import WorkerRefusedError, admit
from aurora_spawner.distributed.worker_trees import AgentPlace
from aurora_spawner.errors import BackendError, first_failure
from aurora_spawner.storage.private_files import make_private_folder
from aurora_spawner.supervision.orphans import end_orphans
from aurora_spawner.workspaces.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from pathlib import Path

    from aurora_spawner.attempts.executor import Executor, RunningAttempt
    from aurora_spawner.backends.base import AgentBackend
    from aurora_spawner.distributed.announced import AnnouncedTool
    from aurora_spawner.distributed.lease import Lease
    from aurora_spawner.distributed.worker_trees import WorkerTrees
    from aurora_spawner.gates.tool_calls import ToolCallGate

_log = logging.getLogger(__name__)

RETRY_S: Final = 1.0
"""Time between two tries to reach the database."""
CLEAN_EVERY_S: Final = 60.0
LOOK_EVERY_S: Final = 1.0
TOOLS_EVERY_S: Final = 900.0
"""Time after which it is found out again which agents are on this machine, and signed in."""
_REFUSALS: Final = (DocumentError, BackendError, ExchangeError, WorkspaceError)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """The properties of a worker, and its list of agents."""

    name: str
    pool: str
    concurrency: int
    cwd: Path
    """The folder in which its agents work."""
    labels: tuple[str, ...] = ()
    """Names of what this machine has; attempts that need any other go to other workers."""
    backends: Mapping[str, AgentBackend]
    """The agents that it runs, by name; an order for any other is refused."""
    gate: ToolCallGate | None = None
    """Judges the tool calls of agents with hooks; None leaves these in their own safe mode."""
    executor: Callable[[str], Executor]
    """Builds the executor for a use of a sandbox: off, auto or require."""
    environ: Mapping[str, str]
    clock: Callable[[], float] = time.time
    """This machine's clock, which supervisors show in the times of attempts."""
    times: LeaseTimes = field(default_factory=LeaseTimes)
    trees: WorkerTrees | None = None
    """Carries trees; None if the pool names no repository here, so that orders with a tree are refused."""
    carry_within_s: float = GIVE_UP_AFTER_S
    """The time for which the pool's repository is tried again if it cannot be reached."""
    clean_every_s: float = CLEAN_EVERY_S
    """Time between two looks for worktrees that are needed no longer."""
    tools: Callable[[], Sequence[AnnouncedTool]] = tuple
    """Finds out which agents are on this machine; it may take long, and is called again from time to time."""
    look_every_s: float = LOOK_EVERY_S
    """Time between two looks, while there is room, for attempts that no bell was rung for."""


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
        self._slots = asyncio.Semaphore(options.concurrency)
        self._carried: set[asyncio.Task[None]] = set()
        self._draining = asyncio.Event()
        self._executors: dict[str, Executor] = {}
        self._refused: WorkerRefusedError | None = None
        self._inheritance = Inheritance(options.environ)
        self._gate = None if options.gate is None else WorkerGate(gate=options.gate, folder=place.path, tell=tell)
        self._look = asyncio.Event()
        self._idle_bells = 0
        """Bells at which nothing could begin: what they were for is found by looking."""
        self._tools: tuple[AnnouncedTool, ...] = ()
        self._tools_at: float | None = None
        self._trees = TreeCarrier(
            worker=options.name, pool=options.pool, trees=options.trees, within_s=options.carry_within_s, tell=tell
        )

    def drain(self) -> None:
        """Takes nothing more; `run` returns when the last attempt has ended."""
        self._draining.set()

    async def run(self) -> None:
        """Serves the pool until it has drained; a cancelled worker leaves its attempts to the next process.

        Raises:
            WorkerRefusedError: The database does not take its token, or no longer; its agents have been ended.
            QueueUnusableError: The database refuses this worker.
        """
        try:
            if self._gate:
                self._gate.expect(self._place.tokens())
            await until_reachable(self._database.make_tables, tell=self._tell)
            await self._sign_on()
            self._tell(f"worker {self._options.name} serves pool {self._options.pool}")
            async with self._gate.serving() if self._gate else nullcontext(), asyncio.TaskGroup() as group:
                await self._take_over(group)
                upkeep = [
                    group.create_task(each)
                    for each in (self._keep_up(), self._keep_clean(), self._keep_looking(group))
                ]
                serving = group.create_task(self._serve(group))
                await self._draining.wait()
                serving.cancel()
                while self._carried:
                    await asyncio.wait(self._carried)
                for each in upkeep:
                    each.cancel()
            if self._refused is not None:
                raise self._refused
            await until_reachable(lambda: self._store.remove(self._place.worker_id), tell=self._tell)
        except BaseExceptionGroup as failures:
            raise first_failure(failures.exceptions) from None
        finally:
            for executor in self._executors.values():
                executor.close()
            self._store.close()

    async def _sign_on(self) -> None:
        """Announces the worker; one that is refused ends what an earlier process has left before it goes."""
        try:
            await until_reachable(lambda: self._announce(new=True), tell=self._tell)
        except WorkerRefusedError:
            for token in self._place.tokens():
                await self._end_lost(token)
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

    async def _serve(self, group: asyncio.TaskGroup) -> None:
        """Takes an attempt at each bell; begins again whenever the database comes back."""
        while True:
            queue = queue_of(self._database.conninfo)

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
                        queues=queues_of(self._options.pool, self._options.labels),
                        name=self._options.name,
                        concurrency=self._options.concurrency,
                        install_signal_handlers=False,
                        shutdown_graceful_timeout=0.0,  # attempts have an owner of their own, and go on
                        delete_jobs="always",
                        fetch_job_polling_interval=1.0,  # a notice may get lost
                    )
            except (ProcrastinateException, psycopg.Error, OSError) as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():  # it was cancelled, and could not sign off
                    raise asyncio.CancelledError from error
                self._tell("the queue cannot be reached; trying again")
            await asyncio.sleep(RETRY_S)

    async def _keep_looking(self, group: asyncio.TaskGroup) -> None:
        """Takes, while there is room, what no bell was rung for, or its bell has gone with another worker.

        Attempts that a limit or a provider holds back begin by this, too.
        """
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._options.look_every_s):
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
            begun = None if self._draining.is_set() else await self._claim()
        except BaseException:
            self._slots.release()
            raise
        if begun is None:
            self._slots.release()
            return None
        held, order = begun
        return self._kept(group.create_task(self._in_slot(held.token, self._begin(held, order))))

    def _kept(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        self._carried.add(task)
        task.add_done_callback(self._carried.discard)
        return task

    async def _in_slot(self, token: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except QueueError as error:
            self._tell(f"attempt {token}: {error}")
        finally:
            self._slots.release()
            if self._idle_bells:  # a place within a limit is free now
                self._look.set()

    async def _take_over(self, group: asyncio.TaskGroup) -> None:
        """Goes on with the attempts of an earlier process, and ends those that this worker has lost meanwhile."""
        held = await until_reachable(lambda: self._store.held_by(self._place.worker_id), tell=self._tell)
        left = [(token, self._go_on) for token in held]
        left += [(token, self._end_lost) for token in self._place.tokens() if token not in held]
        for token, work in left:
            self._kept(group.create_task(self._with_room(token, work)))

    async def _with_room(self, token: str, work: Callable[[str], Coroutine[Any, Any, None]]) -> None:
        await self._slots.acquire()
        await self._in_slot(token, work(token))

    async def _claim(self) -> tuple[HeldAttempt, str] | None:
        """Claims the attempt whose turn it is, with its order; None if none may begin here now."""
        options, sent = self._options, time.monotonic()
        try:
            claimed = await self._store.claim_next(
                options.pool, labels=options.labels, worker=self._place.worker_id, lease_s=self._lease_s
            )
        except (
            QueueUnavailableError
        ):  # asked again at the next look; a claim whose answer got lost ends with its lease
            return None
        except QueueError as error:
            self._tell(str(error))
            return None
        if claimed is None:
            return None
        row, taken = claimed
        try:
            return self._held(row.token, taken, sent), row.document
        except ForeignTokenError as error:
            self._tell(f"refused: {error}")
            return None

    async def _begin(self, held: HeldAttempt, order: str) -> None:
        """Starts a claimed attempt, and sees it to its end."""
        try:
            held.document = OrderDocument.parse(order)
            running, executor = await self._start(held, held.document)
        except (*_REFUSALS, AttemptRefusedError, OSError) as error:
            self._tell(f"attempt {held.token}: does not begin: {error}")
            await self._deliver(held, self._unbegun(error))
            return
        await self._see_to_end(held, running, executor)

    def _unbegun(self, error: Exception) -> AttemptEnd:
        """Returns the end of an attempt that cannot begin here."""
        if isinstance(error, OSError):
            return AttemptEnd(reason=EndReason.EXEC_FAILED, exec_errno=error.errno or 0)
        if isinstance(error, ExchangeError | WorkspaceError):
            problem = f"worker {self._options.name} could not get its tree: {error}"
            return AttemptEnd(reason=EndReason.NOT_CARRIED, stderr=problem)
        reason = error.reason if isinstance(error, AttemptRefusedError) else EndReason.NOT_TAKEN
        return AttemptEnd(reason=reason, stderr=str(error))

    async def _start(self, held: HeldAttempt, document: OrderDocument) -> tuple[RunningAttempt, Executor]:
        options = self._options
        backend = options.backends.get(document.agent)
        if backend is None:
            allowed = ", ".join(sorted(options.backends)) or "none"
            raise BackendError(document.agent, f"worker {options.name} does not run it; it runs: {allowed}")
        place = AgentPlace(cwd=options.cwd, variables={})
        if document.tree is not None:
            make_private_folder(held.folder)  # the next process looks for what it has begun
            place = await self._trees.bring_here(held, document)
        held.place = place
        order = order_for(
            document,
            backend,
            token=held.token,
            folder=held.folder,
            cwd=place.cwd,
            inheritance=self._inheritance,
            variables=place.variables,
            hook=self._gate.hook_for(held.token, _gated(held, document, place)) if self._gate else None,
        )
        executor = self._executor(document.sandbox)
        self._tell(f"attempt {held.token}: {document.agent} begins task {document.task_id} of {document.run_id}")
        return await executor.start(order), executor

    async def _go_on(self, token: str) -> None:
        """Takes over an attempt that an earlier process of this worker held."""
        document = await self._document_of(token)
        sent = time.monotonic()
        taken = await until_reachable(
            lambda: self._store.change(
                token, lambda row, now: lease.take_over(row, self._place.worker_id, now=now, lease_s=self._lease_s)
            ),
            tell=self._tell,
        )
        if taken is None:
            await self._end_lost(token)
            return
        executor, held = self._executor("off"), self._held(token, taken, sent)
        held.document = document
        if document is not None:
            held.place = self._place_of(document)
        if self._gate and document is not None and held.place is not None:
            self._gate.hook_for(token, _gated(held, document, held.place))
        elif self._gate:
            self._gate.forget(token)
        found = await executor.adopt(token=token, folder=held.folder, supervisor=None)
        if isinstance(found, AttemptEnd):
            if found.reason is EndReason.VOIDED:  # killed between its claim and its start
                await asyncio.to_thread(end_orphans, setup_mark(token), session=None)
                await self._deliver(held, AttemptEnd(reason=EndReason.SUPERVISOR_LOST))
                return
            await self._bring_and_deliver(held, found)
            return
        self._tell(f"attempt {token}: adopted")
        await self._see_to_end(held, found, executor)

    def _place_of(self, document: OrderDocument) -> AgentPlace:
        """Returns the place of an agent that an earlier process has begun."""
        trees = self._options.trees
        if document.tree is None or trees is None:
            return AgentPlace(cwd=self._options.cwd, variables={})
        return trees.found(document)

    async def _document_of(self, token: str) -> OrderDocument | None:
        """Returns the order of an attempt that was begun here; None if the database no longer has a readable one."""
        stored = await until_reachable(lambda: self._store.read(token), tell=self._tell)
        try:
            return None if stored is None else OrderDocument.parse(stored.document)
        except DocumentError as error:
            self._tell(f"attempt {token}: {error}")
            return None

    async def _end_lost(self, token: str) -> None:
        """Ends an attempt whose lease this worker has lost; its result counts no longer."""
        executor, folder = self._executor("off"), self._place.folder_of(token)
        await end_left(executor, token=token, folder=folder, supervisor=None, at_once=True)
        await asyncio.to_thread(end_orphans, setup_mark(token), session=None)
        if self._gate:
            self._gate.forget(token)
        self._tell(f"attempt {token}: ended, since its lease is lost")
        document = await self._document_of(token)
        if document is not None:
            await self._trees.put_away(token, document)
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
        backend = None if document is None else self._options.backends.get(document.agent)
        if backend is not None and place is not None and place.worktree is not None:
            end = await asyncio.to_thread(where_it_worked, end, held.folder, backend, place.cwd)
        end, commit = await self._trees.take_back(held, end)
        await self._deliver(held, end, commit)

    async def _deliver(self, held: HeldAttempt, end: AttemptEnd, commit: str = "") -> None:
        """Delivers a result for as long as it takes; one that comes too late is dropped."""
        token = held.token
        if self._gate:
            self._gate.forget(token)
        try:
            told = moved(end, -held.ahead_s)
            packed = (await asyncio.to_thread(result_of, told, held.folder, commit, held.notices)).pack()
        except DocumentError as error:
            packed = Result(
                end=EndDocument(reason=EndReason.NOT_TAKEN), stderr=str(error).encode(), commit=commit
            ).pack()
        accepted = await until_reachable(
            lambda: self._finish(token, held.beats.row, packed),
            tell=self._tell,
        )
        self._tell(f"attempt {token}: {end.reason}" if accepted else f"attempt {token}: its result comes too late")
        await self._trees.leave(held, accepted=accepted, kept=bool(commit))
        await asyncio.to_thread(shutil.rmtree, held.folder, ignore_errors=True)

    async def _finish(self, token: str, held: Lease, packed: bytes) -> bool:
        """Returns True if the result counts; also if it was accepted already, and the answer to that got lost."""
        fence = held.fence
        if await self._store.change(
            token, lambda row, _now: lease.finish(row, fence), result=packed, known=(held, 0.0)
        ):
            return True
        row = await self._store.read(token)
        return row is not None and row.lease.state is AttemptState.FINISHED and row.lease.fence == fence

    def _held(self, token: str, row: Lease, sent: float) -> HeldAttempt:
        """Returns an attempt that this worker holds since now.

        Args:
            row: The answer of the database, whose clock it shows.
            sent: The moment before it was asked, on this machine's monotonic clock.
        """
        return HeldAttempt(
            token=token,
            folder=self._place.folder_of(token),
            beats=Beats(store=self._store, token=token, row=row, times=self._options.times, since=sent),
            ahead_s=ahead(self._options.clock(), row.until - self._lease_s),
        )

    @property
    def _lease_s(self) -> float:
        return self._options.times.lease_s

    def _executor(self, sandbox: str) -> Executor:
        if sandbox not in self._executors:
            self._executors[sandbox] = self._options.executor(sandbox)
        return self._executors[sandbox]


def _gated(held: HeldAttempt, document: OrderDocument, place: AgentPlace) -> GatedAttempt:
    return GatedAttempt(document=document, folder=held.folder, place=place)
