"""The recovery machine: its table, every path through it, its bounds, and its replay."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.exhaustive import examples

from aurora_spawner.classification.causes import CATEGORY_OF, Cause, ErrorCategory
from aurora_spawner.classification.classifier import Classification
from aurora_spawner.errors import IllegalTransitionError, SpawnerError
from aurora_spawner.recovery.machine import RecoveryStateMachine, RecoveryStateTransition, TaskRecoveryState
from aurora_spawner.recovery.policy import RecoveryPolicy, RecoveryStrategy
from aurora_spawner.recovery.policy_parts import BreakerPolicy
from aurora_spawner.recovery.states import RECOVERY_TRANSITIONS, RecoveryState, RecoveryStep, advance

S, E = RecoveryState, RecoveryStep


def why(cause: Cause) -> Classification:
    return Classification(category=CATEGORY_OF[cause], cause=cause, evidence="test")


def test_every_state_can_be_reached_and_final_ones_have_no_exit() -> None:
    reached, frontier = {S.INITIAL}, [S.INITIAL]
    while frontier:
        here = frontier.pop()
        onward = {to for (state, _step), to in RECOVERY_TRANSITIONS.items() if state is here} - reached
        reached |= onward
        frontier += onward
    assert reached == set(S)
    assert not [state for state, _step in RECOVERY_TRANSITIONS if state.terminal]
    assert {state for state in S if state.terminal} == {S.SUCCEEDED, S.FAILED}


def test_any_state_that_is_not_final_can_fail() -> None:
    for state in S:
        if not state.terminal:
            assert advance(state, E.GIVE_UP) is S.FAILED


@pytest.mark.parametrize("state", list(S))
@pytest.mark.parametrize("step", list(E))
def test_what_the_table_lacks_is_refused(state: RecoveryState, step: RecoveryStep) -> None:
    if (state, step) in RECOVERY_TRANSITIONS:
        assert advance(state, step) is RECOVERY_TRANSITIONS[state, step]
        return
    with pytest.raises(IllegalTransitionError) as caught:
        advance(state, step)
    assert (caught.value.state, caught.value.event) == (state, step)


def task(policy: RecoveryPolicy | None = None, fallbacks: tuple[str, ...] = ("b", "model")) -> TaskRecoveryState:
    return TaskRecoveryState(task_id="1", agent_id="a", policy=policy or RecoveryPolicy(), fallbacks=fallbacks)


def test_the_plain_path() -> None:
    state = task()
    state.start()
    state.succeed()
    assert state.recovery_path == (S.INITIAL, S.EXECUTING, S.SUCCEEDED)
    assert state.is_terminal
    assert not state.recovered


def test_a_retry_that_works() -> None:
    state = task()
    state.start()
    assert state.fail("broke") is S.RETRY_PENDING
    state.start_retry()
    state.succeed()
    assert state.recovery_path == (S.INITIAL, S.EXECUTING, S.RETRY_PENDING, S.RETRYING, S.SUCCEEDED)
    assert state.recovered
    assert (state.retries, state.agent, state.fell_back) == (1, "a", False)


def test_the_chain_is_walked_in_order_after_the_retries() -> None:
    state = task()
    state.start()
    for _ in range(2):
        assert state.fail("x") is S.RETRY_PENDING
        state.start_retry()
    asked = []
    while state.fail("x") is S.FALLBACK_PENDING:
        state.start_fallback()
        asked.append(state.agent)
    assert asked == ["b", "model"]
    assert state.state is S.FAILED
    assert len(state.recovery_path) == state.policy.longest_path(2)


def test_a_permanent_error_is_not_retried() -> None:
    state = task()
    state.start()
    assert state.fail("401", why(Cause.AUTHENTICATION)) is S.FALLBACK_PENDING
    assert state.agent == "b"


def test_an_open_circuit_goes_to_the_first_usable_agent() -> None:
    state = task()
    state.circuit_open(usable=lambda agent: agent != "b")
    state.start_fallback()
    assert state.agent == "model"
    state.succeed()
    assert state.recovery_path == (S.INITIAL, S.CIRCUIT_OPEN, S.FALLBACK_EXECUTING, S.SUCCEEDED)
    assert state.recovered


def test_an_open_circuit_without_anybody_else_fails() -> None:
    state = task(fallbacks=())
    state.circuit_open()
    with pytest.raises(SpawnerError, match="no agent left"):
        state.start_fallback()
    state.give_up("nobody")
    assert state.state is S.FAILED


_CALLS: dict[str, Callable[[TaskRecoveryState], object]] = {
    "start": lambda state: state.start(),
    "succeed": lambda state: state.succeed("b"),
    "fail": lambda state: state.fail("x"),
    "next_agent": lambda state: state.next_agent("x"),
    "start_retry": lambda state: state.start_retry(),
    "start_fallback": lambda state: state.start_fallback(),
    "circuit_open": lambda state: state.circuit_open(),
    "defer": lambda state: state.defer(),
    "give_up": lambda state: state.give_up("x"),
}


@pytest.mark.parametrize("call", _CALLS)
@pytest.mark.parametrize("where", list(S))
def test_a_refused_step_moves_nothing(where: RecoveryState, call: str) -> None:
    told: list[RecoveryStateTransition] = []
    state = task()
    state.state, state.on_transition = where, told.append
    before = (state.state, state.agent, state.retries, state.deferrals, list(state.transitions))
    try:
        _CALLS[call](state)
    except SpawnerError:
        after = (state.state, state.agent, state.retries, state.deferrals, state.transitions)
        assert after == before
        assert not told
    else:
        assert [each.to_state for each in told] == [state.state]


def test_a_deferred_attempt_costs_no_retry() -> None:
    state = task()
    state.start()
    state.defer(why(Cause.RATE_LIMIT))
    assert state.state is S.INITIAL
    state.start()
    state.fail("x")
    state.start_retry()
    state.defer()
    assert (state.state, state.retries, state.deferrals) == (S.RETRY_PENDING, 0, 2)


@pytest.mark.parametrize(
    ("strategy", "after"),
    [
        (RecoveryStrategy.RETRY_SAME, [S.RETRY_PENDING, S.RETRY_PENDING, S.FAILED]),
        (RecoveryStrategy.FALLBACK_ONLY, [S.FALLBACK_PENDING, S.FALLBACK_PENDING, S.FAILED]),
        (RecoveryStrategy.NO_RECOVERY, [S.FAILED]),
    ],
)
def test_the_strategy_decides_what_follows(strategy: RecoveryStrategy, after: list[RecoveryState]) -> None:
    machine = RecoveryStateMachine(RecoveryPolicy(strategy=strategy))
    state = machine.create_task_state("1", "a", fallbacks=("b", "c"))
    state.start()
    seen = []
    while not state.is_terminal:
        seen.append(state.fail("x"))
        if state.state is S.RETRY_PENDING:
            state.start_retry()
        elif state.state is S.FALLBACK_PENDING:
            state.start_fallback()
    assert seen == after


def test_elapsed_time_runs_from_the_first_change_to_the_last() -> None:
    now = [100.0]
    state = TaskRecoveryState(task_id="1", agent_id="a", clock=lambda: now[0])
    assert state.elapsed_time == 0
    state.start()
    now[0] = 103.0
    assert state.elapsed_time == 3
    state.succeed()
    now[0] = 200.0
    assert state.elapsed_time == 3


def test_the_summary_counts_and_tells_every_path() -> None:
    machine = RecoveryStateMachine()
    for number, outcome in enumerate(("plain", "retried", "failed", "open"), start=1):
        state = machine.create_task_state(str(number), "a", fallbacks=())
        state.start()
        if outcome == "retried":
            state.fail("x")
            state.start_retry()
        if outcome == "failed":
            state.fail("401", why(Cause.AUTHENTICATION))
        elif outcome != "open":
            state.succeed()
    summary = machine.get_summary()
    assert (summary["total"], summary["succeeded"], summary["recovered"]) == (4, 2, 1)
    assert (summary["failed"], summary["in_progress"]) == (1, 1)
    assert summary["tasks"]["2"]["state"] == "succeeded"
    assert summary["tasks"]["2"]["recovery_path"][-2:] == ["retrying", "succeeded"]
    assert summary["tasks"]["3"]["error"] == "401"
    machine.clear()
    assert machine.get_task_state("1") is None
    assert machine.get_summary()["total"] == 0


def test_a_task_is_followed_once() -> None:
    machine = RecoveryStateMachine()
    first = machine.create_task_state("1", "a")
    assert machine.get_task_state("1") is first
    assert first.fallbacks == ("model",)
    with pytest.raises(SpawnerError, match="task 1"):
        machine.create_task_state("1", "a")


def test_the_machine_keeps_a_breaker_for_each_agent() -> None:
    now = [0.0]
    machine = RecoveryStateMachine(clock=lambda: now[0])
    assert machine.check_circuit_breaker("a")
    machine.record_failure("a", why(Cause.NO_EVIDENCE))
    assert machine.check_circuit_breaker("a")
    machine.record_failure("a", why(Cause.NO_EVIDENCE))
    assert not machine.check_circuit_breaker("a")
    assert machine.check_circuit_breaker("b")
    now[0] = 121.0
    assert machine.check_circuit_breaker("a")
    assert not machine.check_circuit_breaker("a"), "one trial, not two"
    machine.record_success("a")
    assert machine.check_circuit_breaker("a")


def test_rate_limits_and_faults_of_the_task_say_nothing_against_the_agent() -> None:
    machine = RecoveryStateMachine()
    for cause in (Cause.RATE_LIMIT, Cause.OVERLOADED, Cause.TOO_LARGE, Cause.BAD_REQUEST, Cause.LIMIT_REACHED):
        for _ in range(10):
            assert not machine.record_failure("a", why(cause))
    assert machine.check_circuit_breaker("a")


def test_one_permanent_error_opens_at_once() -> None:
    machine = RecoveryStateMachine()
    machine.record_failure("a", why(Cause.AUTHENTICATION))
    assert not machine.check_circuit_breaker("a")


def test_agents_generated_for_one_run_have_a_higher_threshold() -> None:
    machine = RecoveryStateMachine()
    machine.adhoc = frozenset({"made-up"})
    for _ in range(3):
        machine.record_failure("made-up", why(Cause.NO_EVIDENCE))
        assert machine.check_circuit_breaker("made-up")
    machine.record_failure("made-up", why(Cause.NO_EVIDENCE))
    assert not machine.check_circuit_breaker("made-up")


def test_breakers_can_be_switched_off_for_one_agent() -> None:
    policy = RecoveryPolicy().with_override("a", circuit_breaker_enabled=False)
    machine = RecoveryStateMachine(policy)
    for agent in ("a", "b"):
        for _ in range(5):
            machine.record_failure(agent, why(Cause.NO_EVIDENCE))
    assert machine.check_circuit_breaker("a")
    assert not machine.check_circuit_breaker("b")


def test_a_restored_breaker_goes_on_where_it_was() -> None:
    machine = RecoveryStateMachine(clock=lambda: 10.0)
    machine.record_failure("a", why(Cause.NO_EVIDENCE))
    heir = RecoveryStateMachine(RecoveryPolicy(breaker=BreakerPolicy(failure_threshold=2)), clock=lambda: 20.0)
    heir.restore_breaker(machine.breakers["a"])
    heir.record_failure("a", why(Cause.NO_EVIDENCE))
    assert not heir.check_circuit_breaker("a")


CAUSES = st.sampled_from(list(Cause))
POLICIES = st.builds(
    RecoveryPolicy,
    strategy=st.sampled_from(list(RecoveryStrategy)),
    max_retries=st.integers(0, 4),
)


class EveryPath(RuleBasedStateMachine):
    """Drives one task in every order that its methods allow."""

    @initialize(policy=POLICIES, chain=st.lists(st.sampled_from("bcdm"), unique=True, max_size=4))
    def begin(self, policy: RecoveryPolicy, chain: list[str]) -> None:
        self.told: list[RecoveryStateTransition] = []
        self.now = 0.0
        machine = RecoveryStateMachine(policy, clock=self.clock, on_transition=self.told.append)
        self.task = machine.create_task_state("t", "a", fallbacks=tuple(chain))
        self.chain = tuple(chain) if policy.strategy.falls_back else ()
        self.machine = machine

    def clock(self) -> float:
        self.now += 1.0
        return self.now

    def at(self, *states: RecoveryState) -> bool:
        return self.task.state in states

    @precondition(lambda self: self.at(S.INITIAL))
    @rule(blocked=st.booleans(), bad=st.sets(st.sampled_from("bcdm")))
    def first(self, blocked: bool, bad: set[str]) -> None:
        if blocked:
            usable = [agent for agent in self.chain if agent not in bad]
            self.task.circuit_open(usable=lambda agent: agent not in bad)
            assert self.task.agent == (usable or ["a"])[0]
        else:
            self.task.start()

    @precondition(lambda self: self.task.state.attempting)
    @rule(
        outcome=st.sampled_from(["succeed", "fail", "fail", "defer"]),
        cause=CAUSES,
        bad=st.sets(st.sampled_from("bcdm")),
    )
    def end_attempt(self, outcome: str, cause: Cause, bad: set[str]) -> None:
        if outcome == "succeed":
            self.task.succeed()
        elif outcome == "defer":
            self.task.defer(why(cause))
        else:
            before = self.task.state
            after = self.task.fail(str(cause), why(cause), usable=lambda agent: agent not in bad)
            if after is S.RETRY_PENDING:
                assert CATEGORY_OF[cause] is not ErrorCategory.PERMANENT
                assert before in (S.EXECUTING, S.RETRYING)

    @precondition(lambda self: self.at(S.RETRY_PENDING))
    @rule(stopped=st.booleans())
    def retry(self, stopped: bool) -> None:
        if stopped:
            self.task.next_agent("its provider was stopped")
        else:
            self.task.start_retry()

    @precondition(lambda self: self.at(S.FALLBACK_PENDING))
    @rule(lost=st.booleans())
    def fall_back(self, lost: bool) -> None:
        if lost:
            self.task.next_agent("not usable any more")
        else:
            self.task.start_fallback()

    @precondition(lambda self: self.at(S.CIRCUIT_OPEN))
    @rule(lost=st.booleans())
    def around(self, lost: bool) -> None:
        if lost:
            self.task.next_agent("not usable any more")
        elif self.task.fell_back:
            self.task.start_fallback()
        else:
            self.task.give_up("nobody left")

    @precondition(lambda self: self.task.is_terminal)
    @rule()
    def rest(self) -> None:
        """Nothing more can happen."""

    @invariant()
    def final_states_are_final(self) -> None:
        if not hasattr(self, "task") or not self.task.is_terminal:
            return
        for step in RecoveryStep:
            with pytest.raises(IllegalTransitionError):
                advance(self.task.state, step)

    @invariant()
    def no_path_is_longer_than_its_policy_allows(self) -> None:
        if hasattr(self, "task"):
            deferred = sum(each.step is E.DEFER for each in self.task.transitions)
            longest = self.task.policy.longest_path(len(self.chain))
            assert len(self.task.recovery_path) - 2 * deferred <= longest
            assert self.task.retries <= self.task.policy.retries

    @invariant()
    def a_replay_gives_the_same_state(self) -> None:
        if not hasattr(self, "task"):
            return
        written = [RecoveryStateTransition.from_dict(each.to_dict()) for each in self.told]
        again = TaskRecoveryState(
            task_id="t", agent_id="a", policy=self.task.policy, fallbacks=self.task.fallbacks, clock=lambda: self.now
        ).replay(written)
        assert {**again.to_dict(), "elapsed_time": 0} == {**self.task.to_dict(), "elapsed_time": 0}
        assert again.recovery_path == self.task.recovery_path


TestEveryPath = EveryPath.TestCase
TestEveryPath.settings = settings(
    max_examples=examples(150),
    stateful_step_count=40,
    deadline=None,
    # One or two of the rules apply in each state, so that most of a few examples may be thrown away by chance.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
