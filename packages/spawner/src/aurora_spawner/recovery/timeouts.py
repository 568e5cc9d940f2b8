"""The time limits of an attempt: fixed, extended while it is active, or set by its agent's history. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_spawner.recovery.policy_parts import TimeoutMode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_spawner.recovery.policy_parts import TimeoutPolicy

ENOUGH_HISTORY: Final = 5
"""The number of successful attempts from which a percentile is meaningful."""
QUIET_SHARE: Final = 0.25
"""Share of the first limit: an agent that was active within this time before a deadline gets more time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimits:
    """The limits of one attempt, in seconds from the start of its process; None for no limit."""

    hard_s: float | None
    """The supervisor ends it at this age, active or not."""
    first_check_s: float | None = None
    """From this age on, it may run only while it is active; None if only the hard limit counts."""
    quiet_s: float = 0.0
    """Inactivity that ends it after the first check."""
    idle_s: float = 0.0
    """Inactivity that ends it at any age; 0 for no such limit."""
    startup_s: float = 0.0
    """The age by which it must have been active; 0 for no such limit."""

    @property
    def watched(self) -> bool:
        """True if the watchdog has to check it before the hard limit."""
        return self.first_check_s is not None or self.idle_s > 0 or self.startup_s > 0


def limits_of(
    policy: TimeoutPolicy | None, *, explicit_s: float | None, durations_s: Sequence[float] = ()
) -> TimeLimits:
    """Returns the limits of an attempt.

    Args:
        explicit_s: The limit that the task or its agent sets; it is kept unchanged.
        durations_s: The durations of the agent's successful attempts.
    """
    if policy is None:
        return TimeLimits(hard_s=explicit_s)
    if explicit_s is not None:
        return TimeLimits(hard_s=explicit_s, idle_s=policy.idle_s, startup_s=policy.startup_s)
    most = policy.max_timeout_s or None
    if policy.mode is TimeoutMode.FIXED:
        return TimeLimits(hard_s=policy.initial_s, idle_s=policy.idle_s, startup_s=policy.startup_s)
    if policy.mode is TimeoutMode.ADAPTIVE and len(durations_s) >= ENOUGH_HISTORY:
        usual = percentile(durations_s, 0.95) * policy.margin
        hard = usual if most is None else min(usual, most)
        return TimeLimits(hard_s=max(hard, 1.0), idle_s=policy.idle_s, startup_s=policy.startup_s)
    return TimeLimits(
        hard_s=most,
        first_check_s=policy.initial_s,
        quiet_s=policy.initial_s * QUIET_SHARE,
        idle_s=policy.idle_s,
        startup_s=policy.startup_s,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeVerdict:
    """The judgement on the time of an attempt."""

    expired: str | None
    """The reason why its time is up; None while it may continue."""
    next_check_s: float | None
    """Age of the next check; None for never."""


def judge_time(limits: TimeLimits, *, age_s: float, last_activity_s: float | None) -> TimeVerdict:
    """Judges if an attempt may continue.

    Args:
        last_activity_s: Its age at its last activity; None if it was never active.
    """
    quiet_for = age_s - (last_activity_s or 0.0)
    if limits.startup_s and last_activity_s is None and age_s >= limits.startup_s:
        return TimeVerdict(expired=f"it showed no activity in its first {age_s:.0f} s", next_check_s=None)
    if limits.idle_s and quiet_for >= limits.idle_s:
        return TimeVerdict(expired=f"it was idle for {quiet_for:.0f} s", next_check_s=None)
    if limits.first_check_s is not None and age_s >= limits.first_check_s and quiet_for >= limits.quiet_s:
        reason = f"it ran into its time limit after {age_s:.1f} s, quiet for {quiet_for:.0f} s"
        return TimeVerdict(expired=reason, next_check_s=None)
    return TimeVerdict(expired=None, next_check_s=_next_check(limits, age_s, last_activity_s))


def _next_check(limits: TimeLimits, age_s: float, last_activity_s: float | None) -> float | None:
    active_s = last_activity_s or 0.0
    checks = []
    if limits.startup_s and last_activity_s is None:
        checks.append(limits.startup_s)
    if limits.idle_s:
        checks.append(active_s + limits.idle_s)
    if limits.first_check_s is not None:
        checks.append(max(limits.first_check_s, active_s + limits.quiet_s))
    return max(age_s, min(checks)) if checks else None


def percentile(values: Sequence[float], share: float) -> float:
    """Returns the value below which a share of the values lies, interpolated between neighbours.

    Raises:
        ValueError: There are no values.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("a percentile needs values")
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
