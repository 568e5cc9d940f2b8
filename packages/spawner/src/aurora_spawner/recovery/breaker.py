"""The circuit breaker of one agent: closed, open after failures in a row, half-open for one trial. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import ceil
from typing import TYPE_CHECKING, Any, Final, Self

from aurora_spawner.recovery.policy_parts import BreakerPolicy
from aurora_spawner.storage.stored_values import read_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

TRIAL_LIMIT_S: Final = 3_600.0
"""A trial without a result for this long is lost, and another attempt may be the trial."""
KEPT_FAILURES: Final = 100
"""The number of failures whose times are kept."""


class BreakerState(StrEnum):
    """The states of a circuit breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitBreaker:
    """The circuit breaker of one agent; every change gives a new value. Times are Unix times."""

    agent: str
    policy: BreakerPolicy = field(default_factory=BreakerPolicy)
    adhoc: bool = False
    """True for an agent generated for one run, which has a higher threshold."""
    state: BreakerState = BreakerState.CLOSED
    failures: tuple[float, ...] = ()
    """The times of its failures since its last success."""
    opened_at: float | None = None
    trial_since: float | None = None
    """The time at which the one trial of a half-open breaker was granted."""

    @property
    def clear(self) -> bool:
        """True if the breaker is closed and the agent has no failures."""
        return self.state is BreakerState.CLOSED and not self.failures

    @property
    def threshold(self) -> int:
        """Number of failures that open it."""
        return self.policy.adhoc_failure_threshold if self.adhoc else self.policy.failure_threshold

    def ask(self, now: float) -> tuple[bool, CircuitBreaker]:
        """Returns True if an attempt may start, and the breaker after it; a half-open breaker grants one trial."""
        if self.state is BreakerState.CLOSED:
            return True, self
        if self.state is BreakerState.HALF_OPEN:
            if self.trial_since is not None and now - self.trial_since < TRIAL_LIMIT_S:
                return False, self
            return True, replace(self, trial_since=now)
        if now < self.opens_until:
            return False, self
        return True, replace(self, state=BreakerState.HALF_OPEN, trial_since=now)

    def would_allow(self, now: float) -> bool:
        """Returns the answer of `ask` without taking the trial."""
        return self.ask(now)[0]

    def describe(self, now: float) -> str:
        """Describes the breaker in words; empty for a closed one."""
        if self.state is BreakerState.CLOSED:
            return ""
        if self.would_allow(now):
            return "its circuit is half open: the next task is a trial"
        if self.state is BreakerState.HALF_OPEN:
            return "its circuit is half open: a trial is running"
        return f"its circuit is open for another {ceil(self.opens_until - now)} s"

    @property
    def opens_until(self) -> float:
        """Time from which an open breaker grants a trial; 0 for a breaker that is not open."""
        return 0.0 if self.opened_at is None else self.opened_at + self.policy.reset_timeout

    def succeeded(self) -> CircuitBreaker:
        """Returns the closed breaker after a success."""
        return replace(self, state=BreakerState.CLOSED, failures=(), opened_at=None, trial_since=None)

    def failed(self, now: float, *, permanent: bool = False) -> CircuitBreaker:
        """Returns the breaker after a failure of the agent."""
        since = now - self.policy.failure_window
        failures = (*(at for at in self.failures if at >= since), now)[-KEPT_FAILURES:]
        threshold = min(self.policy.fast_fail_threshold, self.threshold) if permanent else self.threshold
        opens = self.state is not BreakerState.CLOSED or len(failures) >= threshold
        if not opens:
            return replace(self, failures=failures)
        return replace(self, state=BreakerState.OPEN, failures=failures, opened_at=now, trial_since=None)

    def on_probation(self) -> CircuitBreaker:
        """Returns the closed breaker for a new run; the next failure opens it again."""
        last = self.failures[-1:] if self.threshold > 1 else ()
        return replace(
            self, state=BreakerState.CLOSED, failures=last * (self.threshold - 1), opened_at=None, trial_since=None
        )

    def trial_ended(self) -> CircuitBreaker:
        """Returns the breaker after a trial without a verdict on the agent: another trial may start."""
        return replace(self, trial_since=None)

    def velocity_per_min(self, now: float) -> float:
        """Returns the failures per minute within the window."""
        window = self.policy.failure_window
        return sum(at >= now - window for at in self.failures) * 60 / window if window else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Returns the stored fields as JSON values."""
        return {
            "agent": self.agent,
            "state": str(self.state),
            "failures": list(self.failures),
            "opened_at": self.opened_at,
            "trial_since": self.trial_since,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Returns the breaker that `to_dict` stored.

        Raises:
            StoredValueError: A field is missing or malformed.
        """
        kept = {name: value for name, value in stored.items() if name not in ("policy", "adhoc")}
        return cls(**read_fields(cls, kept, {"BreakerState": BreakerState}))
