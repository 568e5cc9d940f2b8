"""The executor of a pool: attempts run on whichever worker of it takes them, and their output comes back."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.attempt_folder import SMALLEST_CAP_BYTES, AttemptFolder, read_output
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder, AttemptRefusedError, RunningAttempt
from aurora_spawner.attempts.process_identity import ProcessIdentity
from aurora_spawner.distributed import lease
from aurora_spawner.distributed.attempt_store import AttemptStore, StoredAttempt
from aurora_spawner.distributed.database import Database, QueueUnusableError, until_reachable
from aurora_spawner.distributed.documents import SPOOL_LIMIT_BYTES, DocumentError, OrderDocument, Result
from aurora_spawner.distributed.lease import AttemptState, Cancel, Lease
from aurora_spawner.distributed.worker_tokens import why_lost
from aurora_spawner.limits.capped_executor import DEPTH_VARIABLE
from aurora_spawner.storage.private_files import make_private_folder
from aurora_spawner.supervision.local_executor import STDERR_LIMIT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_log = logging.getLogger(__name__)

FIRST_LOOK_S: Final = 0.05
LOOK_EVERY_S: Final = 0.5


@dataclass(slots=True, kw_only=True)
class PoolExecutor:
    """Runs attempts on the workers of a pool.

    A database that cannot be reached is waited for: only it can say what has become of an attempt.
    """

    pool: str
    url: str
    sandbox: Callable[[str], str] = lambda _agent: "off"
    """Tells the use of a sandbox that workers are asked for, by agent: off, auto or require."""
    lost_after_s: float = lease.LOST_AFTER_S
    _store: AttemptStore | None = None
    _wishes: dict[str, Cancel] = field(default_factory=dict)
    """Ends of attempts that were asked for and not yet passed on, by token."""
    _wished: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self, order: AttemptOrder) -> RunningAttempt:
        """Queues an attempt; it starts once a worker takes it.

        Raises:
            AttemptRefusedError: It cannot be sent to a worker, or the database refuses it.
        """
        submitting = asyncio.ensure_future(self._submit(order))
        try:
            return await asyncio.shield(submitting)
        except asyncio.CancelledError:
            running = await submitting
            self.cancel(running, at_once=True)
            await self.collect(running)
            raise

    async def _submit(self, order: AttemptOrder) -> RunningAttempt:
        try:
            document = _document_of(order, self.sandbox(order.agent)).to_text()
        except DocumentError as error:
            raise AttemptRefusedError(EndReason.NOT_TAKEN, str(error)) from error
        AttemptFolder(path=order.folder).prepare(order.prompt)
        key, outages = (order.run_id, order.task_id, order.number), list[str]()

        def tell(problem: str) -> None:
            outages.append(problem)
            _log.warning(problem)

        try:
            store = await self._opened()
            row = await until_reachable(
                lambda: store.submit(order.token, key=key, pool=self.pool, document=document), tell=tell
            )
        except QueueUnusableError as error:
            if outages:  # the answer to a try was lost, and it may have been queued
                raise
            raise AttemptRefusedError(EndReason.NOT_TAKEN, str(error)) from error
        if row.token != order.token or row.lease.state is AttemptState.VOIDED:
            problem = "the queue has this attempt from another coordinator; only one may execute a run"
            raise AttemptRefusedError(EndReason.NOT_TAKEN, problem)
        return self._running(order.token, order.folder)

    async def collect(self, attempt: RunningAttempt) -> AttemptEnd:
        """Waits for the result, and writes the output into the attempt's folder as if it had run here."""
        store, pause_s, progress = await self._opened(), FIRST_LOOK_S, 0
        while True:
            row = await until_reachable(lambda: self._look(store, attempt.token), tell=_log.warning)
            if row is None:
                return AttemptEnd(reason=EndReason.VOIDED)
            if row.lease.state in lease.OVER:
                self._wishes.pop(attempt.token, None)
                return await self._end_of(store, row, attempt.folder)
            if row.lease.state is AttemptState.RUNNING and attempt.begun is not None:
                attempt.begun.set()
            if row.progress != progress:
                progress = row.progress
                _show_life(attempt.folder)
            self._wished.clear()
            if attempt.token not in self._wishes:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wished.wait(), pause_s)
            pause_s = min(LOOK_EVERY_S, pause_s * 1.5)

    async def _look(self, store: AttemptStore, token: str) -> StoredAttempt | None:
        """Returns the row, after it was changed by what is due: a wish to end it, or the end of its lease."""
        wish = self._wishes.pop(token, None)
        if wish is not None:
            try:
                await store.change(token, lambda row, _now: lease.request_cancel(row, wish))
            except BaseException:
                self._wishes.setdefault(token, wish)
                raise
        row = await store.read(token)
        if row is None or not self._lost(row.lease, row.now):
            return row
        await store.change(token, self._lost)
        return await store.read(token)

    def _lost(self, row: Lease, now: float) -> Lease | None:
        return lease.declare_lost(row, now=now, lost_after_s=self.lost_after_s)

    async def _end_of(self, store: AttemptStore, row: StoredAttempt, folder: Path) -> AttemptEnd:
        if row.lease.state is AttemptState.VOIDED:
            cancelled = row.lease.cancel is not Cancel.NO
            return AttemptEnd(reason=EndReason.CANCELLED if cancelled else EndReason.VOIDED)
        if row.lease.state is AttemptState.LOST:
            why = await until_reachable(lambda: why_lost(store.database, row.lease.worker), tell=_log.warning)
            return AttemptEnd(reason=EndReason.SUPERVISOR_LOST, stderr=why)
        packed = await until_reachable(lambda: store.result_of(row.token), tell=_log.warning)
        return await asyncio.to_thread(_unpacked, packed, folder)

    def cancel(self, attempt: RunningAttempt, *, at_once: bool) -> None:
        """Asks for the end of an attempt; `collect` returns once its worker has seen it end."""
        self._wishes[attempt.token] = Cancel.AT_ONCE if at_once else Cancel.POLITE
        self._wished.set()

    def suspend_deadline(self, attempt: RunningAttempt) -> None:
        """Changes nothing: agents of a pool do not ask a person."""

    def continue_deadline(self, attempt: RunningAttempt) -> None:
        """Changes nothing, as `suspend_deadline`."""

    def close(self) -> None:
        """Closes the connection; attempts continue."""
        if self._store is not None:
            self._store.database.close()

    async def adopt(
        self,
        *,
        token: str,
        folder: Path,
        supervisor: ProcessIdentity | None,  # noqa: ARG002 -- the row says who runs it
    ) -> RunningAttempt | AttemptEnd:
        """Takes over an attempt of another coordinator by its row; without one it never will begin."""
        store = await self._opened()
        row = await until_reachable(lambda: self._look(store, token), tell=_log.warning)
        if row is None:
            voided = await until_reachable(lambda: store.void(token), tell=_log.warning)
            return AttemptEnd(reason=EndReason.VOIDED) if voided else self._running(token, folder)
        if row.lease.state in lease.OVER:
            return await self._end_of(store, row, folder)
        return self._running(token, folder)

    def _running(self, token: str, folder: Path) -> RunningAttempt:
        nowhere_here = ProcessIdentity(host=f"pool {self.pool}", boot_id="", namespace="", pid=0, start_time=0)
        return RunningAttempt(token=token, folder=folder, supervisor=nowhere_here, begun=asyncio.Event())

    async def _opened(self) -> AttemptStore:
        if self._store is None:
            store = AttemptStore(Database(self.url))
            await until_reachable(store.database.make_tables, tell=_log.warning)
            self._store = store
        return self._store


def _document_of(order: AttemptOrder, sandbox: str) -> OrderDocument:
    return OrderDocument.of(
        run_id=order.run_id,
        task_id=order.task_id,
        number=order.number,
        agent=order.agent,
        model=order.model,
        prompt=order.prompt,
        deadline_s=order.deadline_s,
        sandbox=sandbox,
        depth=int(order.environment.get(DEPTH_VARIABLE, "1")),
    )


def _unpacked(packed: bytes, folder: Path) -> AttemptEnd:
    """Writes a result into the attempt's folder; one that cannot be read is no result."""
    files = AttemptFolder(path=folder)
    make_private_folder(folder)
    try:
        result = Result.unpack(packed)
    except DocumentError as error:
        return AttemptEnd(reason=EndReason.NOT_TAKEN, stderr=str(error))
    end = result.end
    for path, content in ((files.stdout, result.stdout), (files.stderr, result.stderr)):
        _write(path, content)
    if end.record is not None:
        _write(files.exit, json.dumps(end.record).encode())
    stderr_total = _count(end.record, "stderr_bytes", len(result.stderr))
    cap = _count(end.record, "cap_bytes", SPOOL_LIMIT_BYTES)
    return AttemptEnd(
        **{name: getattr(end, name) for name in type(end).model_fields},
        stdout=read_output(files.stdout, total=end.stdout_bytes, cap=cap),
        stderr=read_output(files.stderr, total=stderr_total, cap=cap, limit=STDERR_LIMIT_BYTES),
        stdout_path=files.stdout,
    )


def _count(record: dict[str, object] | None, name: str, default: int) -> int:
    value = (record or {}).get(name)
    return value if isinstance(value, int) and SMALLEST_CAP_BYTES <= value <= 1 << 62 else default


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _show_life(folder: Path) -> None:
    """Marks the output as grown now, for the watchdog: the agent has done something on its worker."""
    stdout = AttemptFolder(path=folder).stdout
    try:
        stdout.touch(mode=0o600)
    except OSError:
        _log.warning("%s cannot be touched; the watchdog may take its agent for stalled", stdout)
