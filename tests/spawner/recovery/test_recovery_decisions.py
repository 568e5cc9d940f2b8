"""What a run's recovery decides before and after attempts, with a clock that is set by hand and no processes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from aurora_spawner import (
    RecoveryPolicy,
    RecoverySettings,
    SpawnResult,
    SpawnTask,
    TaskDeferred,
    TaskFellBack,
    TaskRetried,
    TaskState,
)
from aurora_spawner.attempts.executor import AttemptEnd
from aurora_spawner.journal.facts import BreakerMoved, ProviderMoved, RecoveryTransitioned
from aurora_spawner.recovery.breaker import CircuitBreaker
from aurora_spawner.recovery.health import health_of
from aurora_spawner.recovery.history import AgentHistory
from aurora_spawner.recovery.policy import BreakerPolicy, TimeoutPolicy
from aurora_spawner.recovery.restore import RecoveryStanding
from aurora_spawner.recovery.run_recovery import DEFERRAL_LIMIT, Entry, RunRecovery
from aurora_spawner.recovery.states import RecoveryState
from aurora_spawner.tasks.usage_windows import UsageWindow
from aurora_spawner.testing import SimulatedBackend

S = RecoveryState
NOTHING = RecoveryStanding(changes={}, due={}, breakers=(), histories={})
BACKENDS = {name: SimulatedBackend(name) for name in ("a", "b", "model")}
LIMITED = AttemptEnd(reason="exited", exit_code=1, stderr="429 Too Many Requests\nretry-after: 5")
REFUSED = AttemptEnd(reason="exited", exit_code=1, stderr="401 Unauthorized")
BROKEN = AttemptEnd(reason="exited", exit_code=3)


class Clock:
    """Unix time as a test wants it."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def make(
    policy: RecoveryPolicy | None = None,
    *,
    clock: Clock | None = None,
    standing: RecoveryStanding = NOTHING,
    fallbacks: Mapping[str, tuple[str, ...]] | None = None,
    state_dir: Path | None = None,
    run_id: str = "run",
) -> RunRecovery:
    settings = RecoverySettings(
        policy=policy or RecoveryPolicy(jitter=False),
        fallbacks={"a": ("b",)} if fallbacks is None else fallbacks,
        state_dir=state_dir,
        clock=clock or Clock(),
        chance=lambda: 0.0,
    )
    return RunRecovery(
        settings, run_id=run_id, backends=BACKENDS, agent_of=lambda task: task.agent or "a", standing=standing
    )


def task(number: int = 1, agent: str = "a", **more: Any) -> SpawnTask:
    return SpawnTask("go", agent, id=str(number), **more)


def failure(of: SpawnTask, error: str = "it broke") -> SpawnResult:
    return SpawnResult(task_id=str(of.id), agent=of.agent or "a", state=TaskState.FAILED, error=error)


def state_of(recovery: RunRecovery, of: SpawnTask) -> RecoveryState:
    state = recovery.machine.get_task_state(str(of.id))
    assert state is not None
    return state.state


def test_a_failure_is_followed_by_a_retry_and_its_wait() -> None:
    recovery, one = make(), task()
    assert recovery.enter(one) is Entry.GO
    following = recovery.failed(one, BROKEN, failure(one))
    assert (following.again_after_s, type(following.event)) == (1.0, TaskRetried)
    assert recovery.enter(one) is Entry.GO
    assert recovery.failed(one, BROKEN, failure(one)).again_after_s == 2.0


def test_the_facts_of_a_task_are_handed_out_once_and_carry_the_due_time() -> None:
    clock = Clock()
    recovery, one = make(clock=clock), task()
    recovery.enter(one)
    recovery.failed(one, BROKEN, failure(one))
    facts = [fact for fact in recovery.take_facts("1") if isinstance(fact, RecoveryTransitioned)]
    assert [(fact.change["to_state"], fact.due, fact.waits) for fact in facts] == [
        ("executing", None, False),
        ("retry_pending", clock.now + 1.0, True),
    ]
    assert [type(fact) for fact in recovery.take_facts(None)] == [BreakerMoved]
    assert recovery.take_facts("1") == []
    assert recovery.take_facts(None) == []


def test_a_rate_limit_holds_all_agents_of_the_provider_until_one_has_probed() -> None:
    clock = Clock()
    recovery, one = make(clock=clock), task()
    assert recovery.admits("a")
    recovery.enter(one)
    following = recovery.failed(one, LIMITED, failure(one))
    assert (following.again_after_s, type(following.event)) == (0.0, TaskDeferred)
    assert state_of(recovery, one) is S.INITIAL
    assert not recovery.admits("a")
    assert recovery.held == {"a": clock.now + 5}
    assert recovery.admits("b"), "another provider"
    clock.now += 5.1
    assert recovery.admits("a")
    assert not recovery.admits("a"), "one probe"
    recovery.enter(one)
    recovery.succeeded(one)
    clock.now += 1.1
    assert recovery.admits("a")
    assert recovery.held == {}
    assert [type(fact) for fact in recovery.take_facts(None)] == [ProviderMoved, ProviderMoved]


def test_rate_limits_without_end_become_failures_at_last() -> None:
    recovery, one = make(RecoveryPolicy(max_retries=0, fallback_to_llm=False), fallbacks={}), task()
    for _ in range(DEFERRAL_LIMIT):
        assert recovery.enter(one) is Entry.GO
        assert recovery.failed(one, LIMITED, failure(one)).again_after_s == 0.0
    recovery.enter(one)
    assert recovery.failed(one, LIMITED, failure(one)).again_after_s is None


def test_a_refused_key_moves_who_waits_for_a_retry() -> None:
    recovery, one, two = make(), task(1), task(2)
    recovery.enter(one)
    recovery.failed(one, BROKEN, failure(one))
    recovery.enter(two)
    told = recovery.failed(two, REFUSED, failure(two, "401"))
    assert (type(told.event), recovery.agent_of(two)) == (TaskFellBack, "b")
    assert recovery.enter(one) is Entry.MOVED
    assert (state_of(recovery, one), recovery.agent_of(one)) == (S.FALLBACK_PENDING, "b")


def test_without_anybody_else_a_refused_key_fails_every_task_with_the_same_words() -> None:
    recovery = make(RecoveryPolicy(fallback_to_llm=False), fallbacks={"b": ()})
    one, two = task(1), task(2)
    recovery.enter(one)
    first = recovery.failed(one, REFUSED, failure(one, "401"))
    assert first.again_after_s is None
    assert recovery.enter(two) is Entry.FAILED
    state = recovery.machine.get_task_state("2")
    assert state is not None
    assert state.last_error == first.error
    assert "sign in" in str(first.error)


def test_a_fallback_whose_circuit_is_open_is_passed_over() -> None:
    recovery = make(RecoveryPolicy(max_retries=0))
    for number in (1, 2):
        other = task(number, "b")
        recovery.enter(other)
        recovery.failed(other, BROKEN, failure(other))
    one = task(3)
    recovery.enter(one)
    recovery.failed(one, BROKEN, failure(one))
    assert recovery.agent_of(one) == "model"


def test_a_fallback_that_opens_while_it_is_waited_for_is_passed_over_too() -> None:
    recovery = make(RecoveryPolicy(max_retries=0))
    one = task(1)
    recovery.enter(one)
    recovery.failed(one, BROKEN, failure(one))
    assert recovery.agent_of(one) == "b"
    for number in (2, 3):
        other = task(number, "b")
        recovery.enter(other)
        recovery.failed(other, BROKEN, failure(other))
    assert recovery.enter(one) is Entry.MOVED
    assert recovery.agent_of(one) == "model"
    assert recovery.enter(one) is Entry.GO


def test_after_its_rest_an_agent_gets_one_trial() -> None:
    clock = Clock()
    policy = RecoveryPolicy(max_retries=0, fallback_to_llm=False, breaker=BreakerPolicy(reset_timeout=60))
    recovery = make(policy, clock=clock, fallbacks={})
    for number in (1, 2):
        recovery.enter(task(number))
        recovery.failed(task(number), BROKEN, failure(task(number)))
    assert recovery.enter(task(3)) is Entry.FAILED
    clock.now += 61
    assert recovery.enter(task(4)) is Entry.GO
    assert recovery.enter(task(5)) is Entry.FAILED
    recovery.cut_off(task(4))
    assert recovery.enter(task(6)) is Entry.GO, "a trial that never was is free again"
    recovery.succeeded(task(6))
    assert recovery.enter(task(7)) is Entry.GO


def test_a_cancelled_task_is_given_up_and_a_cut_off_one_is_not() -> None:
    recovery = make()
    recovery.enter(task(1))
    recovery.enter(task(2))
    recovery.cancelled(task(1), "cancelled")
    recovery.cut_off(task(2))
    assert state_of(recovery, task(1)) is S.FAILED
    assert state_of(recovery, task(2)) is S.INITIAL
    recovery.cancelled(task(3), "never begun")
    assert recovery.machine.get_task_state("3") is None


def test_a_result_says_what_it_came_from() -> None:
    recovery, one = make(RecoveryPolicy(max_retries=1, jitter=False)), task()
    recovery.enter(one)
    recovery.failed(one, BROKEN, failure(one))
    recovery.enter(one)
    recovery.failed(one, BROKEN, failure(one))
    recovery.enter(one)
    recovery.succeeded(one)
    done = SpawnResult(task_id="1", agent="b", state=TaskState.SUCCEEDED, retry_count=9)
    told = recovery.described(one, done)
    assert (told.fallback, told.original_agent, told.retry_count) == (True, "a", 1)
    assert recovery.described(task(2), done) is done


def test_a_resume_goes_on_where_the_other_left_off() -> None:
    before, one, two = make(), task(1), task(2)
    for each in (one, two):
        before.enter(each)
    before.failed(one, BROKEN, failure(one))
    changes = {
        task_id: tuple(before.machine._tasks[task_id].transitions)  # what a journal would hold
        for task_id in ("1", "2")
    }
    standing = RecoveryStanding(
        changes=changes, due={"1": 1_001.0}, breakers=tuple(before.machine.breakers.values()), histories={}
    )
    heir = make(standing=standing)
    assert heir.resume([one, two], attempted={"2"}) == {"1": 1_001.0}
    assert (state_of(heir, one), state_of(heir, two)) == (S.RETRY_PENDING, S.EXECUTING)
    assert heir.machine.breakers == before.machine.breakers
    alone = make(standing=standing)
    alone.resume([one, two], attempted=set())
    assert state_of(alone, two) is S.INITIAL
    assert heir.metrics.failures["a"] == 1


def test_a_resumed_run_takes_back_its_own_probe_and_no_other(tmp_path: Path) -> None:
    clock = Clock()
    first = make(clock=clock, state_dir=tmp_path, run_id="one")
    first.enter(task())
    first.failed(task(), LIMITED, failure(task()))
    clock.now += 6
    assert first.admits("a")
    other = make(clock=clock, state_dir=tmp_path, run_id="two")
    other.resume([], attempted=set())
    assert not other.admits("a")
    heir = make(clock=clock, state_dir=tmp_path, run_id="one")
    heir.resume([], attempted=set())
    assert heir.admits("a")
    for each in (first, other, heir):
        each.close()


def test_limits_follow_policy_history_and_what_is_asked_for() -> None:
    histories = {"a": AgentHistory(agent="a", durations_s=(10.0,) * 10)}
    standing = RecoveryStanding(changes={}, due={}, breakers=(), histories=histories)
    policy = RecoveryPolicy.from_dict({"timeout": {"mode": "adaptive", "margin": 3}})
    recovery = make(policy, standing=standing)
    assert recovery.limits(task(), explicit_s=None, default_s=5.0).hard_s == pytest.approx(30)
    assert recovery.limits(task(), explicit_s=7.0, default_s=5.0).hard_s == 7
    assert recovery.limits(task(agent="b"), explicit_s=None, default_s=5.0).first_look_s == 120
    plain = make(RecoveryPolicy())
    assert plain.limits(task(), explicit_s=None, default_s=5.0).hard_s == 5
    own = make(RecoveryPolicy().with_override("b", timeout=TimeoutPolicy(initial_s=3)))
    assert own.limits(task(agent="b"), explicit_s=None, default_s=None).first_look_s == 3


def test_every_agent_that_has_tasks_has_its_health() -> None:
    recovery = make(RecoveryPolicy(max_retries=0))
    assert recovery.admits("a")
    recovery.enter(task())
    recovery.failed(task(), REFUSED, failure(task()))
    assert recovery.admits("b")
    health = {each.agent: str(each.health) for each in recovery.health()}
    assert health == {"a": "unavailable", "b": "healthy"}
    assert [gate["state"] for gate in recovery.waiting()] == ["stopped"]


def test_only_providers_of_this_run_are_told_and_only_while_they_pause(tmp_path: Path) -> None:
    clock = Clock()
    mine, other = make(clock=clock, state_dir=tmp_path), make(clock=clock, state_dir=tmp_path, run_id="other")
    assert other.admits("b")
    other.enter(task(agent="b"))
    other.failed(task(agent="b"), LIMITED, failure(task(agent="b")))
    assert mine.admits("a")
    assert (mine.waiting(), [each.agent for each in mine.health()]) == ([], ["a"])
    assert [gate["state"] for gate in other.waiting()] == ["paused"]
    clock.now += 4.9
    assert "paused for another 1 s" in other.health()[0].reasons[0]
    clock.now += 60
    assert other.waiting() == []
    (health,) = other.health()
    assert (str(health.health), health.reasons[0].split(":")[0]) == (
        "degraded",
        "its provider's pause is over, the next attempt finds out",
    )
    for each in (mine, other):
        each.close()


def test_a_circuit_says_whether_a_trial_is_allowed() -> None:
    breaker = CircuitBreaker(agent="a").failed(0.0, permanent=True)
    open_health, half_open = health_of("a", 119.5, breaker=breaker), health_of("a", 500.0, breaker=breaker)
    assert (str(open_health.health), open_health.reasons) == ("unavailable", ("its circuit is open for another 1 s",))
    assert str(half_open.health) == "degraded"
    assert half_open.reasons == ("its circuit is half open: the next task is a trial",)
    on_trial = health_of("a", 501.0, breaker=breaker.ask(500.0)[1])
    assert on_trial.reasons == ("its circuit is half open: one trial decides",)
    assert health_of("a", 501.0, breaker=breaker.succeeded()).reasons == ()


OVERLOADED = AttemptEnd(reason="exited", exit_code=1, stderr="503 Service Unavailable: overloaded")


def wait_in_vain(recovery: RunRecovery, clock: Clock, *tasks: SpawnTask) -> int:
    """Let a provider refuse one task after another until it is not waited for any more; returns the attempts."""
    attempts = 0
    while attempts < 100:
        assert recovery.admits("a")
        if recovery.enter(tasks[0]) is not Entry.GO:
            return attempts
        attempts += 1
        recovery.failed(tasks[0], OVERLOADED, failure(tasks[0]))
        if not recovery.admits("a"):
            clock.now = recovery.held["a"]
    return attempts


def test_a_provider_that_never_answers_is_left_for_the_next_of_the_chain() -> None:
    clock = Clock()
    recovery, one, other = make(clock=clock), task(1), task(2)
    attempts = wait_in_vain(recovery, clock, one)
    assert attempts == 12
    assert 40 < clock.now - 1_000 <= 60, "a fallback stands ready, and the provider has named no time"
    assert (recovery.agent_of(one), state_of(recovery, one)) == ("b", S.CIRCUIT_OPEN)
    assert recovery.held == {}, "nobody waits any more"
    assert recovery.enter(other) is Entry.MOVED, "one that was waiting beside it"
    assert recovery.enter(one) is Entry.GO
    recovery.succeeded(one)
    state = recovery.machine.get_task_state("1")
    assert state is not None
    assert state.retries == 0, "waiting has cost nothing"


def test_without_a_chain_one_message_says_how_long_was_waited_and_what_to_do() -> None:
    clock, policy = Clock(), RecoveryPolicy(fallback_to_llm=False)
    recovery, one, other = make(policy, clock=clock, fallbacks={}), task(1), task(2)
    wait_in_vain(recovery, clock, one)
    assert recovery.enter(other) is Entry.FAILED
    errors = {state.last_error for each in ("1", "2") if (state := recovery.machine.get_task_state(each))}
    assert len(errors) == 1
    error = str(errors.pop())
    for said in ("798 s in 20 pauses without an answer", "max_provider_wait is 900 s", "resume the run", "it broke"):
        assert said in error


def test_patience_is_counted_by_provider_and_outlives_its_run(tmp_path: Path) -> None:
    clock = Clock()
    first = make(clock=clock, state_dir=tmp_path, run_id="first")
    for _ in range(5):
        assert first.admits("a")
        first.enter(task())
        first.failed(task(), OVERLOADED, failure(task()))
        clock.now = first.store.gate(first._provider("a")).until
    second = make(clock=clock, state_dir=tmp_path, run_id="second")  # the first was killed, and never closed
    assert wait_in_vain(second, clock, task(7)) == 12 - 5


def test_after_the_pause_one_may_try_again_and_an_answer_makes_patience_whole() -> None:
    clock = Clock()
    recovery = make(clock=clock)
    wait_in_vain(recovery, clock, task(1))
    clock.now = recovery.store.gate(recovery._provider("a")).until
    assert recovery.admits("a")
    assert recovery.enter(task(3)) is Entry.GO
    recovery.succeeded(task(3))
    assert recovery.store.gate(recovery._provider("a")).waited_s == 0


def test_a_fallback_that_is_not_waited_for_is_passed_over() -> None:
    recovery = make(RecoveryPolicy(max_retries=0, max_provider_wait=100.0))
    recovery.store.limited(recovery._provider("b"), began=0.0, retry_after_s=500.0, reason="later")
    one = task()
    recovery.enter(one)
    recovery.failed(one, BROKEN, failure(one))
    assert recovery.agent_of(one) == "model"


def test_a_task_that_has_used_up_its_chain_waits_alone_without_a_slot() -> None:
    """It was given to `b`, whose own chain has `a`; the task's chain has nobody left."""
    clock = Clock()
    recovery = make(
        RecoveryPolicy(max_retries=0, fallback_to_llm=False), clock=clock, fallbacks={"a": ("b",), "b": ("a",)}
    )
    one = task()
    recovery.enter(one)
    recovery.failed(one, BROKEN, failure(one))
    assert recovery.agent_of(one) == "b"
    window = UsageWindow(name="weekly", exhausted=True, resets_at=clock.now + 90_000)
    recovery.store.limited(recovery._provider("b"), began=clock.now, retry_after_s=None, reason="429", window=window)
    assert recovery.admits("b"), "others of b go on with a"
    assert recovery.enter(one) is Entry.HELD
    assert recovery.enter(SpawnTask("go", "b", id="two")) is Entry.MOVED
    clock.now += 90_031
    assert recovery.admits("b")
    assert recovery.enter(one) is Entry.GO
