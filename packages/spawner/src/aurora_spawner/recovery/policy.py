"""Recovery policies: the limits of retries, waits and fallbacks, as frozen values, and their named presets."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Self

from aurora_spawner.errors import RecoveryPolicyError

RetryCallback = Callable[[str, int, str], Awaitable[None] | None]
"""Receives the agent, the number of the retry from 1, and the error that led to it."""
FailureCallback = Callable[[str, str], Awaitable[None] | None]
"""Receives the agent and its error."""


class RecoveryStrategy(StrEnum):
    """The steps after a failure."""

    RETRY_SAME = "retry_same"
    FALLBACK_ONLY = "fallback_only"
    RETRY_THEN_FALLBACK = "retry_then_fallback"
    NO_RECOVERY = "no_recovery"

    @property
    def retries(self) -> bool:
        """True if the same agent is retried."""
        return self in (RecoveryStrategy.RETRY_SAME, RecoveryStrategy.RETRY_THEN_FALLBACK)

    @property
    def falls_back(self) -> bool:
        """True if other agents take over."""
        return self in (RecoveryStrategy.FALLBACK_ONLY, RecoveryStrategy.RETRY_THEN_FALLBACK)


class Backoff(StrEnum):
    """The growth of the waits before retries."""

    IMMEDIATE = "immediate"
    FIXED = "fixed"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


class TimeoutMode(StrEnum):
    """The source of an attempt's time limit."""

    FIXED = "fixed"
    PROGRESSIVE = "progressive"
    ADAPTIVE = "adaptive"


class BatchAction(StrEnum):
    """The treatment of the rest of a run after too many failures."""

    HOLD = "hold"
    SKIP = "skip"


def _check(holds: bool, name: str, problem: str) -> None:
    if not holds:
        raise RecoveryPolicyError(name, problem)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_seconds(owner: object, *names: str, zero: bool = True) -> None:
    for name in names:
        value = getattr(owner, name)
        least = "at least 0" if zero else "above 0"
        sound = _number(value) and (value >= 0 if zero else value > 0)
        _check(sound, name, f"must be a number of seconds {least}, not {value!r}")


def _check_flags(owner: object, *names: str) -> None:
    for name in names:
        value = getattr(owner, name)
        _check(isinstance(value, bool), name, f"must be true or false, not {value!r}")


def _check_counts(owner: object, least: int, *names: str) -> None:
    for name in names:
        value = getattr(owner, name)
        sound = isinstance(value, int) and not isinstance(value, bool) and value >= least
        _check(sound, name, f"must be a whole number of at least {least}, not {value!r}")


def _check_kind(owner: object, name: str, kind: type) -> None:
    value = getattr(owner, name)
    known = ", ".join(kind) if issubclass(kind, StrEnum) else kind.__name__
    _check(isinstance(value, kind), name, f"must be one of {known}, not {value!r}")


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
        _check_counts(self, 1, "failure_threshold", "fast_fail_threshold", "adhoc_failure_threshold")
        _check_seconds(self, "failure_window", "reset_timeout")


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
        _check_kind(self, "mode", TimeoutMode)
        _check_seconds(self, "initial_s", zero=False)
        _check_seconds(self, "max_timeout_s", "idle_s", "startup_s")
        _check(_number(self.margin) and self.margin >= 1, "margin", f"must be at least 1, not {self.margin!r}")
        problem = f"({self.max_timeout_s:g} s) is below initial_s ({self.initial_s:g} s)"
        _check(not self.max_timeout_s or self.max_timeout_s >= self.initial_s, "max_timeout_s", problem)

    @classmethod
    def from_name(cls, name: str) -> Self:
        """Returns a preset: default, patient, fast_fail, production or development.

        Raises:
            RecoveryPolicyError: There is no preset of that name.
        """
        if name not in TIMEOUT_PRESETS:
            raise RecoveryPolicyError("timeout", f"{name!r} is unknown{_suggestion(name, TIMEOUT_PRESETS)}")
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
        _check_flags(self, "enabled", "terminate")
        _check_seconds(self, "threshold_s", zero=False)
        _check_counts(self, 1, "checks")


_NO_OVERRIDES: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType({})
_PARTS: Final[Mapping[str, type[BreakerPolicy | TimeoutPolicy | EarlyDetection]]] = {
    "breaker": BreakerPolicy,
    "timeout": TimeoutPolicy,
    "early_detection": EarlyDetection,
}
_WORDS: Final[Mapping[str, type[StrEnum]]] = {
    "strategy": RecoveryStrategy,
    "backoff": Backoff,
    "on_batch_failure": BatchAction,
    "mode": TimeoutMode,
}
"""Fields whose values are names, with the enum of each."""
_OF_LIMITS: Final[Mapping[str, str]] = {
    "max_retries": "max_retries",
    "fallback_to_llm": "fallback_to_llm",
    "max_provider_wait_seconds": "max_provider_wait",
}
"""Fields by their names in policies.yaml."""
_CALLBACKS: Final = ("on_retry", "on_fallback", "on_recovery_failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryPolicy:
    """The recovery from failures in a run; times in seconds.

    Raises:
        RecoveryPolicyError: A field has an invalid value.
    """

    strategy: RecoveryStrategy = RecoveryStrategy.RETRY_THEN_FALLBACK
    max_retries: int = 2
    """Further attempts of the same agent after its first."""
    fallback_to_llm: bool = True
    """True if a direct call of a model follows the configured fallbacks."""
    fallback_to_local: bool = False
    """True if the local agent, which needs no model, is the last fallback."""
    base_delay: float = 1.0
    """The wait before the first retry."""
    max_delay: float = 30.0
    backoff_factor: float = 2.0
    backoff: Backoff = Backoff.EXPONENTIAL
    jitter: bool = True
    """True if each wait is drawn at random between half and all of its length."""
    max_provider_wait: float | None = 900.0
    """The longest wait for a paused provider without one answer of it; then tasks fall back, or fail. 0 for no wait,
    None for no limit."""
    fallback_after: float | None = 60.0
    """The longest wait for an overloaded provider that names no time, or for the reset of a usage window, if a
    fallback is ready; None for the usual limit."""
    max_window_wait: float | None = None
    """The longest wait for the reset of a usage window if no fallback is ready; 0 for no wait, None for no limit."""
    usage_threshold: float | None = 95.0
    """The used per cent of a usage window from which no attempt starts before its reset; None for no threshold."""
    circuit_breaker_enabled: bool = True
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    timeout: TimeoutPolicy | None = None
    """None leaves the limits to tasks, backends and the run."""
    early_detection: EarlyDetection = field(default_factory=EarlyDetection)
    max_failure_rate: float | None = None
    """The share of settled tasks that may fail before the rest of the run is held or skipped; None for no limit."""
    min_batch: int = 5
    """The number of settled tasks from which that share counts."""
    on_batch_failure: BatchAction = BatchAction.HOLD
    hedge_after: float | None = None
    """The factor of its agent's 95th percentile after which a critical task gets a second attempt, on another agent;
    None for no second attempt."""
    adaptive: bool = False
    """True if retries and waits follow each agent's history, once it is long enough."""
    track_metrics: bool = True
    agent_overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: _NO_OVERRIDES)
    """The fields that differ for some agents, by agent."""
    on_retry: RetryCallback | None = None
    on_fallback: FailureCallback | None = None
    on_recovery_failed: FailureCallback | None = None

    def __post_init__(self) -> None:
        for name, kind in (("strategy", RecoveryStrategy), ("backoff", Backoff), ("on_batch_failure", BatchAction)):
            _check_kind(self, name, kind)
        _check_counts(self, 0, "max_retries")
        _check(self.max_retries <= 100, "max_retries", f"must be at most 100, not {self.max_retries}")
        _check_counts(self, 1, "min_batch")
        flags = ("fallback_to_llm", "fallback_to_local", "jitter", "circuit_breaker_enabled")
        _check_flags(self, *flags, "track_metrics", "adaptive")
        self._check_waits()
        self._check_parts()
        self._check_overrides()

    def _check_waits(self) -> None:
        _check_seconds(self, "base_delay", "max_delay")
        problem = f"({self.max_delay:g} s) is below base_delay ({self.base_delay:g} s)"
        _check(self.max_delay >= self.base_delay, "max_delay", problem)
        for name in ("max_provider_wait", "fallback_after", "max_window_wait"):
            if getattr(self, name) is not None:
                _check_seconds(self, name)
        threshold = self.usage_threshold
        sound = threshold is None or (_number(threshold) and 0 < threshold <= 100)
        _check(sound, "usage_threshold", f"must be above 0 and at most 100, not {threshold!r}")
        factor = self.backoff_factor
        _check(_number(factor) and factor >= 1, "backoff_factor", f"must be at least 1, not {factor!r}")
        rate = self.max_failure_rate
        sound = rate is None or (_number(rate) and 0 <= rate <= 1)
        _check(sound, "max_failure_rate", f"must be from 0 to 1, not {rate!r}")
        hedge = self.hedge_after
        _check(hedge is None or (_number(hedge) and hedge > 0), "hedge_after", f"must be above 0, not {hedge!r}")

    def _check_parts(self) -> None:
        _check_kind(self, "breaker", BreakerPolicy)
        _check_kind(self, "early_detection", EarlyDetection)
        if self.timeout is not None:
            _check_kind(self, "timeout", TimeoutPolicy)
        for name in _CALLBACKS:
            value = getattr(self, name)
            _check(value is None or callable(value), name, f"must be callable, not {value!r}")

    def _check_overrides(self) -> None:
        _check(isinstance(self.agent_overrides, Mapping), "agent_overrides", "must be fields by agent")
        for agent, given in self.agent_overrides.items():
            place = f"agent_overrides.{agent}"
            _check(isinstance(given, Mapping), place, f"must be fields of a policy, not {given!r}")
            _check("agent_overrides" not in given, place, "cannot have overrides of its own")
            self._overridden(agent, given)

    @property
    def retries(self) -> int:
        """Largest number of retries of the same agent."""
        return self.max_retries if self.strategy.retries else 0

    def longest_path(self, fallbacks: int) -> int:
        """Returns the largest number of states of a task with a number of fallbacks, deferrals not counted."""
        return 3 + 2 * self.retries + (2 * fallbacks if self.strategy.falls_back else 0)

    # From a name or a file.

    @classmethod
    def from_name(cls, name: str) -> Self:
        """Returns a preset: default, aggressive_retry, fast_fallback, no_recovery or patient.

        Raises:
            RecoveryPolicyError: There is no preset of that name.
        """
        if name not in PRESETS:
            raise RecoveryPolicyError("preset", f"{name!r} is unknown{_suggestion(name, PRESETS)}")
        return cls(**PRESETS[name])

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Self:
        """Returns the policy of a file's values; `preset` names the policy that the other fields change.

        Raises:
            RecoveryPolicyError: An unknown field, or a value of the wrong type or out of bounds.
        """
        if not isinstance(given, Mapping):
            raise RecoveryPolicyError("recovery", f"must be fields of a policy, not {given!r}")
        preset = given.get("preset", "default")
        base = cls.from_name(preset) if isinstance(preset, str) else None
        if base is None:
            raise RecoveryPolicyError("preset", f"must be a name, not {preset!r}")
        return base.changed({name: value for name, value in given.items() if name != "preset"})

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Returns the policy of a whole configuration: `spawner.recovery` over the `agent_recovery` of policies.

        Both may be absent. `agent_recovery` gives max_retries, fallback_to_llm, max_provider_wait_seconds,
        timeout_seconds and max_timeout_seconds; a `preset` in `spawner.recovery` replaces the first three.

        Raises:
            RecoveryPolicyError: As for `from_dict`; the field names the section.
        """
        section = _section(config, "spawner")
        recovery = _section(section, "recovery", "spawner.")
        limits = _section(config, "agent_recovery")
        base = (
            {} if "preset" in recovery else {_OF_LIMITS[name]: limits[name] for name in _OF_LIMITS if name in limits}
        )
        try:
            policy = cls.from_dict({**base, **recovery})
        except RecoveryPolicyError as error:
            raise RecoveryPolicyError(f"spawner.recovery.{error.field}", error.problem) from error
        if policy.timeout is None and "timeout_seconds" in limits:
            policy = replace(policy, timeout=_timeout_of(limits))
        return policy

    @classmethod
    def default(cls) -> Self:
        """Returns the policy of two retries, then fallback."""
        return cls.from_name("default")

    @classmethod
    def aggressive_retry(cls) -> Self:
        """Returns the policy of five quick retries without fallback."""
        return cls.from_name("aggressive_retry")

    @classmethod
    def fast_fallback(cls) -> Self:
        """Returns the policy of fallback at once."""
        return cls.from_name("fast_fallback")

    @classmethod
    def no_recovery(cls) -> Self:
        """Returns the policy without retries and fallback."""
        return cls.from_name("no_recovery")

    @classmethod
    def patient(cls) -> Self:
        """Returns the policy of three retries with long waits, then fallback."""
        return cls.from_name("patient")

    def changed(self, given: Mapping[str, Any]) -> Self:
        """Returns a copy of this policy in which the given values replace its own.

        Raises:
            RecoveryPolicyError: As for `from_dict`.
        """
        known = tuple(each.name for each in fields(self))
        values: dict[str, Any] = {}
        for name, value in given.items():
            if name not in known:
                raise RecoveryPolicyError(str(name), f"is not a field{_suggestion(str(name), known)}")
            values[name] = self._part(name, value) if name in _PARTS else _word(name, value)
        return replace(self, **values)

    def _part(self, name: str, given: object) -> object:
        """Returns a group of fields from an object, from the fields that differ, or (timeout) from a preset."""
        if name == "timeout" and isinstance(given, str):
            return TimeoutPolicy.from_name(given)
        if not isinstance(given, Mapping):
            return given
        kind = _PARTS[name]
        known = tuple(each.name for each in fields(kind))
        for key in given:
            if key not in known:
                raise RecoveryPolicyError(f"{name}.{key}", f"is not a field{_suggestion(str(key), known)}")
        try:
            return replace(getattr(self, name) or kind(), **{key: _word(key, value) for key, value in given.items()})
        except RecoveryPolicyError as error:
            raise RecoveryPolicyError(f"{name}.{error.field}", error.problem) from error

    # By agent.

    def with_override(self, agent: str, **changes: Any) -> Self:
        """Returns a policy with different fields for one agent.

        Raises:
            RecoveryPolicyError: As for `from_dict`.
        """
        merged = {**self.agent_overrides.get(agent, {}), **changes}
        return replace(self, agent_overrides=MappingProxyType({**self.agent_overrides, agent: merged}))

    def get_for_agent(self, agent: str) -> Self:
        """Returns the policy of one agent."""
        given = self.agent_overrides.get(agent)
        return self if not given else self._overridden(agent, given)

    def _overridden(self, agent: str, given: Mapping[str, Any]) -> Self:
        try:
            return replace(self, agent_overrides=_NO_OVERRIDES).changed(given)
        except RecoveryPolicyError as error:
            raise RecoveryPolicyError(f"agent_overrides.{agent}.{error.field}", error.problem) from error


PRESETS: Final[Mapping[str, Mapping[str, Any]]] = {
    "default": {},
    "aggressive_retry": {
        "strategy": RecoveryStrategy.RETRY_SAME,
        "max_retries": 5,
        "fallback_to_llm": False,
        "base_delay": 0.5,
        "max_delay": 60.0,
        "backoff_factor": 2.0,
    },
    "fast_fallback": {"strategy": RecoveryStrategy.FALLBACK_ONLY, "max_retries": 0},
    "no_recovery": {"strategy": RecoveryStrategy.NO_RECOVERY, "max_retries": 0, "fallback_to_llm": False},
    "patient": {"max_retries": 3, "base_delay": 2.0, "max_delay": 120.0, "backoff_factor": 3.0},
}
"""The fields that each preset changes of the defaults."""


def _word(name: str, value: object) -> object:
    kind = _WORDS.get(name)
    if kind is None or not isinstance(value, str):
        return value
    try:
        return kind(value.lower())
    except ValueError:
        raise RecoveryPolicyError(name, f"must be one of {', '.join(kind)}, not {value!r}") from None


def _section(config: Mapping[str, Any], name: str, above: str = "") -> Mapping[str, Any]:
    found = config.get(name, {})
    if not isinstance(found, Mapping):
        raise RecoveryPolicyError(above + name, f"must be a section, not {found!r}")
    return found


def _timeout_of(limits: Mapping[str, Any]) -> TimeoutPolicy:
    """Returns the time limits of policies.yaml; a limit above the maximum is not extended."""
    initial, most = limits["timeout_seconds"], limits.get("max_timeout_seconds", 600.0)
    try:
        return TimeoutPolicy(initial_s=initial, max_timeout_s=most and max(most, initial))
    except (RecoveryPolicyError, TypeError) as error:
        raise RecoveryPolicyError("agent_recovery.timeout_seconds", str(error)) from error


def _suggestion(word: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    close = get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"
