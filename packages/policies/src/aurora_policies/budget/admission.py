"""Whether money may be spent: pure decisions over what is spent and reserved.

An attempt begins only if its reservation fits beside everything else. One that tells what it costs only at its end
passes the limit by what it spends beyond its reservation, and so does each that runs beside it. One that tells on the
way keeps, beside what it has spent, its reservation as a margin for its next step: as long as no step is larger than
that, everything is reserved before it is spent, and all of it together never exceeds the limit by more than one
reservation.

Amounts are whole millionths of a dollar, so that sums are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_policies.schema import HardLimitAction

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aurora_policies.budget.limits import Limits

__all__ = ["Grant", "Scale", "admit", "believed", "go_on", "micros", "percentile_90", "scales", "usd"]

MICROS: Final = 1_000_000
MOST_USD: Final = 1_000_000_000.0
"""Amounts beyond are taken for this; limits of nobody's reach it, and sums of it fit into the ledger."""
MOST_COST_USD: Final = 1_000_000.0
"""No attempt costs more; who tells so is not believed."""
LEAST_MARGIN: Final = 10_000
"""A cent: the margin of an attempt whose reservation is smaller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The answer to a wish to spend.

    Attributes:
        reason: why not; "" where it is granted.
        notices: what the user should know all the same.
        reserved_usd: what is set aside for it.
        room_usd: what it may come to at most, as things stand; None where that is not limited.
    """

    granted: bool
    reason: str = ""
    notices: tuple[str, ...] = ()
    reserved_usd: float = 0.0
    room_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """One limit, and what others have of it.

    Attributes:
        name: in words, for example "the monthly budget".
        taken: spent and reserved by everybody else, in micros.
        limit: in micros.
    """

    name: str
    taken: int
    limit: int


def micros(amount_usd: float) -> int:
    """Dollars as millionths, rounded up so that nothing is lost; at most `MOST_USD`."""
    return -int(-round(min(amount_usd, MOST_USD) * MICROS, 3) // 1)


def believed(cost_usd: float | None) -> int | None:
    """What an attempt is told to have cost, in micros; None where that is unknown, or cannot be."""
    return micros(cost_usd) if cost_usd is not None and 0 <= cost_usd <= MOST_COST_USD else None


def usd(amount: int) -> float:
    """Millionths as dollars."""
    return amount / MICROS


def scales(limits: Limits, *, month_taken: int, run_taken: int) -> tuple[Scale, ...]:
    """The limits that apply to an attempt."""
    monthly = Scale(name="the monthly budget", taken=month_taken, limit=micros(limits.monthly_usd))
    if limits.per_run_usd is None:
        return (monthly,)
    return monthly, Scale(name="the budget of this run", taken=run_taken, limit=micros(limits.per_run_usd))


def admit(amount: int, on: Sequence[Scale], limits: Limits) -> Grant:
    """Whether an attempt may begin that is taken to cost `amount`."""
    full = [each for each in on if each.taken + amount > each.limit or each.taken >= each.limit]
    if full and limits.hard_action is HardLimitAction.REJECT:
        return Grant(granted=False, reason=_does_not_fit(full[0], amount))
    notices = [_does_not_fit(each, amount) for each in full]
    notices += _warnings(amount, [each for each in on if each not in full], limits)
    room = min(each.limit - each.taken for each in on) if limits.hard_action is HardLimitAction.REJECT else None
    return Grant(
        granted=True,
        notices=tuple(notices),
        reserved_usd=usd(amount),
        room_usd=None if room is None else usd(room),
    )


def go_on(spent: int, first_reserved: int, on: Sequence[Scale], limits: Limits) -> Grant:
    """Whether an attempt that has spent so much may go on; if so, what is to be reserved for it from now on."""
    passed = [each for each in on if each.taken + spent > each.limit]
    if passed and limits.hard_action is HardLimitAction.REJECT:
        return Grant(granted=False, reason=_passed(passed[0], spent), reserved_usd=usd(spent))
    margin = max(first_reserved, LEAST_MARGIN)
    return Grant(
        granted=True, notices=tuple(_passed(each, spent) for each in passed), reserved_usd=usd(spent + margin)
    )


def percentile_90(costs: Iterable[int]) -> int:
    """The smallest of some costs that nine of ten do not exceed (nearest rank)."""
    ordered = sorted(costs)
    return ordered[-(-9 * len(ordered) // 10) - 1]


def _shown(amount: int) -> str:
    """Whole cents, and four digits of less than one."""
    return f"{usd(amount):.4f} USD" if 0 < amount < MICROS // 100 else f"{usd(amount):.2f} USD"


def _does_not_fit(scale: Scale, amount: int) -> str:
    left = max(0, scale.limit - scale.taken)
    return (
        f"{scale.name} of {_shown(scale.limit)} has {_shown(left)} left, and an attempt is taken to cost "
        f"{_shown(amount)}"
    )


def _passed(scale: Scale, spent: int) -> str:
    return (
        f"{scale.name} of {_shown(scale.limit)} is spent: {_shown(spent)} by this attempt, "
        f"{_shown(scale.taken)} spent or reserved by others"
    )


def _warnings(amount: int, on: Sequence[Scale], limits: Limits) -> list[str]:
    near = [each for each in on if 100 * (each.taken + amount) >= limits.warn_at_percent * each.limit > 0]
    return [
        f"{scale.name} of {_shown(scale.limit)} is used to "
        f"{100 * (scale.taken + amount) / scale.limit:.0f} %, reservations included"
        for scale in near
    ]
