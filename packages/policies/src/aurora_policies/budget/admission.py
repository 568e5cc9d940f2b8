"""Decides what may be spent: pure functions of the spent and reserved amounts.

An attempt starts only if its reservation fits beside all other spending and reservations.

An agent that stops by itself at a limit gets a share of what is left, reserved in full. All shares and all spending
stay within the limit. The agent stops only after the model call that exceeds the amount it was given. So it is given
an allowance, which is less than the share by a margin. Only a call above the margin exceeds the share.

An agent that reports its spending while it runs keeps its reservation beside what it has spent, as a margin for its
next step. As long as no step costs more than that, everything is reserved before it is spent, and all of it together
never exceeds the limit by more than one reservation. An agent that reports only at its end exceeds the limit by what
it spends beyond its reservation, and so does each that runs beside it.

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
"""Larger amounts count as this; no real limit reaches it, and sums of it fit into the ledger."""
MAX_COST_USD: Final = 1_000_000.0
"""A higher reported cost of one attempt is impossible and ignored."""
MIN_MARGIN: Final = 10_000
"""A cent: the margin of an attempt with a smaller reservation."""
MIN_MONTHLY_SHARES: Final = 10
"""A share is at most a tenth of what is left of a month, so that one run leaves money for the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The answer to a request for money.

    Attributes:
        reason: why it is refused; "" if it is granted.
        notices: warnings for the user.
        reserved_usd: amount reserved for it.
        allowance_usd: amount that its agent may be told to spend; None if it cannot be told or nothing limits it.
    """

    granted: bool
    reason: str = ""
    notices: tuple[str, ...] = ()
    reserved_usd: float = 0.0
    allowance_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitUsage:
    """A limit, and how much of it other attempts use.

    Attributes:
        name: in words, for example "the monthly budget".
        taken: spent and reserved by all other attempts, in micros.
        expected: like `taken`, with the estimated cost of running attempts instead of their whole shares.
        limit: in micros.
        shares: number of attempts that share what is left.
    """

    name: str
    taken: int
    expected: int
    limit: int
    shares: int = 1

    @property
    def left(self) -> int:
        """The amount that is neither spent nor reserved."""
        return max(0, self.limit - self.taken)


def micros(amount_usd: float) -> int:
    """Returns dollars as millionths, rounded up so that nothing is lost; at most `MAX_USD`."""
    return -int(-round(min(amount_usd, MAX_USD) * MICROS, 3) // 1)


def plausible_cost(cost_usd: float | None) -> int | None:
    """Returns the reported cost of an attempt in micros; None if it is unknown or impossible."""
    return micros(cost_usd) if cost_usd is not None and 0 <= cost_usd <= MAX_COST_USD else None


def usd(amount: int) -> float:
    """Returns millionths as dollars."""
    return amount / MICROS


def limit_usages(
    limits: Limits, *, month: tuple[int, int], run: tuple[int, int], sharers: int = 1
) -> tuple[LimitUsage, ...]:
    """Returns the limits that apply to an attempt.

    Args:
        month: taken and expected of the month, by all other attempts.
        run: taken and expected of the run, by all other attempts.
        sharers: attempts of the run that still need money, this one included.
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
    """Decides if an attempt with an estimated cost of `amount` may start.

    Args:
        step: for an agent that stops by itself at its allowance, the highest known cost of one model call, 0 if
            unknown. None for other agents.
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
    """Decides if an attempt that has spent an amount may continue, and what is reserved for it from now on.

    Args:
        reserved: its current reservation.
        first_reserved: its estimated cost.
        has_share: True if its agent stops by itself, and `reserved` is its share.
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
    """Returns the smallest of some costs that 90 % do not exceed (nearest rank)."""
    ordered = sorted(costs)
    return ordered[-(-9 * len(ordered) // 10) - 1]


def _shown(amount: int) -> str:
    """Returns an amount in whole cents, or with four digits if it is less than a cent."""
    return f"${usd(amount):.4f}" if 0 < amount < MICROS // 100 else f"${usd(amount):.2f}"


def _does_not_fit(use: LimitUsage, amount: int) -> str:
    return (
        f"{use.name} of {_shown(use.limit)} has {_shown(use.left)} left, and an attempt is estimated at "
        f"{_shown(amount)}"
    )


def _passed(use: LimitUsage, spent: int) -> str:
    return (
        f"{use.name} of {_shown(use.limit)} is spent: {_shown(spent)} by this attempt, "
        f"{_shown(use.taken)} spent or reserved by others"
    )


def _warnings(amount: int, on: Sequence[LimitUsage], limits: Limits) -> list[str]:
    near = [each for each in on if 100 * (each.expected + amount) >= limits.warn_at_percent * each.limit > 0]
    return [
        f"{use.name} of {_shown(use.limit)} is at "
        f"{100 * (use.expected + amount) / use.limit:.0f} %, reservations included"
        for use in near
    ]
