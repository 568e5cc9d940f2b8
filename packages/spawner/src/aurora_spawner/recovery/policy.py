"""Recovery policies: the limits of retries, waits and fallbacks, as frozen values, and their named presets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Self

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
from aurora_spawner.recovery.policy_parts import BreakerPolicy, EarlyDetection, TimeoutMode, TimeoutPolicy

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


class BatchAction(StrEnum):
    """The treatment of the rest of a run after too many failures."""

    HOLD = "hold"
    SKIP = "skip"


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
            check_kind(self, name, kind)
        check_counts(self, 0, "max_retries")
        check(self.max_retries <= 100, "max_retries", f"must be at most 100, not {self.max_retries}")
        check_counts(self, 1, "min_batch")
        flags = ("fallback_to_llm", "fallback_to_local", "jitter", "circuit_breaker_enabled")
        check_flags(self, *flags, "track_metrics", "adaptive")
        self._check_waits()
        self._check_parts()
        self._check_overrides()

    def _check_waits(self) -> None:
        check_seconds(self, "base_delay", "max_delay")
        problem = f"({self.max_delay:g} s) is below base_delay ({self.base_delay:g} s)"
        check(self.max_delay >= self.base_delay, "max_delay", problem)
        for name in ("max_provider_wait", "fallback_after", "max_window_wait"):
            if getattr(self, name) is not None:
                check_seconds(self, name)
        threshold = self.usage_threshold
        sound = threshold is None or (is_number(threshold) and 0 < threshold <= 100)
        check(sound, "usage_threshold", f"must be above 0 and at most 100, not {threshold!r}")
        factor = self.backoff_factor
        check(is_number(factor) and factor >= 1, "backoff_factor", f"must be at least 1, not {factor!r}")
        rate = self.max_failure_rate
        sound = rate is None or (is_number(rate) and 0 <= rate <= 1)
        check(sound, "max_failure_rate", f"must be from 0 to 1, not {rate!r}")
        hedge = self.hedge_after
        check(hedge is None or (is_number(hedge) and hedge > 0), "hedge_after", f"must be above 0, not {hedge!r}")

    def _check_parts(self) -> None:
        check_kind(self, "breaker", BreakerPolicy)
        check_kind(self, "early_detection", EarlyDetection)
        if self.timeout is not None:
            check_kind(self, "timeout", TimeoutPolicy)
        for name in _CALLBACKS:
            value = getattr(self, name)
            check(value is None or callable(value), name, f"must be callable, not {value!r}")

    def _check_overrides(self) -> None:
        check(
            isinstance(self.agent_overrides, Mapping),
            "agent_overrides",
            "must be the names of agents with their fields",
        )
        for agent, given in self.agent_overrides.items():
            place = f"agent_overrides.{agent}"
            check(isinstance(given, Mapping), place, f"must be `name: value` pairs of a policy, not {given!r}")
            check("agent_overrides" not in given, place, "cannot have overrides of its own")
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
            raise RecoveryPolicyError("preset", f"{name!r} is unknown{suggestion(name, PRESETS)}")
        return cls(**PRESETS[name])

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Self:
        """Returns the policy of a file's values; `preset` names the policy that the other fields change.

        Raises:
            RecoveryPolicyError: An unknown field, or a value of the wrong type or out of bounds.
        """
        if not isinstance(given, Mapping):
            raise RecoveryPolicyError("recovery", f"must be `name: value` pairs of a policy, not {given!r}")
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
                raise RecoveryPolicyError(str(name), f"is not a field{suggestion(str(name), known)}")
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
                raise RecoveryPolicyError(f"{name}.{key}", f"is not a field{suggestion(str(key), known)}")
        try:
            return replace(getattr(self, name) or kind(), **{key: _word(key, value) for key, value in given.items()})
        except RecoveryPolicyError as error:
            raise RecoveryPolicyError(f"{name}.{error.field}", error.problem) from error

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as JSON values, without callbacks: what `changed` makes this policy of any other."""
        return {each.name: _plain(getattr(self, each.name)) for each in fields(self) if each.name not in _CALLBACKS}

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


def _plain(value: object) -> object:
    """Returns a field as a JSON value; functions among the fields of an override are left out."""
    if isinstance(value, StrEnum):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items() if not callable(each)}
    if isinstance(value, BreakerPolicy | TimeoutPolicy | EarlyDetection):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    return value


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
        raise RecoveryPolicyError(above + name, f"must be a group of `name: value` lines, not {found!r}")
    return found


def _timeout_of(limits: Mapping[str, Any]) -> TimeoutPolicy:
    """Returns the time limits of policies.yaml; a limit above the maximum is not extended."""
    initial, most = limits["timeout_seconds"], limits.get("max_timeout_seconds", 600.0)
    try:
        return TimeoutPolicy(initial_s=initial, max_timeout_s=most and max(most, initial))
    except (RecoveryPolicyError, TypeError) as error:
        raise RecoveryPolicyError("agent_recovery.timeout_seconds", str(error)) from error
