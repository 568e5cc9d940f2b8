"""The reports of the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["AgentSpending", "BudgetStatus", "Entry", "EntryState"]


class EntryState(StrEnum):
    """The state of an attempt's money."""

    RESERVED = "reserved"
    SETTLED = "settled"
    RELEASED = "released"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The ledger entry of an attempt.

    Attributes:
        token: token of the attempt.
        model: None if the agent chose the model.
        at: Unix time of the reservation; its month is the month that it counts in.
        cost_usd: None until it is settled.
        estimated: True if the cost is the reservation, because the agent did not report one.
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
    """The costs of one agent in a month."""

    agent: str
    attempts: int
    cost_usd: float
    estimated_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStatus:
    """The status of a month.

    Attributes:
        period: "2026-11", in UTC.
        consumed_usd: of settled attempts.
        reserved_usd: of unsettled attempts.
        estimated_usd: the part of `consumed_usd` that was not measured.
        total_entries: number of attempts that count.
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
        """The amount that can still be reserved."""
        return max(0.0, self.limit_usd - self.consumed_usd - self.reserved_usd)

    @property
    def percent_consumed(self) -> float:
        """The consumed share of the limit in per cent; 100 if the limit is 0."""
        return 100.0 * self.consumed_usd / self.limit_usd if self.limit_usd else 100.0

    @property
    def at_soft_limit(self) -> bool:
        """True if the warning threshold is reached."""
        return self.percent_consumed >= self.warn_at_percent

    @property
    def at_hard_limit(self) -> bool:
        """True if nothing is left to reserve."""
        return self.remaining_usd <= 0
