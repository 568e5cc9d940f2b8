"""Tasks whose results add tasks, and graphs in common shapes."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_spawner import CommandBackend, Run, RunOptions, RunReport, SpawnResult, SpawnTask, TaskState
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder
from aurora_spawner.errors import TaskError
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.tasks.compose import (
    expand_coordinator,
    hierarchical,
    map_reduce,
    parallel,
    sequential,
    tasks_from_answer,
)
from aurora_spawner.tasks.growth import Expansion
from aurora_spawner.tasks.run_events import TaskEnded
from aurora_spawner.testing import SimulatedExecutor, echo

BACKENDS = {"cat": CommandBackend("cat", ("cat",)), "other": CommandBackend("other", ("cat",))}


def execute(
    folder: Path,
    tasks: list[SpawnTask],
    executor: SimulatedExecutor,
    expand: Expansion | None = None,
    max_added: int = 10,
) -> RunReport:
    run = Run.create(
        folder / "runs.db",
        tasks,
        BACKENDS,
        RunOptions(
            default_agent="cat",
            cwd=folder,
            spool=folder / "runs",
            executor=executor,
            expand=expand,
            max_added=max_added,
        ),
    )
    report = run.execute_sync()
    with Journal(folder / "runs.db") as journal:
        assert verify(journal).problem is None
    return report


def coordinating(answer: object) -> SimulatedExecutor:
    """The coordinator answers with this, every other agent with its prompt."""

    def agent(order: AttemptOrder) -> AttemptEnd:
        if order.task_id != "coordinator":
            return echo(order)
        text = answer if isinstance(answer, str) else json.dumps(answer)
        return AttemptEnd(reason=EndReason.EXITED, exit_code=0, stdout=text)

    return SimulatedExecutor(agent=agent)


def test_a_hierarchy_does_what_its_coordinator_says_then_sums_up(tmp_path: Path) -> None:
    executor = coordinating(["first part", {"id": "b", "prompt": "second part", "agent": "other"}])
    tasks = hierarchical(SpawnTask("plan it"), summary=SpawnTask("sum up"))
    report = execute(tmp_path, tasks, executor, expand_coordinator)
    assert report.ok
    assert list(report.results) == ["coordinator", "summary", "coordinator/1", "coordinator/b"]
    assert [order.task_id for order in executor.orders][-1] == "summary"
    assert "first part" in report.results["summary"].output
    assert "second part" in report.results["summary"].output
    assert report.results["coordinator/b"].agent == "other"


def test_added_tasks_may_depend_on_each_other(tmp_path: Path) -> None:
    executor = coordinating(
        [{"id": "x", "prompt": "x", "depends_on": ["y"]}, {"id": "y", "prompt": "y"}],
    )
    assert execute(tmp_path, hierarchical(SpawnTask("plan it")), executor, expand_coordinator).ok
    assert [order.task_id for order in executor.orders] == ["coordinator", "coordinator/y", "coordinator/x"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("I cannot do this", "holds no JSON array"),
        ('{"prompt": "x"}', "must be a JSON array"),
        ([{"agent": "cat"}], "task 1 of the answer needs a prompt"),
        ([{"prompt": "x", "timeout_s": "soon"}], "timeout_s cannot be 'soon'"),
        ([{"prompt": "x", "agnet": "cat"}], "unknown fields: agnet"),
        ([{"prompt": "x", "agent": "nobody"}], "has no backend; there are: cat, other"),
        ([{"prompt": "x", "depends_on": ["nothing"]}], "depends on nothing, which does not exist"),
        (["x"] * 11, "adds 11 tasks, but the run may add only 10 more"),
    ],
)
def test_a_coordinator_that_asks_for_what_cannot_be_has_failed(tmp_path: Path, answer: object, error: str) -> None:
    tasks = hierarchical(SpawnTask("plan it"), summary=SpawnTask("sum up"))
    report = execute(tmp_path, tasks, coordinating(answer), expand_coordinator)
    assert report.results["coordinator"].state is TaskState.FAILED
    assert error in (report.results["coordinator"].error or "")
    assert report.results["summary"].state is TaskState.SKIPPED


def test_growth_ends_at_its_cap_however_deep(tmp_path: Path) -> None:
    """Every task asks for two more."""

    def twice(task: SpawnTask, result: SpawnResult) -> Sequence[SpawnTask]:
        return [SpawnTask("more"), SpawnTask("more")]

    report = execute(tmp_path, [SpawnTask("start", id="s")], SimulatedExecutor(), twice, max_added=6)
    assert len(report.results) == 7
    assert report.failed == 4


def test_a_killed_run_knows_the_tasks_that_were_added(tmp_path: Path) -> None:
    """The added tasks stand in the same transaction as the result that asked for them."""
    executor = coordinating(["a", "b"])
    tasks = hierarchical(SpawnTask("plan it"), summary=SpawnTask("sum up"))
    run = Run.create(
        tmp_path / "runs.db",
        tasks,
        BACKENDS,
        RunOptions(
            default_agent="cat",
            cwd=tmp_path,
            spool=tmp_path / "runs",
            executor=executor,
            expand=expand_coordinator,
        ),
    )

    async def until_the_coordinator_is_done() -> None:
        ended = asyncio.Event()
        running = asyncio.create_task(
            run.execute(lambda event: ended.set() if isinstance(event, TaskEnded) else None)
        )
        executor.duration_s = 0.0
        await asyncio.wait([asyncio.ensure_future(ended.wait())])
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(until_the_coordinator_is_done())
    again = SimulatedExecutor()
    report = Run.resume(tmp_path / "runs.db", run.run_id, BACKENDS, executor=again, tasks=tasks).execute_sync()
    assert report.ok
    assert set(report.results) == {"coordinator", "coordinator/1", "coordinator/2", "summary"}
    assert "coordinator" not in [order.task_id for order in again.orders]


def test_sequential_tasks_read_the_one_before(tmp_path: Path) -> None:
    chain = sequential([SpawnTask("a"), SpawnTask("b", id="x"), SpawnTask("c")])
    assert [(task.id, task.depends_on) for task in chain] == [("1", ()), ("x", ("1",)), ("3", ("x",))]


def test_a_merge_reads_all_results() -> None:
    tasks = parallel([SpawnTask("a"), SpawnTask("b")], merge=SpawnTask("both"))
    assert (tasks[-1].id, tasks[-1].depends_on) == ("merge", ("1", "2"))
    assert parallel([SpawnTask("a")])[0].id == "1"


def test_map_reduce_makes_a_task_for_each_item() -> None:
    tasks = map_reduce(["x", "y"], map_=lambda item: SpawnTask(f"look at {item}"), reduce=SpawnTask("all"))
    assert [task.prompt for task in tasks] == ["look at x", "look at y", "all"]
    assert tasks[-1].depends_on == ("1", "2")


def test_tasks_are_found_in_a_fenced_block() -> None:
    answer = 'Here is the plan:\n```json\n["a", "b"]\n```\nGood luck.'
    assert [task.id for task in tasks_from_answer(answer, prefix="p")] == ["p/1", "p/2"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["id", "prompt", "agent", "depends_on", "timeout_s", "priority"]), inner)
    ),
)


@given(st.text() | JSON.map(json.dumps))
def test_any_answer_gives_tasks_or_a_typed_error(answer: str) -> None:
    with suppress(TaskError):
        assert all(task.prompt.strip() for task in tasks_from_answer(answer, prefix="p"))
