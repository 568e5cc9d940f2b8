"""The parts of a recovery policy: the limits of circuit breakers, of time and of stalls."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

from aurora_spawner.errors import RecoveryPolicyError
from aurora_spawner.recovery.field_checks import (
    check,
    check_counts,
    check_flags,
    check_kind,
    check_seconds,
    is_number,
    suggestion,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TIMEOUT_PRESETS", "BreakerPolicy", "EarlyDetection", "TimeoutMode", "TimeoutPolicy"]


class TimeoutMode(StrEnum):
    """The source of an attempt's time limit."""

    FIXED = "fixed"
    PROGRESSIVE = "progressive"
    ADAPTIVE = "adaptive"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """The limits of an agent's circuit breaker.

    Raises:
        RecoveryPolicyError: A threshold below 1, a time below 0.
    """

    failure_threshold: int = 2
    """Failures in a row within the window that open it."""
    failure_window: float = 300.0
    """Seconds."""
    reset_timeout: float = 120.0
    """Seconds after which an open breaker grants one trial."""
    fast_fail_threshold: int = 1
    """The `failure_threshold` for permanent errors."""
    adhoc_failure_threshold: int = 4
    """The `failure_threshold` for agents generated for one run."""

    def __post_init__(self) -> None:
        check_counts(self, 1, "failure_threshold", "fast_fail_threshold", "adhoc_failure_threshold")
        check_seconds(self, "failure_window", "reset_timeout")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeoutPolicy:
    """The time limits of an attempt.

    Raises:
        RecoveryPolicyError: A time below 0, or a first limit above the last one.
    """

    mode: TimeoutMode = TimeoutMode.PROGRESSIVE
    initial_s: float = 120.0
    """Seconds from the start of the agent's process: the limit (fixed), or the limit that activity extends."""
    max_timeout_s: float = 600.0
    """The longest limit that activity or history may give; 0 for no limit."""
    idle_s: float = 0.0
    """Seconds without activity after which the attempt is ended; 0 leaves that to early detection."""
    startup_s: float = 0.0
    """Seconds without a first activity after which the attempt is ended; 0 for no such limit."""
    margin: float = 1.5
    """Adaptive: the factor of the 95th percentile of the agent's successful durations."""

    def __post_init__(self) -> None:
        check_kind(self, "mode", TimeoutMode)
        check_seconds(self, "initial_s", zero=False)
        check_seconds(self, "max_timeout_s", "idle_s", "startup_s")
        check(is_number(self.margin) and self.margin >= 1, "margin", f"must be at least 1, not {self.margin!r}")
        problem = f"({self.max_timeout_s:g} s) is below initial_s ({self.initial_s:g} s)"
        check(not self.max_timeout_s or self.max_timeout_s >= self.initial_s, "max_timeout_s", problem)

    @classmethod
    def from_name(cls, name: str) -> Self:
        """Returns a preset: default, patient, fast_fail, production or development.

        Raises:
            RecoveryPolicyError: There is no preset of that name.
        """
        if name not in TIMEOUT_PRESETS:
            raise RecoveryPolicyError("timeout", f"{name!r} is unknown{suggestion(name, TIMEOUT_PRESETS)}")
        return cls(**TIMEOUT_PRESETS[name])


TIMEOUT_PRESETS: Final[Mapping[str, Mapping[str, Any]]] = {
    "default": {},
    "patient": {"initial_s": 600.0, "max_timeout_s": 3600.0},
    "fast_fail": {"mode": TimeoutMode.FIXED, "initial_s": 60.0, "max_timeout_s": 60.0, "startup_s": 20.0},
    "production": {"mode": TimeoutMode.ADAPTIVE, "initial_s": 300.0, "max_timeout_s": 1800.0, "margin": 2.0},
    "development": {"initial_s": 30.0, "max_timeout_s": 120.0},
}
"""The fields that each preset changes of the defaults."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyDetection:
    """The limits from which an attempt without activity counts as stalled.

    Raises:
        RecoveryPolicyError: A time that is not above 0.
    """

    enabled: bool = True
    threshold_s: float = 120.0
    """Seconds since the last event, output, work of the processor, or new child."""
    checks: int = 2
    """Samples in a row that must be without activity."""
    terminate: bool = False
    """True if a stalled attempt is ended and recovered; else it is only reported."""

    def __post_init__(self) -> None:
        check_flags(self, "enabled", "terminate")
        check_seconds(self, "threshold_s", zero=False)
        check_counts(self, 1, "checks")
