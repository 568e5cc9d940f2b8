"""Scheduling under recovery: postponed tasks, agents that are not admitted; nothing starts early or is lost."""

import random

from hypothesis import given
from hypothesis import strategies as st

from aurora_spawner import SpawnTask, TaskState
from aurora_spawner.runs.scheduler import Limits, Scheduler
from aurora_spawner.tasks.graph import build_graph
from aurora_spawner.tasks.result import TaskStep


class Gate:
    """Which agents may be asked, and who was refused since."""

    def __init__(self) -> None:
        self.closed: set[str] = set()
        self.refused: set[str] = set()

    def __call__(self, agent: str) -> bool:
        if agent in self.closed:
            self.refused.add(agent)
            return False
        return True


def make(tasks: list[SpawnTask], gate: Gate, at_once: int = 99, **per_agent: int) -> Scheduler:
    limits = Limits(max_concurrent=at_once, per_agent=per_agent)
    return Scheduler(
        build_graph(tasks), limits=limits, agent_of=lambda task: task.agent or "a", states={}, admits=gate
    )


def start_all(scheduler: Scheduler) -> list[str]:
    return list(iter(scheduler.start_next, None))


def test_an_agent_that_is_not_admitted_leaves_its_slots_to_others() -> None:
    gate = Gate()
    gate.closed.add("a")
    scheduler = make([SpawnTask("x", "a"), SpawnTask("x", "b"), SpawnTask("x", "a"), SpawnTask("x", "b")], gate, 2)
    assert start_all(scheduler) == ["2", "4"]
    assert gate.refused == {"a"}


def test_after_a_release_all_parked_tasks_follow_each_other() -> None:
    gate = Gate()
    gate.closed.add("a")
    scheduler = make([SpawnTask("x", "a") for _ in range(4)], gate)
    assert start_all(scheduler) == []
    gate.closed.clear()
    scheduler.release("a")
    assert start_all(scheduler) == ["1", "2", "3", "4"]


def test_a_gate_that_lets_one_through_parks_the_rest() -> None:
    allowed = [1]

    def one(_agent: str) -> bool:
        allowed[0] -= 1
        return allowed[0] >= 0

    limits = Limits(max_concurrent=9, per_agent={})
    graph = build_graph([SpawnTask("x") for _ in range(3)])
    scheduler = Scheduler(graph, limits=limits, agent_of=lambda _task: "a", states={}, admits=one)
    assert start_all(scheduler) == ["1"]
    allowed[0] = 1
    scheduler.release("a")
    assert start_all(scheduler) == ["2"]


def test_a_parked_task_that_is_settled_does_not_block_those_behind_it() -> None:
    gate = Gate()
    gate.closed.add("a")
    scheduler = make([SpawnTask("x", "a") for _ in range(3)], gate)
    start_all(scheduler)
    scheduler.settle("1", TaskStep.CANCEL)
    gate.closed.clear()
    scheduler.release("a")
    assert start_all(scheduler) == ["2", "3"]


def test_a_postponed_task_gives_its_slot_back_and_starts_after_requeue() -> None:
    scheduler = make([SpawnTask("x"), SpawnTask("x")], Gate(), 1)
    assert start_all(scheduler) == ["1"]
    scheduler.postpone("1")
    assert start_all(scheduler) == ["2"]
    scheduler.settle("2", TaskStep.SUCCEED)
    assert start_all(scheduler) == []
    scheduler.requeue("1")
    assert start_all(scheduler) == ["1"]


def test_a_slot_is_given_back_for_the_agent_that_had_it() -> None:
    """A task may have moved to another agent by the time its slot is given back."""
    agents = {"1": "a"}
    graph = build_graph([SpawnTask("x"), SpawnTask("x", "a")])
    scheduler = Scheduler(
        graph,
        limits=Limits(max_concurrent=9, per_agent={"a": 1}),
        agent_of=lambda task: agents.get(str(task.id), task.agent or "a"),
        states={},
    )
    assert start_all(scheduler) == ["1"]
    agents["1"] = "b"
    scheduler.postpone("1")
    assert start_all(scheduler) == ["2"]
    scheduler.requeue("1")
    assert start_all(scheduler) == ["1"]


def test_a_borrowed_slot_counts_until_it_is_given_back() -> None:
    scheduler = make([SpawnTask("x", "a"), SpawnTask("x", "b"), SpawnTask("x", "b")], Gate(), 2, b=1)
    assert scheduler.start_next() == "1"
    assert scheduler.borrow("b")
    assert not scheduler.borrow("b")
    assert start_all(scheduler) == []
    scheduler.give_back("b")
    assert start_all(scheduler) == ["2"]


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(-2, 2)), min_size=1, max_size=20),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 10_000),
)
def test_whatever_is_held_and_put_off_everything_is_done_in_the_end(
    shape: list[tuple[str, int]], at_once: int, of_a: int, seed: int
) -> None:
    gate, running, later, chance = Gate(), set[str](), set[str](), random.Random(seed)
    tasks = [SpawnTask("x", agent, priority=rank) for agent, rank in shape]
    by_id = {str(number): task for number, task in enumerate(tasks, start=1)}
    scheduler = make(tasks, gate, at_once, a=of_a)
    for turn in range(2_000):
        for task_id in start_all(scheduler):
            assert by_id[task_id].agent not in gate.closed
            assert task_id not in later
            running.add(task_id)
            assert len(running) <= at_once
            assert sum(by_id[each].agent == "a" for each in running) <= of_a
        if scheduler.done:
            break
        end_one(scheduler, running, later, chance, calm=turn > 200)
        move_gate(scheduler, gate, later, chance, calm=turn > 200)
    assert scheduler.done
    assert all(state is not TaskState.PENDING for state in scheduler.states.values())


def end_one(scheduler: Scheduler, running: set[str], later: set[str], chance: random.Random, *, calm: bool) -> None:
    """Settle a running task or put it off; in the calm that follows the trouble, only settle."""
    if not running or (chance.random() < 0.5 and not calm):
        return
    ended = chance.choice(sorted(running))
    running.discard(ended)
    if chance.random() < 0.4 and not calm:
        scheduler.postpone(ended)
        later.add(ended)
    else:
        scheduler.settle(ended, chance.choice([TaskStep.SUCCEED, TaskStep.FAIL]))


def move_gate(scheduler: Scheduler, gate: Gate, later: set[str], chance: random.Random, *, calm: bool) -> None:
    """Close or open the gate; release who was refused, as alarms do, and queue who was put off, as timers do."""
    if calm:
        gate.closed.clear()
    elif chance.random() < 0.3:
        gate.closed ^= {chance.choice("ab")}
    if calm or chance.random() < 0.4:
        for agent in sorted(gate.refused - gate.closed):
            gate.refused.discard(agent)
            scheduler.release(agent)
        for task_id in sorted(later):
            scheduler.requeue(task_id)
        later.clear()
