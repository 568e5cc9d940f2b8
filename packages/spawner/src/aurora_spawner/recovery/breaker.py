"""The circuit breaker of one agent: closed, open after failures in a row, half-open for one trial. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import ceil
from typing import TYPE_CHECKING, Any, Final, Self

from aurora_spawner.recovery.policy import BreakerPolicy
from aurora_spawner.storage.stored_values import read_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

TRIAL_LIMIT_S: Final = 3_600.0
"""A trial of which nothing was heard for so long is given to somebody else."""
KEPT_FAILURES: Final = 100
"""Failures whose times are kept."""


class BreakerState(StrEnum):
    """Whether an agent is asked."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitBreaker:
    """One agent's record; every change gives a new value. Times are Unix times."""

    agent: str
    policy: BreakerPolicy = field(default_factory=BreakerPolicy)
    adhoc: bool = False
    """Made up for one run: more patience."""
    state: BreakerState = BreakerState.CLOSED
    failures: tuple[float, ...] = ()
    """When it failed, since its last success."""
    opened_at: float | None = None
    trial_since: float | None = None
    """When the one trial of a half-open breaker was given out."""

    @property
    def clear(self) -> bool:
        """Whether nothing speaks against the agent."""
        return self.state is BreakerState.CLOSED and not self.failures

    @property
    def threshold(self) -> int:
        """Failures that open it."""
        return self.policy.adhoc_failure_threshold if self.adhoc else self.policy.failure_threshold

    def ask(self, now: float) -> tuple[bool, CircuitBreaker]:
        """Whether the agent may be asked, and the breaker after the question."""
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
        """What `ask` would answer, without taking the trial."""
        return self.ask(now)[0]

    def describe(self, now: float) -> str:
        """Whether its agent is asked, in words; empty for one that is closed."""
        if self.state is BreakerState.CLOSED:
            return ""
        if self.would_allow(now):
            return "its circuit is half open: the next task is a trial"
        if self.state is BreakerState.HALF_OPEN:
            return "its circuit is half open: one trial decides"
        return f"its circuit is open for another {ceil(self.opens_until - now)} s"

    @property
    def opens_until(self) -> float:
        """When an open breaker lets a trial through; 0 for one that is not open."""
        return 0.0 if self.opened_at is None else self.opened_at + self.policy.reset_timeout

    def succeeded(self) -> CircuitBreaker:
        """After a task done: all is forgiven."""
        return replace(self, state=BreakerState.CLOSED, failures=(), opened_at=None, trial_since=None)

    def failed(self, now: float, *, permanent: bool = False) -> CircuitBreaker:
        """After a failure of the agent itself."""
        since = now - self.policy.failure_window
        failures = (*(at for at in self.failures if at >= since), now)[-KEPT_FAILURES:]
        threshold = min(self.policy.fast_fail_threshold, self.threshold) if permanent else self.threshold
        opens = self.state is not BreakerState.CLOSED or len(failures) >= threshold
        if not opens:
            return replace(self, failures=failures)
        return replace(self, state=BreakerState.OPEN, failures=failures, opened_at=now, trial_since=None)

    def on_probation(self) -> CircuitBreaker:
        """When the user starts something anew: asked again, and left alone again at the next failure."""
        last = self.failures[-1:] if self.threshold > 1 else ()
        return replace(
            self, state=BreakerState.CLOSED, failures=last * (self.threshold - 1), opened_at=None, trial_since=None
        )

    def trial_ended(self) -> CircuitBreaker:
        """After an attempt that said nothing about the agent: the trial is free again."""
        return replace(self, trial_since=None)

    def velocity_per_min(self, now: float) -> float:
        """Failures a minute within the window."""
        window = self.policy.failure_window
        return sum(at >= now - window for at in self.failures) * 60 / window if window else 0.0

    def to_dict(self) -> dict[str, Any]:
        """What has to be remembered of it, as JSON values."""
        return {
            "agent": self.agent,
            "state": str(self.state),
            "failures": list(self.failures),
            "opened_at": self.opened_at,
            "trial_since": self.trial_since,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """What `to_dict` gave.

        Raises:
            StoredValueError: It gave something else.
        """
        kept = {name: value for name, value in stored.items() if name not in ("policy", "adhoc")}
        return cls(**read_fields(cls, kept, {"BreakerState": BreakerState}))
