"""What a run's recovery decides before and after attempts, with a clock that is set by hand and no processes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from aurora_spawner import RecoveryPolicy, RecoverySettings, SpawnResult, SpawnTask, TaskState
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd
from aurora_spawner.journal.facts import BreakerMoved, ProviderMoved, RecoveryTransitioned
from aurora_spawner.recovery.actions import AfterAttempt, Fallback, Final, GiveUp, MoveTo, Retry, Start, Wait
from aurora_spawner.recovery.breaker import CircuitBreaker
from aurora_spawner.recovery.health import health_of
from aurora_spawner.recovery.history import AgentHistory
from aurora_spawner.recovery.policy_parts import BreakerPolicy, TimeoutPolicy
from aurora_spawner.recovery.restore import RestoredRecovery
from aurora_spawner.recovery.run_recovery import DEFERRAL_LIMIT, HELD_S, RunRecovery
from aurora_spawner.recovery.states import RecoveryState
from aurora_spawner.tasks.run_events import TaskDeferred, TaskFellBack, TaskRetried
from aurora_spawner.tasks.usage_windows import UsageWindow
from aurora_spawner.testing import SimulatedBackend

S = RecoveryState
NOTHING = RestoredRecovery(changes={}, due={}, breakers=(), histories={})
BACKENDS = {name: SimulatedBackend(name) for name in ("a", "b", "model")}
LIMITED = AttemptEnd(reason=EndReason.EXITED, exit_code=1, stderr="429 Too Many Requests\nretry-after: 5")
REFUSED = AttemptEnd(reason=EndReason.EXITED, exit_code=1, stderr="401 Unauthorized")
BROKEN = AttemptEnd(reason=EndReason.EXITED, exit_code=3)


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
    restored: RestoredRecovery = NOTHING,
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
        settings, run_id=run_id, backends=BACKENDS, agent_of=lambda task: task.agent or "a", restored=restored
    )


def task(number: int = 1, agent: str = "a", **more: Any) -> SpawnTask:
    return SpawnTask("go", agent, id=str(number), **more)


def fail(recovery: RunRecovery, of: SpawnTask, end: AttemptEnd, error: str = "it broke") -> AfterAttempt:
    return recovery.after(of, end, failure(of, error))


def succeed(recovery: RunRecovery, of: SpawnTask) -> AfterAttempt:
    done = AttemptEnd(reason=EndReason.EXITED, exit_code=0)
    result = SpawnResult(task_id=str(of.id), agent=recovery.agent_of(of), state=TaskState.SUCCEEDED)
    return recovery.after(of, done, result)


def cancel(recovery: RunRecovery, of: SpawnTask) -> AfterAttempt:
    return recovery.after(of, AttemptEnd(reason=EndReason.CANCELLED), failure(of, "cancelled"), cancelled=True)


def failure(of: SpawnTask, error: str = "it broke") -> SpawnResult:
    return SpawnResult(task_id=str(of.id), agent=of.agent or "a", state=TaskState.FAILED, error=error)


def state_of(recovery: RunRecovery, of: SpawnTask) -> RecoveryState:
    state = recovery.machine.get_task_state(str(of.id))
    assert state is not None
    return state.state


def test_a_failure_is_followed_by_a_retry_and_its_wait() -> None:
    recovery, one = make(), task()
    assert recovery.before(one) == Start()
    following = fail(recovery, one, BROKEN)
    assert isinstance(following, Retry)
    assert (following.after_s, type(following.event)) == (1.0, TaskRetried)
    assert recovery.before(one) == Start()
    again = fail(recovery, one, BROKEN)
    assert isinstance(again, Retry)
    assert again.after_s == 2.0


def test_the_facts_of_a_task_are_handed_out_once_and_carry_the_due_time() -> None:
    clock = Clock()
    recovery, one = make(clock=clock), task()
    recovery.before(one)
    fail(recovery, one, BROKEN)
    facts = [fact for fact in recovery.outbox.take_facts("1") if isinstance(fact, RecoveryTransitioned)]
    assert [(fact.change["to_state"], fact.due, fact.waits) for fact in facts] == [
        ("executing", None, False),
        ("retry_pending", clock.now + 1.0, True),
    ]
    assert [type(fact) for fact in recovery.outbox.take_facts(None)] == [BreakerMoved]
    assert recovery.outbox.take_facts("1") == []
    assert recovery.outbox.take_facts(None) == []


def test_a_rate_limit_holds_all_agents_of_the_provider_until_one_has_probed() -> None:
    clock = Clock()
    recovery, one = make(clock=clock), task()
    assert recovery.admits("a")
    recovery.before(one)
    assert fail(recovery, one, LIMITED) == Retry(after_s=0.0, event=TaskDeferred(task_id="1"))
    assert state_of(recovery, one) is S.INITIAL
    assert not recovery.admits("a")
    assert recovery.providers.held == {"a": clock.now + 5}
    assert recovery.admits("b"), "another provider"
    clock.now += 5.1
    assert recovery.admits("a")
    assert not recovery.admits("a"), "one probe"
    recovery.before(one)
    succeed(recovery, one)
    clock.now += 1.1
    assert recovery.admits("a")
    assert recovery.providers.held == {}
    moves = [fact for fact in recovery.outbox.take_facts(None) if isinstance(fact, ProviderMoved)]
    assert [move.gate["state"] for move in moves] == ["paused", "probing", "ramping"], (
        "each on which a decision rests"
    )


def test_rate_limits_without_end_become_failures_at_last() -> None:
    recovery, one = make(RecoveryPolicy(max_retries=0, fallback_to_llm=False), fallbacks={}), task()
    for _ in range(DEFERRAL_LIMIT):
        assert recovery.before(one) == Start()
        assert isinstance(fail(recovery, one, LIMITED), Retry)
    recovery.before(one)
    assert fail(recovery, one, LIMITED) == Final(error="it broke")


def test_a_refused_key_moves_who_waits_for_a_retry() -> None:
    recovery, one, two = make(), task(1), task(2)
    recovery.before(one)
    fail(recovery, one, BROKEN)
    recovery.before(two)
    following = fail(recovery, two, REFUSED, "401")
    assert isinstance(following, Fallback)
    assert (type(following.event), following.agent, recovery.agent_of(two)) == (TaskFellBack, "b", "b")
    assert recovery.before(one) == MoveTo(agent="b")
    assert (state_of(recovery, one), recovery.agent_of(one)) == (S.FALLBACK_PENDING, "b")


def test_without_anybody_else_a_refused_key_fails_every_task_with_the_same_words() -> None:
    recovery = make(RecoveryPolicy(fallback_to_llm=False), fallbacks={"b": ()})
    one, two = task(1), task(2)
    recovery.before(one)
    first = fail(recovery, one, REFUSED, "401")
    assert isinstance(first, Final)
    assert recovery.before(two) == GiveUp(error=str(first.error))
    assert "sign in" in str(first.error)


def test_a_fallback_whose_circuit_is_open_is_passed_over() -> None:
    recovery = make(RecoveryPolicy(max_retries=0))
    for number in (1, 2):
        other = task(number, "b")
        recovery.before(other)
        fail(recovery, other, BROKEN)
    one = task(3)
    recovery.before(one)
    fail(recovery, one, BROKEN)
    assert recovery.agent_of(one) == "model"


def test_a_fallback_that_opens_while_it_is_waited_for_is_passed_over_too() -> None:
    recovery = make(RecoveryPolicy(max_retries=0))
    one = task(1)
    recovery.before(one)
    fail(recovery, one, BROKEN)
    assert recovery.agent_of(one) == "b"
    for number in (2, 3):
        other = task(number, "b")
        recovery.before(other)
        fail(recovery, other, BROKEN)
    assert recovery.before(one) == MoveTo(agent="model")
    assert recovery.agent_of(one) == "model"
    assert recovery.before(one) == Start()


def test_after_its_rest_an_agent_gets_one_trial() -> None:
    clock = Clock()
    policy = RecoveryPolicy(max_retries=0, fallback_to_llm=False, breaker=BreakerPolicy(reset_timeout=60))
    recovery = make(policy, clock=clock, fallbacks={})
    for number in (1, 2):
        recovery.before(task(number))
        fail(recovery, task(number), BROKEN)
    assert isinstance(recovery.before(task(3)), GiveUp)
    clock.now += 61
    assert recovery.before(task(4)) == Start()
    assert isinstance(recovery.before(task(5)), GiveUp)
    recovery.cut_off(task(4))
    assert recovery.before(task(6)) == Start(), "a trial that never was is free again"
    succeed(recovery, task(6))
    assert recovery.before(task(7)) == Start()


def test_a_cancelled_task_is_given_up_and_a_cut_off_one_is_not() -> None:
    recovery = make()
    recovery.before(task(1))
    recovery.before(task(2))
    assert cancel(recovery, task(1)) == Final()
    recovery.cut_off(task(2))
    assert state_of(recovery, task(1)) is S.FAILED
    assert state_of(recovery, task(2)) is S.INITIAL
    cancel(recovery, task(3))
    assert recovery.machine.get_task_state("3") is None


def test_a_result_says_what_it_came_from() -> None:
    recovery, one = make(RecoveryPolicy(max_retries=1, jitter=False)), task()
    recovery.before(one)
    fail(recovery, one, BROKEN)
    recovery.before(one)
    fail(recovery, one, BROKEN)
    recovery.before(one)
    succeed(recovery, one)
    done = SpawnResult(task_id="1", agent="b", state=TaskState.SUCCEEDED, retry_count=9)
    told = recovery.settled(one, done)
    assert (told.fallback, told.original_agent, told.retry_count) == (True, "a", 1)
    assert recovery.settled(task(2), done) is done


def test_a_resume_goes_on_where_the_other_left_off() -> None:
    before, one, two = make(), task(1), task(2)
    for each in (one, two):
        before.before(each)
    fail(before, one, BROKEN)
    changes = {
        task_id: tuple(before.machine._tasks[task_id].transitions)  # what a journal would hold
        for task_id in ("1", "2")
    }
    restored = RestoredRecovery(
        changes=changes, due={"1": 1_001.0}, breakers=tuple(before.machine.breakers.values()), histories={}
    )
    heir = make(restored=restored)
    assert heir.resume([one, two], attempted={"2"}) == {"1": 1.0}
    assert (state_of(heir, one), state_of(heir, two)) == (S.RETRY_PENDING, S.EXECUTING)
    assert heir.machine.breakers == before.machine.breakers
    alone = make(restored=restored)
    alone.resume([one, two], attempted=set())
    assert state_of(alone, two) is S.INITIAL
    assert heir._metrics.failures["a"] == 1


def test_a_resumed_run_takes_back_its_own_probe_and_no_other(tmp_path: Path) -> None:
    clock = Clock()
    first = make(clock=clock, state_dir=tmp_path, run_id="one")
    first.before(task())
    fail(first, task(), LIMITED)
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
    restored = RestoredRecovery(changes={}, due={}, breakers=(), histories=histories)
    policy = RecoveryPolicy.from_dict({"timeout": {"mode": "adaptive", "margin": 3}})
    recovery = make(policy, restored=restored)
    assert recovery.limits(task(), explicit_s=None, default_s=5.0).hard_s == pytest.approx(30)
    assert recovery.limits(task(), explicit_s=7.0, default_s=5.0).hard_s == 7
    assert recovery.limits(task(agent="b"), explicit_s=None, default_s=5.0).first_check_s == 120
    plain = make(RecoveryPolicy())
    assert plain.limits(task(), explicit_s=None, default_s=5.0).hard_s == 5
    own = make(RecoveryPolicy().with_override("b", timeout=TimeoutPolicy(initial_s=3)))
    assert own.limits(task(agent="b"), explicit_s=None, default_s=None).first_check_s == 3


def test_every_agent_that_has_tasks_has_its_health() -> None:
    recovery = make(RecoveryPolicy(max_retries=0))
    assert recovery.admits("a")
    recovery.before(task())
    fail(recovery, task(), REFUSED)
    assert recovery.admits("b")
    health = {each.agent: str(each.health) for each in recovery.health()}
    assert health == {"a": "unavailable", "b": "healthy"}
    assert [gate["state"] for gate in recovery.providers.waiting()] == ["stopped"]


def test_only_paused_providers_of_this_run_are_reported(tmp_path: Path) -> None:
    clock = Clock()
    mine, other = make(clock=clock, state_dir=tmp_path), make(clock=clock, state_dir=tmp_path, run_id="other")
    assert other.admits("b")
    other.before(task(agent="b"))
    fail(other, task(agent="b"), LIMITED)
    assert mine.admits("a")
    assert (mine.providers.waiting(), [each.agent for each in mine.health()]) == ([], ["a"])
    assert [gate["state"] for gate in other.providers.waiting()] == ["paused"]
    clock.now += 4.9
    assert "paused for another 1 s" in other.health()[0].reasons[0]
    clock.now += 60
    assert other.providers.waiting() == []
    (health,) = other.health()
    assert (str(health.health), health.reasons[0].split(":")[0]) == (
        "degraded",
        "its provider's pause is over, the next attempt probes",
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
    assert on_trial.reasons == ("its circuit is half open: a trial is running",)
    assert health_of("a", 501.0, breaker=breaker.succeeded()).reasons == ()


OVERLOADED = AttemptEnd(reason=EndReason.EXITED, exit_code=1, stderr="503 Service Unavailable: overloaded")


def wait_in_vain(recovery: RunRecovery, clock: Clock, *tasks: SpawnTask) -> int:
    """Let a provider refuse one task after another until its wait exceeds the limit; returns the attempts."""
    attempts = 0
    while attempts < 100:
        assert recovery.admits("a")
        if recovery.before(tasks[0]) != Start():
            return attempts
        attempts += 1
        fail(recovery, tasks[0], OVERLOADED)
        if not recovery.admits("a"):
            clock.now = recovery.providers.held["a"]
    return attempts


def test_a_provider_that_never_answers_is_left_for_the_next_of_the_chain() -> None:
    clock = Clock()
    recovery, one, other = make(clock=clock), task(1), task(2)
    attempts = wait_in_vain(recovery, clock, one)
    assert attempts == 12
    assert 40 < clock.now - 1_000 <= 60, "a fallback stands ready, and the provider has named no time"
    assert (recovery.agent_of(one), state_of(recovery, one)) == ("b", S.CIRCUIT_OPEN)
    assert recovery.providers.held == {}, "nobody waits any more"
    assert recovery.before(other) == MoveTo(agent="b"), "one that was waiting beside it"
    assert recovery.before(one) == Start()
    succeed(recovery, one)
    state = recovery.machine.get_task_state("1")
    assert state is not None
    assert state.retries == 0, "waiting has cost nothing"


def test_without_a_chain_one_message_names_the_wait_and_the_next_step() -> None:
    clock, policy = Clock(), RecoveryPolicy(fallback_to_llm=False)
    recovery, one, other = make(policy, clock=clock, fallbacks={}), task(1), task(2)
    wait_in_vain(recovery, clock, one)
    assert isinstance(recovery.before(other), GiveUp)
    errors = {state.last_error for each in ("1", "2") if (state := recovery.machine.get_task_state(each))}
    assert len(errors) == 1
    error = str(errors.pop())
    for said in ("798 s in 20 pauses without an answer", "max_provider_wait (900 s)", "resume the run", "it broke"):
        assert said in error


def test_the_wait_is_counted_by_provider_and_survives_its_run(tmp_path: Path) -> None:
    clock = Clock()
    first = make(clock=clock, state_dir=tmp_path, run_id="first")
    for _ in range(5):
        assert first.admits("a")
        first.before(task())
        fail(first, task(), OVERLOADED)
        clock.now = first.providers.store.gate(first._rules.provider("a")).until
    second = make(clock=clock, state_dir=tmp_path, run_id="second")  # the first was killed, and never closed
    assert wait_in_vain(second, clock, task(7)) == 12 - 5


def test_after_the_pause_one_attempt_probes_and_an_answer_resets_the_wait() -> None:
    clock = Clock()
    recovery = make(clock=clock)
    wait_in_vain(recovery, clock, task(1))
    clock.now = recovery.providers.store.gate(recovery._rules.provider("a")).until
    assert recovery.admits("a")
    assert recovery.before(task(3)) == Start()
    succeed(recovery, task(3))
    assert recovery.providers.store.gate(recovery._rules.provider("a")).waited_s == 0


def test_a_fallback_that_is_not_waited_for_is_passed_over() -> None:
    recovery = make(RecoveryPolicy(max_retries=0, max_provider_wait=100.0))
    recovery.providers.store.limited(recovery._rules.provider("b"), began=0.0, retry_after_s=500.0, reason="later")
    one = task()
    recovery.before(one)
    fail(recovery, one, BROKEN)
    assert recovery.agent_of(one) == "model"


def test_a_task_that_has_used_up_its_chain_waits_alone_without_a_slot() -> None:
    """It was given to `b`, whose own chain has `a`; the task's chain has no agent left."""
    clock = Clock()
    recovery = make(
        RecoveryPolicy(max_retries=0, fallback_to_llm=False), clock=clock, fallbacks={"a": ("b",), "b": ("a",)}
    )
    one = task()
    recovery.before(one)
    fail(recovery, one, BROKEN)
    assert recovery.agent_of(one) == "b"
    window = UsageWindow(name="weekly", exhausted=True, resets_at=clock.now + 90_000)
    recovery.providers.store.limited(
        recovery._rules.provider("b"), began=clock.now, retry_after_s=None, reason="429", window=window
    )
    assert recovery.admits("b"), "others of b go on with a"
    assert recovery.before(one) == Wait(after_s=HELD_S)
    assert recovery.before(SpawnTask("go", "b", id="two")) == MoveTo(agent="a")
    clock.now += 90_031
    assert recovery.admits("b")
    assert recovery.before(one) == Start()
