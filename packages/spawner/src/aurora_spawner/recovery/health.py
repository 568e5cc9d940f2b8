"""The health of an agent, in one word and with its reasons. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import TYPE_CHECKING, Any

from aurora_spawner.rate_limits.gate import GateState
from aurora_spawner.recovery.breaker import BreakerState

if TYPE_CHECKING:
    from aurora_spawner.rate_limits.gate import ProviderGate
    from aurora_spawner.recovery.breaker import CircuitBreaker
    from aurora_spawner.recovery.history import AgentHistory

SHAKY_RATE = 0.25
"""The share of failed attempts from which an agent counts as degraded."""


class Health(StrEnum):
    """The reliability of an agent at present."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentHealth:
    """The health of one agent."""

    agent: str
    health: Health
    reasons: tuple[str, ...] = ()
    failures_per_min: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        return {
            "agent": self.agent,
            "health": str(self.health),
            "reasons": list(self.reasons),
            "failures_per_min": self.failures_per_min,
        }


def health_of(
    agent: str,
    now: float,
    *,
    breaker: CircuitBreaker | None = None,
    gate: ProviderGate | None = None,
    history: AgentHistory | None = None,
) -> AgentHealth:
    """Judges the health of an agent by its breaker, its provider and its history; times are Unix times."""
    down: list[str] = []
    shaky: list[str] = []
    if breaker is not None and breaker.state is not BreakerState.CLOSED:
        rests = breaker.state is BreakerState.OPEN and not breaker.would_allow(now)
        (down if rests else shaky).append(breaker.describe(now))
    elif breaker is not None and not breaker.clear:
        shaky.append(f"{len(breaker.failures)} failures since its last success")
    if gate is not None and gate.state is GateState.STOPPED:
        down.append(gate.reason)
    elif gate is not None and gate.pauses(now):
        down.append(f"its provider is paused for another {ceil(gate.until - now)} s: {gate.reason}")
    elif gate is not None and gate.state is GateState.PAUSED:
        shaky.append(f"its provider's pause is over, the next attempt probes: {gate.reason}")
    elif gate is not None and gate.state is not GateState.OPEN:
        shaky.append(gate.describe())
    if history is not None and history.failure_rate >= SHAKY_RATE and history.attempts >= 4:
        shaky.append(f"{history.failed} of its last {history.attempts} attempts failed")
    health = Health.UNAVAILABLE if down else Health.DEGRADED if shaky else Health.HEALTHY
    velocity = breaker.velocity_per_min(now) if breaker else 0.0
    return AgentHealth(agent=agent, health=health, reasons=(*down, *shaky), failures_per_min=velocity)
