"""Attempts within a budget: money is set aside before one starts, watched while it runs, settled when it has ended.

It stands before another executor. Attempts of agents that cost nothing pass through.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeVar

from aurora_spawner.backends.base import with_events
from aurora_spawner.executor import OVER_BUDGET, AttemptEnd, AttemptRefusedError, RunningAttempt
from aurora_spawner.metering import Meter
from aurora_spawner.outcome import reply_of
from aurora_spawner.prices import PriceTable
from aurora_spawner.spool import AttemptFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from aurora_spawner.backends.base import Backend, Reply
    from aurora_spawner.budget import BudgetGate
    from aurora_spawner.executor import AttemptOrder, Executor
    from aurora_spawner.identity import ProcessIdentity

Answer = TypeVar("Answer")

STOPPED_ITSELF: Final = "error_max_budget_usd"
"""What an agent reports that has come to the limit that it was told."""
LOOK_EVERY_S: Final = 1.0
"""How often the output of a running attempt is read for what it has spent."""


@dataclass(slots=True, kw_only=True)
class BudgetedExecutor:
    """Starts nothing that no money is set aside for.

    An attempt that does not fit waits while others of this run may give money back, and ends as `over_budget` where
    none does. So does one that is found to have passed the budget while it runs; what it has done is kept.
    """

    inner: Executor
    gate: BudgetGate
    backends: Mapping[str, Backend]
    resumes: str | None = None
    """The run whose attempts may be adopted."""
    free: frozenset[str] = frozenset()
    """Agents that cost nothing."""
    prices: PriceTable = field(default_factory=PriceTable)
    """For agents that tell tokens and no money."""
    tell: Callable[[str], None] = lambda _message: None
    """Called with each thing that the user should know, once."""
    look_every_s: float = LOOK_EVERY_S
    _agents: dict[str, str] = field(default_factory=dict)
    """Of attempts that money is set aside for, by token."""
    _models: dict[str, str] = field(default_factory=dict)
    """That attempts were asked to use, by token; for agents that do not say which they used."""
    _limits: dict[str, str] = field(default_factory=dict)
    """In US dollars, of attempts that were told theirs, by token."""
    _refused: dict[str, str] = field(default_factory=dict)
    """Why an attempt was ended, by token."""
    _told: set[str] = field(default_factory=set)
    _change: asyncio.Event = field(default_factory=asyncio.Event)
    """Set and replaced whenever money is given back."""
    _broken: bool = False
    """The gate has failed: what is set aside stays so until the run is resumed."""

    async def start(self, order: AttemptOrder) -> RunningAttempt:
        """Set money aside, then start.

        Raises:
            AttemptRefusedError: It does not fit, and nothing that runs here can change that.
        """
        if order.agent not in self.free:
            order = self._told_its_limit(order, await self._reserve(order))
        try:
            return await self.inner.start(order)
        except BaseException:
            await self._give_back(order.token)
            raise

    async def collect(self, attempt: RunningAttempt) -> AttemptEnd:
        """Wait for the end, and settle."""
        watching = asyncio.ensure_future(self._watch(attempt))
        try:
            end = await self.inner.collect(attempt)
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        reply = await self._settle(attempt.token, end)
        reason = self._refused.pop(attempt.token, None)
        limit = self._limits.pop(attempt.token, None)
        if limit and reply and reply.reported and reply.reported.code == STOPPED_ITSELF:
            return replace(end, reason=OVER_BUDGET, stderr=f"it has cost the {limit} USD that it may")
        if reason is None or end.reason != "cancelled":
            return end
        if reply is not None and reply.finished and end.exit_code == 0:  # it was done before it could be ended
            return replace(end, reason="exited")
        return replace(end, reason=OVER_BUDGET, stderr=reason)

    def cancel(self, attempt: RunningAttempt, *, at_once: bool) -> None:
        """As the executor behind does."""
        self.inner.cancel(attempt, at_once=at_once)

    def close(self) -> None:
        """As the executor behind does."""
        self.inner.close()

    async def adopt(
        self, *, token: str, folder: Path, supervisor: ProcessIdentity | None
    ) -> RunningAttempt | AttemptEnd:
        """Take over an attempt with the money that is set aside for it; settle one that has ended meanwhile."""
        found = await self.inner.adopt(token=token, folder=folder, supervisor=supervisor)
        if self.resumes is not None:
            left = await self._ask(self.gate.open_reservations, self.resumes)
            if token in left:
                self._agents[token] = left[token]
                self._models |= (
                    {token: model} if (model := getattr(self.backends.get(left[token]), "model", None)) else {}
                )
        if isinstance(found, AttemptEnd):
            await self._settle(token, found)
        return found

    def _told_its_limit(self, order: AttemptOrder, room_usd: float | None) -> AttemptOrder:
        """The order for an agent that can be told what it may spend, and then ends by itself.

        One that goes on with a session would count what that has cost before.
        """
        flag: tuple[str, ...] = getattr(self.backends.get(order.agent), "cost_flag", ())
        if not flag or room_usd is None or order.resumes is not None:
            return order
        limit = self._limits[order.token] = f"{room_usd:.6f}"
        return replace(order, command=(*order.command, *flag, limit))

    async def _reserve(self, order: AttemptOrder) -> float | None:
        """Set money aside; returns what the attempt may come to."""
        while True:
            change = self._change
            answer = await self._ask(
                self.gate.reserve,
                token=order.token,
                run_id=order.run_id,
                task_id=order.task_id,
                agent=order.agent,
                model=order.model,
            )
            for notice in answer.notices:
                self._tell_once(notice)
            if answer.granted:
                self._agents[order.token] = order.agent
                if order.model:
                    self._models[order.token] = order.model
                return answer.room_usd
            if change is self._change:
                if not self._agents:
                    raise AttemptRefusedError(OVER_BUDGET, answer.reason)
                self._tell_once(f"task {order.task_id} waits: {answer.reason}")
                await change.wait()

    async def _ask(self, question: Callable[..., Answer], *given: object, **more: object) -> Answer:
        """Ask the gate without holding up the loop; once it has failed, nothing more is settled."""
        try:
            return await asyncio.to_thread(question, *given, **more)
        except Exception:
            self._broken = True
            raise

    def _tell_once(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            self.tell(message)

    async def _give_back(self, token: str) -> None:
        self._models.pop(token, None)
        if self._agents.pop(token, None) is not None:
            await self._ask(self.gate.release, token)
            self._announce_change()

    async def _settle(self, token: str, end: AttemptEnd) -> Reply | None:
        """Settle an ended attempt; one that never began gives its money back."""
        agent = self._agents.get(token)
        if agent is None or self._broken:
            return None
        if end.reason in ("voided", "exec_failed"):
            await self._give_back(token)
            return None
        reply = reply_of(end, self.backends[agent]) if agent in self.backends else None
        await self._ask(self.gate.settle, token, self._cost_usd(token, reply) if reply else None)
        self._agents.pop(token, None)
        self._models.pop(token, None)
        self._announce_change()
        return reply

    def _announce_change(self) -> None:
        self._change.set()
        self._change = asyncio.Event()

    def _cost_usd(self, token: str, reply: Reply) -> float | None:
        usage = self.prices.priced(reply.usage, reply.model or self._models.get(token))
        return usage.cost_usd if usage else None

    async def _watch(self, attempt: RunningAttempt) -> None:
        """End an attempt that tells to have passed the budget."""
        found = self.backends.get(self._agents.get(attempt.token, ""))
        backend = with_events(found) if found else None
        if backend is None or backend.dialect is None:
            return
        meter = Meter(backend.dialect, AttemptFolder(path=attempt.folder).stdout)
        known = 0.0
        while True:
            await asyncio.sleep(self.look_every_s)
            reply = await asyncio.to_thread(meter.read)
            spent_usd = (self._cost_usd(attempt.token, reply) if reply else None) or 0.0
            if spent_usd <= known:
                continue
            known = spent_usd
            try:
                answer = await self._ask(self.gate.observe, attempt.token, spent_usd)
            except BaseException:  # nobody watches over its money any more
                self.inner.cancel(attempt, at_once=False)
                raise
            for notice in answer.notices:
                self._tell_once(notice)
            if not answer.granted:
                self._refused[attempt.token] = answer.reason
                self.inner.cancel(attempt, at_once=False)
                return
