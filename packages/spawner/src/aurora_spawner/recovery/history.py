"""What an agent did in earlier runs, and what follows from it: usual durations, a fitting policy. Pure."""

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
"""From which a policy is chosen."""
RELIABLE: Final = 0.05
"""Share of failures below which nothing needs to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentHistory:
    """The attempts of one agent, the newest few hundred."""

    agent: str
    durations_s: tuple[float, ...] = ()
    """Of those that succeeded."""
    failures: Mapping[ErrorCategory, int] = field(default_factory=dict)
    """How many failed, by what kind."""

    @property
    def attempts(self) -> int:
        """How many are known."""
        return len(self.durations_s) + self.failed

    @property
    def failed(self) -> int:
        """How many of them failed."""
        return sum(self.failures.values())

    @property
    def failure_rate(self) -> float:
        """Share of failed ones; 0 where none is known."""
        return self.failed / self.attempts if self.attempts else 0.0

    @property
    def usual_p95_s(self) -> float | None:
        """How long 95 of 100 successful attempts take at most; None where too few are known."""
        return percentile(self.durations_s, 0.95) if len(self.durations_s) >= ENOUGH_HISTORY else None

    def share(self, *categories: ErrorCategory) -> float:
        """Of its failures, those of these kinds."""
        return sum(self.failures.get(each, 0) for each in categories) / self.failed if self.failed else 0.0


def preset_for(history: AgentHistory) -> tuple[str, str] | None:
    """The preset that an agent's history asks for and why; None leaves its policy as it is.

    Who mostly fails for good is not asked again; who fails because others are busy is given time; who fails by
    chance is asked again quickly.
    """
    if history.attempts < ENOUGH_ATTEMPTS or history.failure_rate < RELIABLE:
        return None
    told = f"{history.failed} of its last {history.attempts} attempts failed"
    if history.share(ErrorCategory.PERMANENT) >= 0.5:
        return "fast_fallback", f"{told}, most of them for good"
    if history.share(ErrorCategory.RESOURCE, ErrorCategory.TIMEOUT) >= 0.5:
        return "patient", f"{told}, most of them for lack of time or resources"
    if history.failure_rate <= 0.5:
        return "patient" if history.share(ErrorCategory.TRANSIENT) < 0.5 else "aggressive_retry", told
    return "fast_fallback", told


def adapted(policy: RecoveryPolicy, history: AgentHistory) -> RecoveryPolicy:
    """The policy for an agent with that history: its retries and waits are the fitting preset's.

    What the policy forbids stays forbidden: no fallback where it has none.
    """
    choice = preset_for(history) if policy.adaptive else None
    if choice is None:
        return policy
    waits = ("max_retries", "base_delay", "max_delay", "backoff_factor")
    changes: dict[str, Any] = {name: value for name, value in PRESETS[choice[0]].items() if name in waits}
    return policy.changed(changes) if policy.strategy.retries else policy


def hedge_delay_s(policy: RecoveryPolicy, history: AgentHistory, *, critical: bool) -> float | None:
    """When a second attempt begins beside the first, in seconds from its start; None for never."""
    usual = history.usual_p95_s
    if policy.hedge_after is None or not critical or usual is None:
        return None
    return usual * policy.hedge_after
