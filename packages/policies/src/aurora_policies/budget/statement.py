"""What the ledger tells about money."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["AgentSpending", "BudgetStatus", "Entry", "EntryState"]


class EntryState(StrEnum):
    """Where an attempt's money stands."""

    RESERVED = "reserved"
    SETTLED = "settled"
    RELEASED = "released"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One attempt's money.

    Attributes:
        token: the attempt's.
        model: None where the agent chose.
        at: Unix time of the reservation, whose month it counts in.
        cost_usd: None until it is settled.
        estimated: whether the cost is the reservation, because the agent did not tell.
    """

    token: str
    run_id: str
    task_id: str
    agent: str
    model: str | None
    at: float
    state: EntryState
    reserved_usd: float
    cost_usd: float | None
    estimated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpending:
    """What one agent has cost in a month."""

    agent: str
    attempts: int
    cost_usd: float
    estimated_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStatus:
    """How a month stands.

    Attributes:
        period: "2026-11", in UTC.
        consumed_usd: of settled attempts.
        reserved_usd: of attempts that are not settled.
        estimated_usd: the part of `consumed_usd` that nobody measured.
        total_entries: attempts that count.
    """

    period: str
    limit_usd: float
    consumed_usd: float
    reserved_usd: float
    estimated_usd: float
    warn_at_percent: float
    total_entries: int
    by_agent: tuple[AgentSpending, ...] = ()

    @property
    def remaining_usd(self) -> float:
        """What can still be reserved."""
        return max(0.0, self.limit_usd - self.consumed_usd - self.reserved_usd)

    @property
    def percent_consumed(self) -> float:
        """Of the limit; 100 where the limit is nothing."""
        return 100.0 * self.consumed_usd / self.limit_usd if self.limit_usd else 100.0

    @property
    def at_soft_limit(self) -> bool:
        """Whether is warned."""
        return self.percent_consumed >= self.warn_at_percent

    @property
    def at_hard_limit(self) -> bool:
        """Whether nothing is left to reserve."""
        return self.remaining_usd <= 0
