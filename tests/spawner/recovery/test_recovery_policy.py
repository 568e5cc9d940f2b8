"""Policies: presets, strict reading, overrides, and waits."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_spawner.errors import RecoveryPolicyError
from aurora_spawner.recovery.backoff import retry_wait_s
from aurora_spawner.recovery.policy import PRESETS, Backoff, BatchAction, RecoveryPolicy, RecoveryStrategy
from aurora_spawner.recovery.policy_parts import TimeoutMode, TimeoutPolicy


@pytest.mark.parametrize(
    ("name", "retries", "fallback", "base", "most", "factor"),
    [
        ("default", 2, True, 1.0, 30, 2),
        ("aggressive_retry", 5, False, 0.5, 60, 2),
        ("fast_fallback", 0, True, None, None, None),
        ("no_recovery", 0, False, None, None, None),
        ("patient", 3, True, 2.0, 120, 3),
    ],
)
def test_the_presets_are_as_specified(
    name: str, retries: int, fallback: bool, base: float | None, most: float | None, factor: float | None
) -> None:
    policy = RecoveryPolicy.from_name(name)
    assert (policy.retries, policy.fallback_to_llm, policy.strategy.falls_back) == (retries, fallback, fallback)
    if base is not None:
        assert (policy.base_delay, policy.max_delay, policy.backoff_factor) == (base, most, factor)
    assert getattr(RecoveryPolicy, name)() == policy


def test_the_defaults_are_as_specified() -> None:
    policy = RecoveryPolicy()
    assert policy.strategy is RecoveryStrategy.RETRY_THEN_FALLBACK
    assert policy.jitter
    assert policy.circuit_breaker_enabled
    assert policy.track_metrics
    breaker = policy.breaker
    assert (breaker.failure_threshold, breaker.failure_window, breaker.reset_timeout) == (2, 300, 120)
    assert (breaker.fast_fail_threshold, breaker.adhoc_failure_threshold) == (1, 4)
    assert (policy.early_detection.threshold_s, policy.early_detection.checks) == (120, 2)
    assert not policy.early_detection.terminate
    limits = TimeoutPolicy()
    assert (limits.mode, limits.initial_s, limits.max_timeout_s) == (TimeoutMode.PROGRESSIVE, 120, 600)


def test_a_file_changes_a_preset() -> None:
    given_by_file = {
        "preset": "patient",
        "max_retries": 7,
        "strategy": "retry_same",
        "backoff": "linear",
        "on_batch_failure": "skip",
        "breaker": {"reset_timeout": 5},
        "timeout": {"mode": "adaptive", "margin": 2},
        "early_detection": {"terminate": True},
        "agent_overrides": {"slow": {"max_retries": 1, "timeout": {"initial_s": 10}}},
    }
    policy = RecoveryPolicy.from_dict(given_by_file)
    assert (policy.max_retries, policy.base_delay, policy.strategy) == (7, 2.0, RecoveryStrategy.RETRY_SAME)
    assert policy.backoff is Backoff.LINEAR
    assert policy.on_batch_failure is BatchAction.SKIP
    assert (policy.breaker.reset_timeout, policy.breaker.failure_threshold) == (5, 2)
    assert policy.timeout is not None
    assert policy.timeout.mode is TimeoutMode.ADAPTIVE
    assert policy.early_detection.terminate
    slow = policy.get_for_agent("slow")
    assert slow.max_retries == 1
    assert slow.timeout is not None
    assert (slow.timeout.initial_s, slow.timeout.mode) == (10, TimeoutMode.ADAPTIVE)
    assert policy.get_for_agent("other") is policy


@pytest.mark.parametrize(
    ("given_by_file", "field"),
    [
        ({"max_retires": 3}, "max_retires"),
        ({"max_retries": "3"}, "max_retries"),
        ({"max_retries": True}, "max_retries"),
        ({"max_retries": -1}, "max_retries"),
        ({"max_retries": 101}, "max_retries"),
        ({"base_delay": "1s"}, "base_delay"),
        ({"base_delay": float("nan")}, "base_delay"),
        ({"base_delay": 60}, "max_delay"),
        ({"max_delay": -1}, "max_delay"),
        ({"backoff_factor": 0.5}, "backoff_factor"),
        ({"backoff": "random"}, "backoff"),
        ({"strategy": "retry"}, "strategy"),
        ({"strategy": 1}, "strategy"),
        ({"jitter": 1}, "jitter"),
        ({"fallback_to_llm": "yes"}, "fallback_to_llm"),
        ({"fallback_to_local": None}, "fallback_to_local"),
        ({"circuit_breaker_enabled": "on"}, "circuit_breaker_enabled"),
        ({"track_metrics": 0}, "track_metrics"),
        ({"adaptive": 2}, "adaptive"),
        ({"max_failure_rate": 1.5}, "max_failure_rate"),
        ({"min_batch": 0}, "min_batch"),
        ({"on_batch_failure": "panic"}, "on_batch_failure"),
        ({"hedge_after": 0}, "hedge_after"),
        ({"on_retry": "print"}, "on_retry"),
        ({"preset": "brave"}, "preset"),
        ({"preset": 5}, "preset"),
        ({"breaker": 3}, "breaker"),
        ({"breaker": {"threshold": 1}}, "breaker.threshold"),
        ({"breaker": {"failure_threshold": 0}}, "breaker.failure_threshold"),
        ({"breaker": {"reset_timeout": -1}}, "breaker.reset_timeout"),
        ({"timeout": {"mode": "slow"}}, "timeout.mode"),
        ({"timeout": {"initial_s": 0}}, "timeout.initial_s"),
        ({"timeout": {"initial_s": 700}}, "timeout.max_timeout_s"),
        ({"timeout": {"margin": 0.5}}, "timeout.margin"),
        ({"early_detection": {"checks": 0}}, "early_detection.checks"),
        ({"early_detection": {"enabled": 1}}, "early_detection.enabled"),
        ({"agent_overrides": []}, "agent_overrides"),
        ({"agent_overrides": {"a": 5}}, "agent_overrides.a"),
        ({"agent_overrides": {"a": {"max_retries": -1}}}, "agent_overrides.a.max_retries"),
        ({"agent_overrides": {"a": {"agent_overrides": {}}}}, "agent_overrides.a"),
        ([], "recovery"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_field(given_by_file: Any, field: str) -> None:
    with pytest.raises(RecoveryPolicyError) as caught:
        RecoveryPolicy.from_dict(given_by_file)
    assert caught.value.field == field
    assert field in str(caught.value)


def test_a_slip_is_answered_with_a_suggestion() -> None:
    with pytest.raises(RecoveryPolicyError, match="did you mean max_retries"):
        RecoveryPolicy.from_dict({"max_retry": 1})
    with pytest.raises(RecoveryPolicyError, match="did you mean patient"):
        RecoveryPolicy.from_name("patent")


FIELDS = st.dictionaries(
    st.sampled_from(
        ["max_retries", "base_delay", "strategy", "breaker", "timeout", "agent_overrides", "preset", "x"]
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner, max_size=2),
        max_leaves=5,
    ),
)


@given(FIELDS)
def test_any_file_gives_a_policy_or_a_typed_error(given_by_file: dict[str, Any]) -> None:
    with contextlib.suppress(RecoveryPolicyError):
        RecoveryPolicy.from_dict(given_by_file)


def test_a_configuration_lies_over_the_policies() -> None:
    limits = {"timeout_seconds": 60.0, "max_timeout_seconds": 300.0, "max_retries": 4, "fallback_to_llm": False}
    policy = RecoveryPolicy.from_config({"agent_recovery": limits})
    assert (policy.max_retries, policy.fallback_to_llm) == (4, False)
    assert policy.timeout == TimeoutPolicy(initial_s=60, max_timeout_s=300)
    over = RecoveryPolicy.from_config({"agent_recovery": limits, "spawner": {"recovery": {"max_retries": 1}}})
    assert (over.max_retries, over.fallback_to_llm) == (1, False)
    named = RecoveryPolicy.from_config({"agent_recovery": limits, "spawner": {"recovery": {"preset": "patient"}}})
    assert (named.max_retries, named.fallback_to_llm) == (3, True)
    assert RecoveryPolicy.from_config({}) == RecoveryPolicy()


def test_policies_and_configuration_say_how_long_a_provider_is_waited_for() -> None:
    assert RecoveryPolicy().max_provider_wait == 900
    limits = {"agent_recovery": {"max_provider_wait_seconds": 60.0}}
    assert RecoveryPolicy.from_config(limits).max_provider_wait == 60
    over = {**limits, "spawner": {"recovery": {"max_provider_wait": None}}}
    assert RecoveryPolicy.from_config(over).max_provider_wait is None
    with pytest.raises(RecoveryPolicyError, match=r"max_provider_wait.*at least 0"):
        RecoveryPolicy.from_dict({"max_provider_wait": -1})


def test_a_limit_above_the_maximum_is_not_extended() -> None:
    policy = RecoveryPolicy.from_config({"agent_recovery": {"timeout_seconds": 900.0}})
    assert policy.timeout == TimeoutPolicy(initial_s=900, max_timeout_s=900)
    endless = RecoveryPolicy.from_config({"agent_recovery": {"timeout_seconds": 9.0, "max_timeout_seconds": 0.0}})
    assert endless.timeout == TimeoutPolicy(initial_s=9, max_timeout_s=0)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"spawner": 3}, "spawner"),
        ({"spawner": {"recovery": "patient"}}, "spawner.recovery"),
        ({"spawner": {"recovery": {"jitter": 3}}}, "spawner.recovery.jitter"),
        ({"agent_recovery": {"timeout_seconds": "1"}}, "agent_recovery.timeout_seconds"),
    ],
)
def test_a_wrong_configuration_names_its_section(config: dict[str, Any], field: str) -> None:
    with pytest.raises(RecoveryPolicyError) as caught:
        RecoveryPolicy.from_config(config)
    assert caught.value.field == field


def test_an_override_makes_a_new_policy() -> None:
    before = RecoveryPolicy()
    after = before.with_override("slow", max_retries=5).with_override("slow", base_delay=2.0)
    assert not before.agent_overrides
    slow = after.get_for_agent("slow")
    assert (slow.max_retries, slow.base_delay, slow.max_delay) == (5, 2.0, 30)
    assert after.get_for_agent("quick").max_retries == 2
    with pytest.raises(RecoveryPolicyError):
        before.with_override("slow", max_retries=-1)


@pytest.mark.parametrize(
    ("backoff", "waits"),
    [
        (Backoff.IMMEDIATE, [0, 0, 0, 0]),
        (Backoff.FIXED, [2, 2, 2, 2]),
        (Backoff.LINEAR, [2, 4, 6, 8]),
        (Backoff.EXPONENTIAL, [2, 6, 18, 20]),
    ],
)
def test_waits_grow_as_configured(backoff: Backoff, waits: list[float]) -> None:
    policy = RecoveryPolicy(backoff=backoff, base_delay=2, backoff_factor=3, max_delay=20, jitter=False)
    assert [retry_wait_s(policy, number) for number in (1, 2, 3, 4)] == waits


POLICIES = st.builds(
    RecoveryPolicy,
    backoff=st.sampled_from(list(Backoff)),
    base_delay=st.floats(0, 100),
    max_delay=st.floats(100, 1e6),
    backoff_factor=st.floats(1, 1e6),
    jitter=st.booleans(),
)


@given(POLICIES, st.integers(1, 10_000), st.floats(0, 1))
def test_no_wait_is_longer_than_its_cap(policy: RecoveryPolicy, retry: int, chance: float) -> None:
    wait = retry_wait_s(policy, retry, chance=chance)
    whole = retry_wait_s(policy, retry, chance=1)
    assert 0 <= wait <= whole <= policy.max_delay
    assert wait >= whole / 2
    if not policy.jitter:
        assert wait == whole


@pytest.mark.parametrize("name", ["default", "patient", "fast_fail", "production", "development"])
def test_limits_of_time_have_presets_too(name: str) -> None:
    limits = TimeoutPolicy.from_name(name)
    assert RecoveryPolicy.from_dict({"timeout": name}).timeout == limits
    assert (limits == TimeoutPolicy()) == (name == "default")


def test_an_unknown_preset_of_time_is_refused() -> None:
    with pytest.raises(RecoveryPolicyError, match="did you mean patient") as caught:
        RecoveryPolicy.from_dict({"timeout": "patent"})
    assert caught.value.field == "timeout"


def test_presets_are_the_five() -> None:
    assert set(PRESETS) == {"default", "aggressive_retry", "fast_fallback", "no_recovery", "patient"}
