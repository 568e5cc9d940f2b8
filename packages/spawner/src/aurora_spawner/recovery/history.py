"""The history of an agent in earlier runs, its usual durations and the preset that fits it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.classification.causes import ErrorCategory
from aurora_spawner.recovery.policy import PRESETS
from aurora_spawner.recovery.timeouts import ENOUGH_HISTORY, percentile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_spawner.recovery.policy import RecoveryPolicy

ENOUGH_ATTEMPTS: Final = 20
"""The number of attempts from which a preset is chosen."""
RELIABLE: Final = 0.05
"""The share of failures below which the policy stays unchanged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentHistory:
    """The newest attempts of one agent."""

    agent: str
    durations_s: tuple[float, ...] = ()
    """The durations of its successful attempts."""
    failures: Mapping[ErrorCategory, int] = field(default_factory=dict)
    """The number of failed attempts, by category."""

    @property
    def attempts(self) -> int:
        """Number of known attempts."""
        return len(self.durations_s) + self.failed

    @property
    def failed(self) -> int:
        """Number of failed attempts."""
        return sum(self.failures.values())

    @property
    def failure_rate(self) -> float:
        """Share of failed attempts; 0 if no attempt is known."""
        return self.failed / self.attempts if self.attempts else 0.0

    @property
    def usual_p95_s(self) -> float | None:
        """The 95th percentile of successful durations; None if too few are known."""
        return percentile(self.durations_s, 0.95) if len(self.durations_s) >= ENOUGH_HISTORY else None

    def share(self, *categories: ErrorCategory) -> float:
        """Returns the share of its failures that are of some categories."""
        return sum(self.failures.get(each, 0) for each in categories) / self.failed if self.failed else 0.0


def preset_for(history: AgentHistory) -> tuple[str, str] | None:
    """Returns the preset that fits an agent's history, with the reason; None leaves its policy unchanged.

    Permanent failures call for fallbacks, failures for lack of time or resources for patience, and occasional
    transient failures for quick retries.
    """
    if history.attempts < ENOUGH_ATTEMPTS or history.failure_rate < RELIABLE:
        return None
    reason = f"{history.failed} of its last {history.attempts} attempts failed"
    if history.share(ErrorCategory.PERMANENT) >= 0.5:
        return "fast_fallback", f"{reason}, most of them permanently"
    if history.share(ErrorCategory.RESOURCE, ErrorCategory.TIMEOUT) >= 0.5:
        return "patient", f"{reason}, most of them for lack of time or resources"
    if history.failure_rate <= 0.5:
        return "patient" if history.share(ErrorCategory.TRANSIENT) < 0.5 else "aggressive_retry", reason
    return "fast_fallback", reason


def adapted(policy: RecoveryPolicy, history: AgentHistory) -> RecoveryPolicy:
    """Returns an adaptive policy with the retries and waits of the preset that fits an agent's history.

    A policy without retries stays without them.
    """
    choice = preset_for(history) if policy.adaptive else None
    if choice is None:
        return policy
    waits = ("max_retries", "base_delay", "max_delay", "backoff_factor")
    changes: dict[str, Any] = {name: value for name, value in PRESETS[choice[0]].items() if name in waits}
    return policy.changed(changes) if policy.strategy.retries else policy


def hedge_delay_s(policy: RecoveryPolicy, history: AgentHistory, *, critical: bool) -> float | None:
    """Returns the seconds from the start of an attempt to a hedge beside it; None for no hedge."""
    usual = history.usual_p95_s
    if policy.hedge_after is None or not critical or usual is None:
        return None
    return usual * policy.hedge_after
