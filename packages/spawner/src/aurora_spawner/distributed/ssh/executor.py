"""The executor of a host that is reached over ssh: attempts run there, and their output and work come back.

A host that cannot be reached is waited for, since only it can say what has become of an attempt: without a limit,
unless the user has set one. A start is made once there, since the host claims it by the attempt's token; so requests
are made again on each new connection.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aurora_spawner.attempts.attempt_folder import AttemptFolder
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder, AttemptRefusedError, RunningAttempt
from aurora_spawner.attempts.process_identity import ProcessIdentity
from aurora_spawner.distributed.attempt_documents import document_of, show_life, unpacked
from aurora_spawner.distributed.clocks import ahead
from aurora_spawner.distributed.documents import DocumentError, OrderDocument
from aurora_spawner.distributed.exchange import ExchangeError, ExchangeUnreachableError, until_carried
from aurora_spawner.distributed.pool_trees import CarriedWork, PoolTrees, bring_work
from aurora_spawner.distributed.ssh.bundle_exchange import BundleExchange
from aurora_spawner.distributed.ssh.channel import Channel
from aurora_spawner.distributed.ssh.destination import HostGoneError, HostRefusedError
from aurora_spawner.distributed.ssh.frames import Request
from aurora_spawner.distributed.ssh.host_attempts import FENCE
from aurora_spawner.workspaces.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from aurora_spawner.attempts.executor import OrderedTree
    from aurora_spawner.distributed.documents import TreeDocument
    from aurora_spawner.distributed.ssh.destination import Destination
    from aurora_spawner.distributed.ssh.frames import Answer

    Result = TypeVar("Result")

_log = logging.getLogger(__name__)

_BRIDGE_S: Final = 2.0
_HOPE_EVERY_S: Final = 0.5
"""Time between two looks whether the host has been away for too long."""
_REFUSED_PAUSE_S: Final = 2.0
"""Time between two requests that the host cannot do."""


@dataclass(slots=True, kw_only=True)
class _Attempt:
    """An attempt of this coordinator on the host."""

    token: str
    folder: Path
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    beginning: asyncio.Task[None] | None = None
    """Sends it to the host; None for one that an earlier coordinator has sent."""
    sent: bool = False
    """True once the host may have heard of it."""
    wish: Request | None = None
    """The request to end it; None as long as nobody wishes that."""
    ending: asyncio.Task[None] | None = None
    """Asks the host to end it."""


@dataclass(slots=True, kw_only=True)
class SshExecutor:
    """Runs attempts on one host."""

    pool: str
    destination: Destination
    concurrency: int = 1
    """The most attempts of this run at once on the host."""
    give_up_after_s: float = math.inf
    """The time without the host after which its attempts are given up, whatever becomes of them there."""
    sandbox: Callable[[str], str] = lambda _agent: "off"
    """Tells the use of a sandbox that the host is asked for, by agent: off, auto or require."""
    tell: Callable[[str], None] = _log.warning
    """Receives what the user should know while an attempt waits."""
    _channel: Channel = field(init=False)
    _exchange: BundleExchange = field(init=False)
    _attempts: dict[str, _Attempt] = field(default_factory=dict)
    _on_host: set[str] = field(default_factory=set)
    """The tokens of attempts that are sent, or about to be."""
    _room: asyncio.Condition = field(default_factory=asyncio.Condition)
    _abandoned: set[asyncio.Task[object]] = field(default_factory=set)
    """Requests to end attempts that were given up, should the host come back during this run."""

    def __post_init__(self) -> None:
        self._channel = Channel(destination=self.destination, tell=self.tell)
        self._exchange = BundleExchange(self.destination, kept=True)

    async def start(self, order: AttemptOrder) -> RunningAttempt:
        """Takes an attempt, which begins once there is room for it on the host and its tree has arrived.

        Raises:
            AttemptRefusedError: It cannot be sent there.
            OSError: The attempt's folder cannot be written to.
        """
        if order.labels:
            problem = f"pool {self.pool} is one host without labels, and the task needs: {', '.join(order.labels)}"
            raise AttemptRefusedError(EndReason.NOT_TAKEN, problem)
        AttemptFolder(path=order.folder).prepare(order.prompt)
        attempt = self._attempts[order.token] = _Attempt(token=order.token, folder=order.folder)
        attempt.beginning = asyncio.create_task(self._begin(attempt, order))
        return self._running(attempt)

    async def _begin(self, attempt: _Attempt, order: AttemptOrder) -> None:
        """Sends an attempt to the host, which has it then.

        Raises:
            AttemptRefusedError: The host refuses it, or it was ended before it was sent.
            ExchangeError: Its tree cannot be sent.
            WorkspaceError: Its worktree is gone.
            OSError: The attempt's folder cannot be written to.
        """
        async with self._room:
            await self._room.wait_for(lambda: len(self._on_host) < self.concurrency)
            self._on_host.add(attempt.token)
        try:
            await self._channel.until_reached()
            tree = None if order.tree is None else await self._send_tree(attempt, order, order.tree)
            text = document_of(order, self.sandbox(order.agent), tree).to_text()
            await asyncio.to_thread(_write, attempt.folder / "order", text)
            body, request = text.encode(), Request(kind="start", token=attempt.token, size=len(text.encode()))
            answer, _ = await self._channel.until_answered(
                request, body, refusable=True, on_sent=lambda: setattr(attempt, "sent", True)
            )
        except (HostRefusedError, DocumentError) as error:
            raise AttemptRefusedError(EndReason.NOT_TAKEN, str(error)) from error
        if answer.kind == "refused":
            raise AttemptRefusedError(EndReason.NOT_TAKEN, f"{self.destination.address}: {answer.problem}")
        attempt.begun.set()

    async def _send_tree(self, attempt: _Attempt, order: AttemptOrder, tree: OrderedTree) -> TreeDocument:
        trees = PoolTrees(exchange=self._exchange)
        return await until_carried(
            lambda: trees.send(order, tree),
            within_s=self.give_up_after_s,
            stopped=lambda: attempt.wish is not None,
            tell=self.tell,
        )

    async def collect(self, attempt: RunningAttempt) -> AttemptEnd:
        """Waits for the result, and writes the output into the attempt's folder as if it had run here.

        The work on a tree is in the worktree of the task then.
        """
        own = self._attempts[attempt.token]
        try:
            end = await self._while_hoped(self._end(own))
        except HostGoneError as error:
            end = self._given_up(own.token, error)
            if own.beginning is not None:
                own.beginning.cancel()
        await self._forget(own)
        return end

    async def _end(self, own: _Attempt) -> AttemptEnd:
        return await self._unbegun(own) or await self._ended(own, within_s=self.give_up_after_s)

    async def _while_hoped(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Returns what a call gives.

        Raises:
            HostGoneError: The host has been away for too long meanwhile.
        """
        working = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait({working}, timeout=_HOPE_EVERY_S))[0]:
                if self._channel.away_s >= self.give_up_after_s:
                    raise HostGoneError(
                        f"{self.destination.address} was away for {self.give_up_after_s:.0f} s, the time after which"
                        " its attempts are given up (give_up_after); this one may still run there"
                    )
            return await working
        finally:
            working.cancel()

    def _given_up(self, token: str, error: HostGoneError) -> AttemptEnd:
        """Returns the end of an attempt whose result counts no longer; the host is to end it, should it come back."""
        self.tell(str(error))
        ending = asyncio.ensure_future(self._answered(Request(kind="cancel", token=token, at_once=True)))
        self._abandoned.add(ending)
        ending.add_done_callback(self._abandoned.discard)
        return AttemptEnd(reason=EndReason.SUPERVISOR_LOST, stderr=str(error))

    async def _forget(self, own: _Attempt) -> None:
        if own.ending is not None:
            own.ending.cancel()
        self._attempts.pop(own.token, None)
        async with self._room:
            self._on_host.discard(own.token)
            self._room.notify_all()

    async def _unbegun(self, own: _Attempt) -> AttemptEnd | None:
        """Waits until the host has an attempt; returns the end of one that cannot begin."""
        if own.beginning is None:
            return None
        try:
            await asyncio.shield(own.beginning)
        except asyncio.CancelledError:
            if not own.beginning.cancelled():
                raise
            return AttemptEnd(reason=EndReason.CANCELLED, stderr="it was ended before it was sent")
        except AttemptRefusedError as error:
            return AttemptEnd(reason=error.reason, stderr=str(error))
        except (ExchangeError, WorkspaceError) as error:
            return AttemptEnd(reason=EndReason.NOT_CARRIED, stderr=f"its tree could not be sent: {error}")
        except OSError as error:
            return AttemptEnd(reason=EndReason.EXEC_FAILED, exec_errno=error.errno or 0)
        return None

    async def _ended(self, own: _Attempt, *, within_s: float) -> AttemptEnd:
        """Waits for the end of an attempt that the host has.

        Args:
            within_s: The time for which the host is tried again for the work on a tree.

        Raises:
            ExchangeUnreachableError: It cannot be reached for that, and `within_s` is 0.
        """
        bridging = asyncio.create_task(self._bridge(own))
        try:
            answer, packed = await self._answered(
                Request(kind="collect", token=own.token),
                on_life=lambda: show_life(own.folder),
                on_sent=lambda: self._remind(own),
            )
        finally:
            bridging.cancel()
        end, commit = await asyncio.to_thread(unpacked, packed, own.folder, ahead(time.time(), answer.now))
        if end.reason is EndReason.VOIDED and own.wish is not None:
            return replace(end, reason=EndReason.CANCELLED)
        if not commit:
            return end
        text = await asyncio.to_thread((own.folder / "order").read_text, encoding="utf-8")
        return await bring_work(
            PoolTrees(exchange=self._exchange),
            end,
            CarriedWork(folder=own.folder, document=OrderDocument.parse(text), fence=FENCE, commit=commit),
            pool=self.pool,
            within_s=within_s,
            stopped=lambda: own.wish is not None,
            tell=self.tell,
        )

    async def _bridge(self, own: _Attempt) -> None:
        """Shows life while the host is away: nobody knows then that the agent does nothing."""
        while True:
            await asyncio.sleep(_BRIDGE_S)
            if self._channel.away:
                show_life(own.folder)

    def _remind(self, own: _Attempt) -> None:
        """Asks for the end of an attempt on a new connection again: another process of the host sees to it there."""
        if own.wish is not None:
            self._pass_on(own, own.wish)

    async def _answered(
        self,
        request: Request,
        *,
        on_life: Callable[[], None] = lambda: None,
        on_sent: Callable[[], None] = lambda: None,
    ) -> tuple[Answer, bytes]:
        """Makes a request that the host must be able to answer, such as after its disk has room again."""
        told = ""
        while True:
            answer, body = await self._channel.until_answered(request, on_life=on_life, on_sent=on_sent)
            if answer.kind != "refused":
                return answer, body
            if answer.problem != told:
                told = answer.problem
                self.tell(f"{self.destination.address} cannot {request.kind} an attempt: {told}; asking again")
            await asyncio.sleep(_REFUSED_PAUSE_S)

    def cancel(self, attempt: RunningAttempt, *, at_once: bool) -> None:
        """Asks for the end of an attempt; `collect` returns once the host has seen it end."""
        own = self._attempts.get(attempt.token)
        if own is None:
            return
        own.wish = Request(kind="cancel", token=own.token, at_once=at_once)
        if own.beginning is not None and not own.sent:
            own.beginning.cancel()
            return
        self._pass_on(own, own.wish)

    def _pass_on(self, own: _Attempt, wish: Request) -> None:
        async def end() -> None:
            await self._answered(wish)

        if own.ending is not None:
            own.ending.cancel()
        own.ending = asyncio.create_task(end())

    def suspend_deadline(self, attempt: RunningAttempt) -> None:
        """Changes nothing: agents of a pool do not ask a person."""

    def continue_deadline(self, attempt: RunningAttempt) -> None:
        """Changes nothing, as `suspend_deadline`."""

    def close(self) -> None:
        """Closes the connection; attempts continue."""
        for own in self._attempts.values():
            for task in (own.beginning, own.ending):
                if task is not None:
                    task.cancel()
        for ending in self._abandoned:
            ending.cancel()
        self._channel.close()
        self._exchange.close()

    async def adopt(
        self,
        *,
        token: str,
        folder: Path,
        supervisor: ProcessIdentity | None,  # noqa: ARG002 -- the host says who runs it
    ) -> RunningAttempt | AttemptEnd:
        """Takes over an attempt of another coordinator; one that the host has not begun never will."""
        own = _Attempt(token=token, folder=folder)
        try:
            answer, _ = await self._while_hoped(self._answered(Request(kind="adopt", token=token)))
        except HostGoneError as error:
            return self._given_up(token, error)
        if answer.state == "voided":
            return AttemptEnd(reason=EndReason.VOIDED)
        if answer.state == "over":
            with suppress(ExchangeUnreachableError):  # `collect` waits for it, and other attempts do not
                return await self._ended(own, within_s=0.0)
        own.begun.set()
        self._attempts[token] = own
        self._on_host.add(token)
        return self._running(own)

    def _running(self, own: _Attempt) -> RunningAttempt:
        there = ProcessIdentity(host=self.destination.address, boot_id="", namespace="", pid=0, start_time=0)
        return RunningAttempt(token=own.token, folder=own.folder, supervisor=there, begun=own.begun)


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
