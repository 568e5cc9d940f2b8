"""Which task starts next; on graphs of every shape, nothing starts early, twice, or never."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_spawner import SpawnTask, TaskState
from aurora_spawner.errors import GraphError, IllegalTransitionError, SpawnerError
from aurora_spawner.runs.scheduler import Limits, Scheduler
from aurora_spawner.spending.token_bucket import TokenBucket
from aurora_spawner.tasks.graph import build_graph
from aurora_spawner.tasks.result import TASK_TRANSITIONS, TaskStep, advance


def make(
    tasks: list[SpawnTask], max_concurrent: int = 99, states: dict[str, TaskState] | None = None, **per_agent: int
) -> Scheduler:
    limits = Limits(max_concurrent=max_concurrent, per_agent=per_agent)
    return Scheduler(build_graph(tasks), limits=limits, agent_of=lambda task: task.agent or "a", states=states or {})


def start_all(scheduler: Scheduler) -> list[str]:
    return list(iter(scheduler.start_next, None))


def test_tasks_start_in_the_order_given() -> None:
    assert start_all(make([SpawnTask("x") for _ in range(3)])) == ["1", "2", "3"]


def test_the_highest_priority_goes_first() -> None:
    tasks = [SpawnTask("x"), SpawnTask("x", priority=5), SpawnTask("x", priority=-1), SpawnTask("x", priority=5)]
    assert start_all(make(tasks)) == ["2", "4", "1", "3"]


def test_a_task_waits_for_its_own_dependencies_and_no_others() -> None:
    scheduler = make([SpawnTask("x"), SpawnTask("x"), SpawnTask("x", depends_on=("1",))])
    assert start_all(scheduler) == ["1", "2"]
    scheduler.settle("1", TaskStep.SUCCEED)
    assert start_all(scheduler) == ["3"]


def test_a_full_agent_does_not_hold_up_the_others() -> None:
    tasks = [SpawnTask("x", "slow"), SpawnTask("x", "slow"), SpawnTask("x", "fast"), SpawnTask("x", "slow")]
    scheduler = make(tasks, slow=1)
    assert start_all(scheduler) == ["1", "3"]
    scheduler.settle("1", TaskStep.FAIL)
    assert start_all(scheduler) == ["2"]
    scheduler.settle("2", TaskStep.SUCCEED)
    assert start_all(scheduler) == ["4"]


def test_priority_holds_among_tasks_whose_agent_was_full() -> None:
    tasks = [SpawnTask("x", "s"), SpawnTask("x", "s"), SpawnTask("x", "s", priority=-5), SpawnTask("x", "s")]
    scheduler = make(tasks, s=1)
    order = []
    while started := start_all(scheduler):
        order += started
        scheduler.settle(started[0], TaskStep.SUCCEED)
    assert order == ["1", "2", "4", "3"]


def test_a_task_that_was_cut_off_may_start_again() -> None:
    scheduler = make([SpawnTask("x")], max_concurrent=1)
    assert start_all(scheduler) == ["1"]
    scheduler.reopen("1")
    assert scheduler.running == 0
    assert start_all(scheduler) == ["1"]


def test_tasks_below_an_old_failure_are_skipped() -> None:
    tasks = [SpawnTask("x"), SpawnTask("x", depends_on=("1",)), SpawnTask("x", depends_on=("2",)), SpawnTask("x")]
    scheduler = make(tasks, states={"1": TaskState.FAILED})
    assert scheduler.skip_hopeless() == [("2", "1"), ("3", "2")]
    assert start_all(scheduler) == ["4"]


AGENTS = st.sampled_from("ab")
GRAPHS = st.integers(1, 25).flatmap(
    lambda count: st.tuples(
        st.lists(
            st.tuples(
                st.sets(st.integers(0, 24), max_size=4), st.integers(-2, 2), st.booleans(), st.sampled_from("ab")
            ),
            min_size=count,
            max_size=count,
        ),
        st.integers(1, 5),
        st.integers(1, 3),
        st.randoms(use_true_random=False),
    )
)


@given(GRAPHS)
def test_every_task_settles_once_within_all_limits(
    case: tuple[list[tuple[set[int], int, bool, str]], int, int, random.Random],
) -> None:
    """Against the plain rule: a task may start when each dependency succeeded, or failed and was not critical."""
    shape, limit, agent_limit, chance = case
    tasks = [
        SpawnTask("x", agent, depends_on=tuple(str(n + 1) for n in needs if n < index), priority=rank, critical=vital)
        for index, (needs, rank, vital, agent) in enumerate(shape)
    ]
    by_id = {str(number): task for number, task in enumerate(tasks, start=1)}
    scheduler = make(tasks, limit, a=agent_limit)
    running: list[str] = []
    while not scheduler.done:
        for task_id in start_all(scheduler):
            for dependency in by_id[task_id].depends_on:
                state = scheduler.states[dependency]
                assert state is TaskState.SUCCEEDED or (state.settled and not by_id[dependency].critical)
            running.append(task_id)
        assert running, "a run that is not done must be able to go on"
        assert len(running) == scheduler.running <= limit
        assert sum(by_id[each].agent == "a" for each in running) <= agent_limit
        ended = running.pop(chance.randrange(len(running)))
        for skipped, cause in scheduler.settle(ended, chance.choice([TaskStep.SUCCEED, TaskStep.FAIL])):
            assert cause in by_id[skipped].depends_on
            assert by_id[cause].critical
    assert scheduler.settled == len(tasks)
    assert not running


@given(GRAPHS)
def test_a_cycle_is_found_wherever_it_is(
    case: tuple[list[tuple[set[int], int, bool, str]], int, int, random.Random],
) -> None:
    shape, *_ = case
    ring = [SpawnTask("x", id="r1", depends_on=("r3",)), SpawnTask("x", id="r2", depends_on=("r1",))]
    ring.append(SpawnTask("x", id="r3", depends_on=("r2",)))
    rest = [
        SpawnTask("x", id=str(index), depends_on=tuple(str(n) for n in needs if n < index))
        for index, (needs, *_rest) in enumerate(shape)
    ]
    with pytest.raises(GraphError, match="depends on itself: r") as caught:
        build_graph([*rest, *ring])
    assert caught.value.problem.count("→") == 3


def test_the_table_of_task_states_is_sound() -> None:
    """Every state can be reached, running comes only from pending, and what the table lacks is refused."""
    assert {TaskState.PENDING} | set(TASK_TRANSITIONS.values()) == set(TaskState)
    assert [state for (state, step) in TASK_TRANSITIONS if step is TaskStep.BEGIN] == [TaskState.PENDING]
    for state in TaskState:
        for step in TaskStep:
            if (state, step) not in TASK_TRANSITIONS:
                with pytest.raises(IllegalTransitionError):
                    advance(state, step)


def test_a_bucket_spaces_starts_on_average() -> None:
    bucket = TokenBucket(rate_per_s=10, burst=2)
    assert [bucket.delay_s(0.0), bucket.delay_s(0.0)] == [0, 0]
    assert bucket.delay_s(0.0) == pytest.approx(0.1)
    assert bucket.delay_s(0.1) == 0


@given(st.floats(0.1, 1000), st.integers(1, 5), st.lists(st.floats(0, 5), max_size=50))
def test_a_bucket_never_gives_more_than_its_rate(rate_per_s: float, burst: int, pauses: list[float]) -> None:
    bucket, now, given_out = TokenBucket(rate_per_s, burst), 0.0, 0
    for pause in pauses:
        now += pause
        while not bucket.delay_s(now):
            given_out += 1
        assert given_out <= burst + now * rate_per_s + 1e-6


def test_waiting_as_told_gives_a_token() -> None:
    bucket, now = TokenBucket(rate_per_s=3), 0.0
    bucket.delay_s(now)
    for _ in range(100):
        now += bucket.delay_s(now)
        assert bucket.delay_s(now) == 0


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (float("nan"), 1), (1, 0)])
def test_a_bucket_that_gives_nothing_is_refused(rate: float, burst: int) -> None:
    with pytest.raises(SpawnerError):
        TokenBucket(rate, burst)
