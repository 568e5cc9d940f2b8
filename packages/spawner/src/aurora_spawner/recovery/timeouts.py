"""How long an attempt may take: fixed, extended while it is active, or by its agent's history. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_spawner.recovery.policy import TimeoutMode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_spawner.recovery.policy import TimeoutPolicy

ENOUGH_HISTORY: Final = 5
"""Successful attempts from which a percentile is worth something."""
QUIET_SHARE: Final = 0.25
"""Of the first limit: an agent that was active within so long before a deadline is given more time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimits:
    """The limits of one attempt, in seconds from the start of its process; None for no limit."""

    hard_s: float | None
    """The supervisor ends it then, whatever it does."""
    first_look_s: float | None = None
    """From then on it goes on only while it is active; None where only the hard limit counts."""
    quiet_s: float = 0.0
    """Inactivity that ends it after the first look."""
    idle_s: float = 0.0
    """Inactivity that ends it at any time; 0 for none."""
    startup_s: float = 0.0
    """It must have shown a first sign of life by then; 0 for none."""

    @property
    def watched(self) -> bool:
        """Whether somebody has to look at it before the hard limit."""
        return self.first_look_s is not None or self.idle_s > 0 or self.startup_s > 0


def limits_of(
    policy: TimeoutPolicy | None, *, explicit_s: float | None, durations_s: Sequence[float] = ()
) -> TimeLimits:
    """The limits of an attempt.

    Args:
        explicit_s: What the task or its agent asks for; it counts as it is.
        durations_s: Of the agent's successful attempts.
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
        first_look_s=policy.initial_s,
        quiet_s=policy.initial_s * QUIET_SHARE,
        idle_s=policy.idle_s,
        startup_s=policy.startup_s,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeVerdict:
    """What a look at an attempt says about its time."""

    expired: str | None
    """Why its time is up; None while it may go on."""
    next_look_s: float | None
    """Age at which to look again; None for never."""


def judge_time(limits: TimeLimits, *, age_s: float, last_sign_s: float | None) -> TimeVerdict:
    """Whether an attempt may go on.

    Args:
        last_sign_s: Its age at its last sign of life; None where it has shown none.
    """
    quiet_for = age_s - (last_sign_s or 0.0)
    if limits.startup_s and last_sign_s is None and age_s >= limits.startup_s:
        return TimeVerdict(expired=f"it showed no sign of life in its first {age_s:.0f} s", next_look_s=None)
    if limits.idle_s and quiet_for >= limits.idle_s:
        return TimeVerdict(expired=f"it was idle for {quiet_for:.0f} s", next_look_s=None)
    if limits.first_look_s is not None and age_s >= limits.first_look_s and quiet_for >= limits.quiet_s:
        reason = f"it ran into its time limit after {age_s:.1f} s, quiet for {quiet_for:.0f} s"
        return TimeVerdict(expired=reason, next_look_s=None)
    return TimeVerdict(expired=None, next_look_s=_next_look(limits, age_s, last_sign_s))


def _next_look(limits: TimeLimits, age_s: float, last_sign_s: float | None) -> float | None:
    sign = last_sign_s or 0.0
    looks = []
    if limits.startup_s and last_sign_s is None:
        looks.append(limits.startup_s)
    if limits.idle_s:
        looks.append(sign + limits.idle_s)
    if limits.first_look_s is not None:
        looks.append(max(limits.first_look_s, sign + limits.quiet_s))
    return max(age_s, min(looks)) if looks else None


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of them lies, between neighbours by proportion.

    Raises:
        ValueError: There are none.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("a percentile needs values")
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
