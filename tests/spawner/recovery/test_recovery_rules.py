"""Limits of time, stalls, histories, health, batches and metrics: rules without processes."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_spawner.classification.causes import Cause, ErrorCategory
from aurora_spawner.classification.classifier import Classification
from aurora_spawner.liveness.stall_detection import ActivitySample, StallDetector
from aurora_spawner.rate_limits.gate import ProviderGate
from aurora_spawner.recovery.breaker import CircuitBreaker
from aurora_spawner.recovery.health import Health, health_of
from aurora_spawner.recovery.history import AgentHistory, adapted, hedge_delay_s, preset_for
from aurora_spawner.recovery.machine import RecoveryStateMachine
from aurora_spawner.recovery.metrics import RecoverySummary
from aurora_spawner.recovery.policy import RecoveryPolicy
from aurora_spawner.recovery.policy_parts import EarlyDetection, TimeoutMode, TimeoutPolicy
from aurora_spawner.recovery.run_breaker import RunBreaker
from aurora_spawner.recovery.timeouts import judge_time, limits_of, percentile

# Time limits.


def test_what_the_task_asks_for_counts_as_it_is() -> None:
    assert limits_of(TimeoutPolicy(), explicit_s=7.0).hard_s == 7
    assert not limits_of(TimeoutPolicy(), explicit_s=7.0).watched
    assert limits_of(None, explicit_s=None).hard_s is None


def test_a_fixed_limit_is_not_extended() -> None:
    limits = limits_of(TimeoutPolicy(mode=TimeoutMode.FIXED, initial_s=60), explicit_s=None)
    assert limits.hard_s == 60
    assert not limits.watched


def test_a_progressive_limit_is_extended_while_there_is_activity() -> None:
    limits = limits_of(TimeoutPolicy(initial_s=100, max_timeout_s=300), explicit_s=None)
    assert limits.hard_s == 300
    active = judge_time(limits, age_s=100, last_activity_s=99)
    assert active.expired is None
    assert active.next_check_s == 99 + limits.quiet_s
    quiet = judge_time(limits, age_s=130, last_activity_s=99)
    assert quiet.expired is not None
    assert "quiet for 31 s" in quiet.expired


def test_no_maximum_means_no_hard_limit() -> None:
    assert limits_of(TimeoutPolicy(initial_s=10, max_timeout_s=0), explicit_s=None).hard_s is None


def test_an_adaptive_limit_follows_the_agents_history() -> None:
    policy = TimeoutPolicy(mode=TimeoutMode.ADAPTIVE, initial_s=100, max_timeout_s=600, margin=2)
    history = [10.0] * 19 + [20.0]
    known = limits_of(policy, explicit_s=None, durations_s=history)
    assert known.hard_s == pytest.approx(2 * percentile(history, 0.95))
    assert limits_of(policy, explicit_s=None, durations_s=[10.0] * 4).first_check_s == 100, "too little is known"
    assert limits_of(policy, explicit_s=None, durations_s=[1e6] * 9).hard_s == 600


def test_idle_and_start_up_limits_end_an_attempt_early() -> None:
    limits = limits_of(TimeoutPolicy(initial_s=100, idle_s=20, startup_s=5), explicit_s=None)
    assert judge_time(limits, age_s=4, last_activity_s=None).next_check_s == 5
    assert "first 5 s" in str(judge_time(limits, age_s=5, last_activity_s=None).expired)
    assert judge_time(limits, age_s=5, last_activity_s=1).expired is None
    assert "idle for 20 s" in str(judge_time(limits, age_s=21, last_activity_s=1).expired)


@given(
    st.floats(1, 100),
    st.floats(0, 500),
    st.floats(0, 50),
    st.floats(0, 50),
    st.floats(0, 1000),
    st.one_of(st.none(), st.floats(0, 1)),
)
def test_checks_never_go_back_in_time(
    initial: float, more: float, idle: float, startup: float, age: float, share: float | None
) -> None:
    policy = TimeoutPolicy(initial_s=initial, max_timeout_s=initial + more, idle_s=idle, startup_s=startup)
    limits = limits_of(policy, explicit_s=None)
    verdict = judge_time(limits, age_s=age, last_activity_s=None if share is None else age * share)
    assert verdict.next_check_s is None or verdict.next_check_s >= age


# Stalls.

WATCH = EarlyDetection(threshold_s=10)


def quiet(at: float, **seen: object) -> ActivitySample:
    return dataclasses.replace(ActivitySample(at=at, cpu_s=0.1, commands=frozenset({"agent"})), **seen)  # type: ignore[arg-type]


def after(*samples: ActivitySample) -> StallDetector:
    detector = StallDetector.start(0.0)
    for sample in samples:
        detector = detector.after(sample)
    return detector


def test_two_samples_without_activity_after_the_threshold_are_a_stall() -> None:
    detector = after(quiet(8), quiet(9))
    assert not detector.verdict(WATCH, 9).stalled
    verdict = detector.after(quiet(10)).verdict(WATCH, 10)
    assert verdict.stalled
    assert verdict.reason == "no activity for 10 s"
    assert not after(quiet(12)).verdict(WATCH, 12).stalled, "one sample is not enough"
    sure = dataclasses.replace(WATCH, checks=3)
    assert not after(quiet(11), quiet(12)).verdict(sure, 12).stalled
    assert after(quiet(10), quiet(11), quiet(12)).verdict(sure, 12).stalled
    assert after(quiet(12)).verdict(dataclasses.replace(WATCH, checks=1), 12).stalled


@pytest.mark.parametrize(
    "sign",
    [
        {"new_output": True, "output_at": 9.0},
        {"cpu_s": 0.7},
        {"cpu_s": 0.2, "queued_s": {7: 9.5}},
        {"cpu_s": 0.9, "queued_s": {7: 1.0}},
        {"io_bytes": {7: 10_000}},
        {"io_bytes": {7: 10_000, 8: -300_000}},
        {"commands": frozenset({"agent", "pytest"})},
    ],
)
def test_any_activity_restarts_the_wait(sign: dict[str, object]) -> None:
    detector = after(quiet(8, queued_s={7: 9.0}, io_bytes={7: 0, 8: 0}), quiet(9, **sign))
    assert not detector.after(quiet(10)).after(quiet(18)).verdict(WATCH, 18).stalled


def test_a_heartbeat_is_no_activity() -> None:
    samples = [quiet(at, output_bytes=int(at) * 10, cpu_s=0.1 + at / 1000) for at in range(2, 13)]
    verdict = after(*samples).verdict(WATCH, 12)
    assert verdict.stalled
    assert verdict.reason == "repeating itself for 12 s"


def test_a_program_that_wakes_up_now_and_then_is_no_activity() -> None:
    """The figures of OpenCode without an answer of its model, on two processors with five busy processes."""
    shares = (0.134, 0.217, 0.212, 0.125, 0.052, 0.437, 0.139, 0.25, 0.158, 0.163, 0.11, 0.2)
    cpu_s, queued_s, samples = 0.1, 0.0, []
    for second, share in enumerate(shares, start=1):
        cpu_s, queued_s = cpu_s + share / 2, queued_s + share / 2
        samples.append(quiet(second, cpu_s=cpu_s, queued_s={7: queued_s}))
    assert after(*samples).verdict(WATCH, 12).stalled


def test_children_of_a_loop_are_no_activity() -> None:
    samples = [quiet(at, commands=frozenset({"agent", "sleep #"}), io_bytes={at: 9_000}) for at in range(2, 16)]
    assert after(*samples).verdict(WATCH, 15).stalled


def test_a_wait_for_approval_is_never_a_stall() -> None:
    detector = after(quiet(8), quiet(50, approval_wait=True), quiet(99, approval_wait=True))
    assert detector.verdict(WATCH, 99) == dataclasses.replace(detector.verdict(WATCH, 99), stalled=False)
    assert detector.waiting_for(99) == "waiting for approval"


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        ({"tool": "pytest"}, "tool running: pytest 80 s"),
        ({"model_wait": True}, "waiting for the model 130 s"),
        ({"input_wait": True}, "waiting for input 130 s"),
        ({}, "no activity for 130 s"),
    ],
)
def test_the_reason_is_exact(seen: dict[str, object], reason: str) -> None:
    detector = after(quiet(10), quiet(50, **seen), quiet(129, **seen))
    assert detector.waiting_for(130) == reason


def test_detection_can_be_switched_off() -> None:
    detector = after(quiet(8), quiet(50), quiet(99))
    assert detector.verdict(WATCH, 99).stalled
    assert not detector.verdict(EarlyDetection(threshold_s=10, enabled=False), 99).stalled


# Histories.


def history(durations: int, **failures: int) -> AgentHistory:
    return AgentHistory(
        agent="a",
        durations_s=tuple(float(n + 1) for n in range(durations)),
        failures={ErrorCategory(kind): count for kind, count in failures.items()},
    )


@pytest.mark.parametrize(
    ("known", "preset"),
    [
        (history(5), None),
        (history(100, transient=2), None),
        (history(10, permanent=20), "fast_fallback"),
        (history(10, timeout=10), "patient"),
        (history(30, transient=20), "aggressive_retry"),
        (history(5, unknown=25), "fast_fallback"),
    ],
)
def test_the_history_chooses_the_preset(known: AgentHistory, preset: str | None) -> None:
    choice = preset_for(known)
    assert (choice[0] if choice else None) == preset


def test_only_an_adaptive_policy_adapts() -> None:
    known = history(10, permanent=20)
    assert adapted(RecoveryPolicy(), known) == RecoveryPolicy()
    assert adapted(RecoveryPolicy(adaptive=True), known).max_retries == 0
    assert adapted(RecoveryPolicy(adaptive=True), history(100)).max_retries == 2


def test_a_hedge_begins_beyond_the_usual() -> None:
    known = history(21)
    assert known.usual_p95_s == 20
    policy = RecoveryPolicy(hedge_after=1.5)
    assert hedge_delay_s(policy, known, critical=True) == 30
    assert hedge_delay_s(policy, known, critical=False) is None
    assert hedge_delay_s(policy, history(4), critical=True) is None
    assert hedge_delay_s(RecoveryPolicy(), known, critical=True) is None


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_a_percentile_lies_among_its_values(values: list[float], share: float) -> None:
    assert min(values) <= percentile(values, share) <= max(values) * (1 + 1e-9)


# Health, batches, metrics.


def test_health_says_why() -> None:
    assert health_of("a", 0.0).health is Health.HEALTHY
    opened = CircuitBreaker(agent="a").failed(0.0).failed(1.0)
    down = health_of("a", 31.0, breaker=opened)
    assert (down.health, down.reasons) == (Health.UNAVAILABLE, ("its circuit is open for another 90 s",))
    shaky = health_of("a", 1.0, breaker=CircuitBreaker(agent="a").failed(0.0))
    assert shaky.health is Health.DEGRADED
    assert shaky.failures_per_min == pytest.approx(0.2)
    gate = ProviderGate(provider="p").limited(0.0, began=0.0, retry_after_s=10, reason="429", chance=0)
    assert health_of("a", 4.0, gate=gate).reasons == ("its provider is paused for another 6 s: 429",)
    assert health_of("a", 4.0, gate=gate.refused(4.0, reason="401")).reasons == ("401",)
    assert health_of("a", 0.0, history=history(10, unknown=10)).health is Health.DEGRADED


def test_a_run_breaker_trips_beyond_its_rate_and_not_before_enough_is_known() -> None:
    policy = RecoveryPolicy(max_failure_rate=0.5, min_batch=4)
    breaker = RunBreaker()
    for success in (False, False, False):
        breaker = breaker.after(success=success)
        assert not breaker.tripped(policy)
    breaker = breaker.after(success=True)
    assert breaker.tripped(policy)
    assert breaker.describe(policy) == "3 of 4 tasks failed, more than 50%"
    assert not breaker.tripped(RecoveryPolicy())
    assert not RunBreaker(succeeded=2, failed=2).tripped(policy)


def test_metrics_count_by_agent_and_kind() -> None:
    now = [0.0]
    machine = RecoveryStateMachine(RecoveryPolicy(max_retries=1), clock=lambda: now[0])
    why = Classification(category=ErrorCategory.TRANSIENT, cause=Cause.NETWORK, evidence="test")
    state = machine.create_task_state("1", "a", fallbacks=("b",))
    state.start()
    state.defer(why)
    state.start()
    now[0] = 10.0
    state.fail("x", why)
    state.start_retry()
    state.fail("x", why)
    state.start_fallback()
    now[0] = 17.0
    state.succeed()
    plain = machine.create_task_state("2", "a")
    plain.start()
    plain.succeed()
    blocked = machine.create_task_state("3", "a", fallbacks=())
    blocked.circuit_open()
    blocked.give_up("x")
    summary = RecoverySummary.of([state, plain, blocked])
    assert (summary.succeeded, summary.recovered, summary.failed) == (2, 1, 1)
    counted = summary.to_dict()
    assert counted["by_agent"]["a"] == {
        "attempts": 3,
        "successes": 1,
        "failures": 2,
        "deferred": 1,
        "success_rate": 1 / 3,
        "recovery_time_s": None,
    }
    assert counted["by_agent"]["b"]["recovery_time_s"] == 7
    assert counted["recovery_time_by_category_s"] == {"transient": 7}
    assert (counted["retries"], counted["fallbacks"], counted["circuit_blocks"]) == (1, 1, 1)
    assert counted["by_cause"] == {"network": 2}
    assert summary.tasks["1"].category is ErrorCategory.TRANSIENT
    assert summary.tasks["1"].path == state.recovery_path
