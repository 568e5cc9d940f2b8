"""Attempts within a budget: money is reserved before one starts, watched while it runs, settled at its end.

It wraps another executor. Attempts of agents that cost nothing pass through.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeVar

from aurora_spawner.attempts.attempt_folder import AttemptFolder
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptRefusedError, RunningAttempt, WrappingExecutor
from aurora_spawner.backends.base import with_events
from aurora_spawner.backends.replies import ReadEnd, read_end
from aurora_spawner.backends.sessions import read_session_record
from aurora_spawner.spending.budget_port import BudgetAwayError
from aurora_spawner.spending.costing import Costing
from aurora_spawner.spending.meter import UsageMeter
from aurora_spawner.spending.prices import PriceTable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from aurora_spawner.attempts.executor import AttemptOrder
    from aurora_spawner.attempts.process_identity import ProcessIdentity
    from aurora_spawner.backends.base import Backend, Reply
    from aurora_spawner.spending.budget_port import BudgetGate
    from aurora_spawner.spending.costing import Cost

Answer = TypeVar("Answer")

STOPPED_ITSELF: Final = "error_max_budget_usd"
"""The code that an agent reports when it has reached the limit that it was given."""
LOOK_EVERY_S: Final = 1.0
"""Seconds between two readings of what a running attempt has spent."""
_AMOUNT: Final = re.compile(r"\d+(?:\.\d+)?")


@dataclass(slots=True, kw_only=True)
class _Reservation:
    """An attempt that money is reserved for."""

    agent: str
    model: str | None
    """The model that it was asked to use; for agents that do not report which one they used."""
    refused: AttemptRefusedError | None = None
    """The reason for which its money has ended it."""


@dataclass(slots=True, kw_only=True)
class BudgetedExecutor(WrappingExecutor):
    """Starts an attempt only if money is reserved for it.

    An attempt that does not fit waits while others of this run may give money back, and ends as `over_budget` where
    none does. An agent that accepts a limit gets the allowance of its share; any other is ended when
    its reported cost exceeds the budget. Both end as `share_spent`: their session may continue with another share.
    """

    gate: BudgetGate
    backends: Mapping[str, Backend]
    resumes: str | None = None
    """The run whose attempts may be adopted."""
    free: frozenset[str] = frozenset()
    """Agents that cost nothing."""
    prices: PriceTable = field(default_factory=PriceTable)
    """For agents that report tokens but no cost."""
    refuse_unpriced: bool = False
    """True refuses an agent whose spending cannot be watched; otherwise its reservation counts as its cost."""
    tell: Callable[[str], None] = lambda _message: None
    """Called with each thing that the user should know, once."""
    look_every_s: float = LOOK_EVERY_S
    on_close: Callable[[], None] = lambda: None
    """Called at the end of the run, for a gate that holds something open."""
    _reserved: dict[str, _Reservation] = field(default_factory=dict)
    """By token; an executor knows attempts, not tasks."""
    _notified: set[str] = field(default_factory=set)
    _change: asyncio.Event = field(default_factory=asyncio.Event)
    """Set and replaced whenever money is given back."""
    _broken: bool = False
    """The gate has failed: what is reserved stays reserved until the run is resumed."""

    async def start(self, order: AttemptOrder) -> RunningAttempt:
        """Reserves money, then starts the attempt.

        Raises:
            AttemptRefusedError: It does not fit, and nothing that runs here can change that.
        """
        if order.agent not in self.free:
            self._check_price(order)
            order = self._with_allowance(order, await self._reserve(order))
        try:
            return await self.inner.start(order)
        except BaseException:
            await self._give_back(order.token)
            raise

    async def collect(self, attempt: RunningAttempt) -> AttemptEnd:
        """Waits for the end, then settles the reservation."""
        watching = asyncio.ensure_future(self._watch(attempt))
        try:
            end = await self.inner.collect(attempt)
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        return await self._settled(attempt.token, attempt.folder, end)

    async def adopt(
        self, *, token: str, folder: Path, supervisor: ProcessIdentity | None
    ) -> RunningAttempt | AttemptEnd:
        """Takes over an attempt with its reservation; settles one that has ended meanwhile."""
        found = await self.inner.adopt(token=token, folder=folder, supervisor=supervisor)
        if self.resumes is not None:
            left = await self._ask(self.gate.open_reservations, self.resumes)
            if token in left:
                model = getattr(self.backends.get(left[token]), "model", None)
                self._reserved[token] = _Reservation(agent=left[token], model=model)
        if not isinstance(found, AttemptEnd):
            return found
        if token in self._reserved:
            return await self._settled(token, folder, found)
        return self._settled_before(folder, found)

    def close(self) -> None:
        """Closes the gate and the wrapped executor."""
        self.on_close()
        self.inner.close()

    # Before an attempt.

    def _costing(self) -> Costing:
        return Costing(backends=self.backends, prices=self.prices)

    def _check_price(self, order: AttemptOrder) -> None:
        """Refuses an agent whose spending cannot be watched, or reports it.

        Raises:
            AttemptRefusedError: It may not run without a price.
        """
        self._notify_if_assumed(order.agent, order.model)
        why = self._costing().unpriced_reason(order.agent, order.model)
        if why is None:
            return
        if self.refuse_unpriced:
            raise AttemptRefusedError(EndReason.OVER_BUDGET, why)
        self._notify_once(f"{why}; its reservation counts as its cost")

    def _with_allowance(self, order: AttemptOrder, allowance_usd: float | None) -> AttemptOrder:
        """Returns the order, with a limit for an agent that accepts one and then ends by itself.

        An agent obeys the last of two limits, so a lower one of the user's own stays as it is. The limit is for what
        the process spends, not for what the session has cost before.
        """
        flag = _cost_flag(self.backends.get(order.agent))
        own_usd = _own_limit(order.command, flag)
        if not flag or allowance_usd is None or (own_usd is not None and own_usd <= allowance_usd):
            return order
        return replace(order, command=(*order.command, *flag, f"{allowance_usd:.6f}"), allowance_usd=allowance_usd)

    async def _reserve(self, order: AttemptOrder) -> float | None:
        """Reserves money; returns the allowance that its agent is to get."""
        shares = bool(_cost_flag(self.backends.get(order.agent)))
        while True:
            change = self._change
            try:
                answer = await self._ask(
                    self.gate.reserve,
                    token=order.token,
                    run_id=order.run_id,
                    task_id=order.task_id,
                    agent=order.agent,
                    model=order.model,
                    sharers=max(1, order.open_tasks - len(self._reserved)) if shares else 0,
                    continues_session=order.resumes is not None,
                )
            except BudgetAwayError as error:
                self._notify_once(
                    f"task {order.task_id} waits, as does every other that costs money: {error}", about="away"
                )
                await asyncio.sleep(self.look_every_s)
                continue
            for notice in answer.notices:
                self._notify_once(notice)
            if answer.granted:
                self._reserved[order.token] = _Reservation(agent=order.agent, model=order.model)
                return answer.allowance_usd
            if change is self._change:
                if not self._reserved:
                    raise AttemptRefusedError(EndReason.OVER_BUDGET, answer.reason)
                self._notify_once(
                    f"task {order.task_id} waits until another gives money back: {answer.reason}; further waiting "
                    "tasks are not reported",
                    about="waits",
                )
                await change.wait()

    async def _ask(self, question: Callable[..., Answer], *given: object, **more: object) -> Answer:
        """Asks the gate without holding up the loop; once it has failed, nothing more is settled."""
        try:
            return await asyncio.to_thread(question, *given, **more)
        except BudgetAwayError:
            raise
        except Exception:
            self._broken = True
            raise

    def _notify_once(self, message: str, *, about: str | None = None) -> None:
        """Passes a message on, unless one like it was passed on before: amounts are not compared."""
        about = about or _AMOUNT.sub("", message)
        if about not in self._notified:
            self._notified.add(about)
            self.tell(message)

    # After an attempt.

    async def _give_back(self, token: str) -> None:
        if self._reserved.pop(token, None) is not None:
            await self._ask(self.gate.release, token)
            self._announce_change()

    async def _settled(self, token: str, folder: Path, end: AttemptEnd) -> AttemptEnd:
        """Settles an ended attempt, or releases its money if it never began; returns its end in budget terms."""
        reserved = self._reserved.get(token)
        if reserved is None or self._broken:
            return end
        if end.reason in (EndReason.VOIDED, EndReason.EXEC_FAILED):
            await self._give_back(token)
            return end
        backend = self.backends.get(reserved.agent)
        if backend is None:
            await self._settle(token, reserved, None, folder)
            return end
        read = read_end(end, backend)
        await self._settle(token, reserved, read.reply, folder)
        return _in_budget_terms(read, backend, reserved.refused)

    def _settled_before(self, folder: Path, end: AttemptEnd) -> AttemptEnd:
        """Returns the end, in budget terms, of an attempt that was settled when its coordinator had died."""
        memo = read_session_record(folder)
        backend = self.backends.get(memo.agent) if memo and end.reason == EndReason.EXITED else None
        return _in_budget_terms(read_end(end, backend), backend, None) if backend else end

    async def _settle(self, token: str, reserved: _Reservation, reply: Reply | None, folder: Path) -> None:
        cost = self._cost(reserved, reply)
        meter = self._meter(reserved, folder)
        if meter and (cost is None or cost.assumed or _cost_flag(self.backends.get(reserved.agent))):
            await self._look(token, reserved, meter)  # what came after the last look
        await self._ask(self.gate.settle, token, None if cost is None or cost.assumed else cost.usd)
        del self._reserved[token]
        self._announce_change()

    def _announce_change(self) -> None:
        self._change.set()
        self._change = asyncio.Event()

    def _cost(self, reserved: _Reservation, reply: Reply | None) -> Cost | None:
        if reply is None:
            return None
        return self._costing().cost(reserved.agent, reply.usage, reply.model or reserved.model)

    # While it runs.

    def _meter(self, reserved: _Reservation, folder: Path) -> UsageMeter | None:
        found = self.backends.get(reserved.agent)
        backend = with_events(found) if found else None
        if backend is None or backend.dialect is None:
            return None
        return UsageMeter(backend.dialect, AttemptFolder(path=folder).stdout)

    async def _watch(self, attempt: RunningAttempt) -> None:
        """Ends an attempt that reports having spent more than it may."""
        reserved = self._reserved.get(attempt.token)
        meter = self._meter(reserved, attempt.folder) if reserved else None
        if reserved is None or meter is None:
            return
        known = 0.0
        while True:
            await asyncio.sleep(self.look_every_s)
            try:
                known, refused = await self._look(attempt.token, reserved, meter, known)
            except BaseException:  # its spending is no longer watched
                self.inner.cancel(attempt, at_once=False)
                raise
            if refused:
                reserved.refused = refused
                self.inner.cancel(attempt, at_once=False)
                return

    async def _look(
        self, token: str, reserved: _Reservation, meter: UsageMeter, known: float = 0.0
    ) -> tuple[float, AttemptRefusedError | None]:
        """Reads what an attempt has spent by now and tells the gate; returns that, and why it is to be ended."""
        try:
            reply = await asyncio.to_thread(meter.read)
        except OSError as error:
            why = f"what it spends cannot be watched: {error.filename}: {error.strerror}"
            return known, AttemptRefusedError(EndReason.OVER_BUDGET, why)
        if reply is None or reply.usage is None:
            return known, None
        model = reply.model or reserved.model
        cost = self._cost(reserved, reply)
        if cost is None:
            return known, self._without_price(reserved, model)
        self._notify_if_assumed(reserved.agent, model)
        if cost.usd <= known:
            return known, None
        answer = await self._ask(self.gate.observe, token, cost.usd, self._step_usd(reserved, model, meter, cost))
        for notice in answer.notices:
            self._notify_once(notice)
        return cost.usd, None if answer.granted else AttemptRefusedError(EndReason.SHARE_SPENT, answer.reason)

    def _without_price(self, reserved: _Reservation, model: str | None) -> AttemptRefusedError | None:
        why = self._costing().no_price_message(reserved.agent, model)
        if self.refuse_unpriced:
            return AttemptRefusedError(EndReason.OVER_BUDGET, why)
        self._notify_once(f"{why}; its reservation counts as its cost")
        return None

    def _step_usd(self, reserved: _Reservation, model: str | None, meter: UsageMeter, cost: Cost) -> float:
        """The dearest call so far; where the agent itself tells what all of them cost, in proportion to that."""
        costing = self._costing()
        calls = [found.usd for each in meter.calls if (found := costing.cost(reserved.agent, each, model))]
        if not calls:
            return 0.0
        told = 1.0 if cost.assumed else min(1.0, cost.usd / (sum(calls) or 1.0))
        return max(calls) * told

    def _notify_if_assumed(self, agent: str, model: str | None) -> None:
        """Reports how the spending of a model without a price is watched."""
        costing = self._costing()
        seller = self.prices.highest_price(model, costing.provider(agent))
        if model and seller and self.prices.price_of(model) is None:
            self._notify_once(
                f"{model} has no price: what it spends is watched at the dearest prices of {seller.provider} until "
                "~/.config/aurora/prices.yaml has its own",
                about=f"price of {model}",
            )


def _in_budget_terms(end: ReadEnd, backend: Backend, refused: AttemptRefusedError | None) -> ReadEnd:
    """Returns the end of an attempt, with money as its reason if that was it."""
    reply = end.reply
    if reply.reported and reply.reported.code == STOPPED_ITSELF:
        return _at_its_limit(end, backend)
    if refused is None or end.reason != EndReason.CANCELLED:
        return end
    if reply.finished and end.exit_code == 0:  # it was done before it could be ended
        return replace(end, reason=EndReason.EXITED)
    return replace(end, reason=refused.reason, stderr=str(refused))


def _at_its_limit(end: ReadEnd, backend: Backend) -> ReadEnd:
    """Returns the end of an attempt that stopped at a limit: its allowance, or one that the user gave it."""
    flag, reply = _cost_flag(backend), end.reply
    own_usd = _own_limit((*getattr(backend, "command", ()), *getattr(backend, "args", ())), flag)
    cost_usd = reply.usage.cost_usd if reply.usage else None
    if own_usd is not None and (cost_usd is None or cost_usd >= own_usd):
        return replace(
            end, reason=EndReason.OVER_BUDGET, stderr=f"it has cost the {own_usd} USD of its own {flag[0]}"
        )
    cost = "" if cost_usd is None else f", {cost_usd:.4f} USD"
    return replace(end, reason=EndReason.SHARE_SPENT, stderr=f"it has spent its share of the budget{cost}")


def _cost_flag(backend: Backend | None) -> tuple[str, ...]:
    """Returns the arguments before the limit in US dollars; none for an agent that takes no limit."""
    flag: tuple[str, ...] = getattr(backend, "cost_flag", ())
    return flag


def _own_limit(command: Sequence[str], flag: tuple[str, ...]) -> float | None:
    """The limit that the user has put into a command; None if there is none that can be read."""
    found = None
    for place, word in enumerate(command):
        name, equals, value = word.partition("=")
        if flag and name == flag[0]:
            with suppress(ValueError, IndexError):
                found = float(value if equals else command[place + 1])
    return found
