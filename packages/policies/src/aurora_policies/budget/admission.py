"""Decides what may be spent: pure functions of what is spent and reserved.

An attempt begins only if its reservation fits beside everything else.

One whose agent ends by itself at a limit is dealt a share of what is left, reserved in full. All shares and all that
is spent stay within the limit. The agent stops only after the call of its model that passes what it was told, so
it is told an allowance, which is less than the share by a margin. Only a call above the margin passes the share.

One that tells what it spends on the way keeps, beside what it has spent, its reservation as a margin for its next
step: as long as no step is larger than that, everything is reserved before it is spent, and all of it together never
exceeds the limit by more than one reservation. One that tells only at its end passes the limit by what it spends
beyond its reservation, and so does each that runs beside it.

Amounts are whole millionths of a dollar, so that sums are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_policies.schema import HardLimitAction

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aurora_policies.budget.limits import Limits

__all__ = [
    "MIN_MARGIN",
    "Grant",
    "LimitUsage",
    "admit",
    "admit_more",
    "limit_usages",
    "micros",
    "percentile_90",
    "plausible_cost",
    "usd",
]

MICROS: Final = 1_000_000
MAX_USD: Final = 1_000_000_000.0
"""Amounts beyond are taken for this; limits of nobody's reach it, and sums of it fit into the ledger."""
MAX_COST_USD: Final = 1_000_000.0
"""No attempt costs more; who tells so is not plausible_cost."""
MIN_MARGIN: Final = 10_000
"""A cent: the margin of an attempt whose reservation is smaller."""
MIN_MONTHLY_SHARES: Final = 10
"""A share is a tenth at most of what is left of a month, so that one run leaves something to the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The answer to a wish to spend.

    Attributes:
        reason: why not; "" where it is granted.
        notices: what the user should know all the same.
        reserved_usd: what is set aside for it.
        allowance_usd: what its agent is to be told that it may cost; None if it cannot be told or nothing limits it.
    """

    granted: bool
    reason: str = ""
    notices: tuple[str, ...] = ()
    reserved_usd: float = 0.0
    allowance_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitUsage:
    """One limit, and what others have of it.

    Attributes:
        name: in words, for example "the monthly budget".
        taken: spent and reserved by everybody else, in micros.
        expected: the same with what attempts that run are estimated to cost, and not the whole of their shares.
        limit: in micros.
        shares: how many share what is left.
    """

    name: str
    taken: int
    expected: int
    limit: int
    shares: int = 1

    @property
    def left(self) -> int:
        """What nobody has spent or reserved."""
        return max(0, self.limit - self.taken)


def micros(amount_usd: float) -> int:
    """Dollars as millionths, rounded up so that nothing is lost; at most `MAX_USD`."""
    return -int(-round(min(amount_usd, MAX_USD) * MICROS, 3) // 1)


def plausible_cost(cost_usd: float | None) -> int | None:
    """What an attempt is told to have cost, in micros; None where that is unknown, or cannot be."""
    return micros(cost_usd) if cost_usd is not None and 0 <= cost_usd <= MAX_COST_USD else None


def usd(amount: int) -> float:
    """Millionths as dollars."""
    return amount / MICROS


def limit_usages(
    limits: Limits, *, month: tuple[int, int], run: tuple[int, int], sharers: int = 1
) -> tuple[LimitUsage, ...]:
    """Returns the limits that apply to an attempt.

    Args:
        month: taken and expected of the month, by everybody else.
        run: the same of the run.
        sharers: attempts of the run that still want money, this one included.
    """
    monthly = LimitUsage(
        name="the monthly budget",
        taken=month[0],
        expected=month[1],
        limit=micros(limits.monthly_usd),
        shares=MIN_MONTHLY_SHARES,
    )
    if limits.per_run_usd is None:
        return (monthly,)
    of_run = LimitUsage(
        name="the budget of this run",
        taken=run[0],
        expected=run[1],
        limit=micros(limits.per_run_usd),
        shares=max(sharers, 1),
    )
    return monthly, of_run


def admit(amount: int, on: Sequence[LimitUsage], limits: Limits, *, step: int | None = None) -> Grant:
    """Decides whether an attempt may begin that is estimated to cost `amount`.

    Args:
        step: for an agent that ends by itself at its allowance, the most that one call of its model has cost; 0 where
            that is not known. None for other agents.
    """
    full = [each for each in on if each.taken + amount > each.limit or each.taken >= each.limit]
    if full and limits.hard_action is HardLimitAction.REJECT:
        return Grant(granted=False, reason=_does_not_fit(full[0], amount))
    notices = [_does_not_fit(each, amount) for each in full]
    notices += _warnings(amount, [each for each in on if each not in full], limits)
    if step is None or limits.hard_action is not HardLimitAction.REJECT:
        return Grant(granted=True, notices=tuple(notices), reserved_usd=usd(amount))
    share = max(amount, min(each.left // each.shares for each in on))
    # A session's calls grow, hence a quarter more than the dearest. While none is known: calls of one size, up to the
    # reservation, stay within the share.
    margin = step + step // 4 if step else min(amount, -(-share // 2))
    return Grant(
        granted=True,
        notices=tuple(notices),
        reserved_usd=usd(share),
        allowance_usd=usd(max(share - margin, 1)),
    )


def admit_more(
    spent: int, on: Sequence[LimitUsage], limits: Limits, *, reserved: int, first_reserved: int, has_share: bool
) -> Grant:
    """Decides whether an attempt that has spent so much may go on, and what is reserved for it from now on.

    Args:
        reserved: what is reserved for it now.
        first_reserved: what it was estimated to cost.
        has_share: whether its agent ends by itself, and `reserved` is its share.
    """
    passed = [each for each in on if each.taken + spent > each.limit]
    if passed and limits.hard_action is HardLimitAction.REJECT:
        if has_share and spent <= reserved:
            return Grant(granted=True, reserved_usd=usd(reserved))
        return Grant(granted=False, reason=_passed(passed[0], spent), reserved_usd=usd(spent))
    margin = 0 if has_share else max(first_reserved, MIN_MARGIN)
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


def _does_not_fit(scale: LimitUsage, amount: int) -> str:
    return (
        f"{scale.name} of {_shown(scale.limit)} has {_shown(scale.left)} left, and an attempt is estimated to cost "
        f"{_shown(amount)}"
    )


def _passed(scale: LimitUsage, spent: int) -> str:
    return (
        f"{scale.name} of {_shown(scale.limit)} is spent: {_shown(spent)} by this attempt, "
        f"{_shown(scale.taken)} spent or reserved by others"
    )


def _warnings(amount: int, on: Sequence[LimitUsage], limits: Limits) -> list[str]:
    near = [each for each in on if 100 * (each.expected + amount) >= limits.warn_at_percent * each.limit > 0]
    return [
        f"{scale.name} of {_shown(scale.limit)} is used to "
        f"{100 * (scale.expected + amount) / scale.limit:.0f} %, reservations included"
        for scale in near
    ]
