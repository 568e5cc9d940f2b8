"""Resume: what is done stays done, what changed runs again, what is open goes on."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from aurora_spawner import Run, RunOptions, RunReport, SpawnTask, TaskState
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder
from aurora_spawner.backends.command import CommandBackend
from aurora_spawner.errors import GraphError, UnknownRunError
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import load_run, load_tasks
from aurora_spawner.tasks.result import RunState
from aurora_spawner.tasks.run_events import TaskStarted
from aurora_spawner.testing import SimulatedExecutor, echo

BACKENDS = {"cat": CommandBackend("cat", ("cat",))}
TASKS = [
    SpawnTask("one", id="1"),
    SpawnTask("two", id="2", depends_on=("1",)),
    SpawnTask("three", id="3", depends_on=("2",)),
    SpawnTask("four", id="4"),
]


def create(folder: Path, executor: SimulatedExecutor, tasks: list[SpawnTask] | None = None) -> Run:
    return Run.create(
        folder / "runs.db",
        TASKS if tasks is None else tasks,
        BACKENDS,
        RunOptions(
            default_agent="cat",
            cwd=folder,
            spool=folder / "runs",
            executor=executor,
        ),
    )


def resume(folder: Path, run_id: str, **options: object) -> tuple[RunReport, list[str]]:
    """The report, and the tasks that ran."""
    executor = SimulatedExecutor()
    run = Run.resume(folder / "runs.db", run_id, BACKENDS, executor=executor, **options)  # type: ignore[arg-type]
    report = run.execute_sync()
    with Journal(folder / "runs.db") as journal:
        assert verify(journal).problem is None
    return report, sorted(order.task_id for order in executor.orders)


def failing(*task_ids: str) -> SimulatedExecutor:
    def agent(order: AttemptOrder) -> AttemptEnd:
        return AttemptEnd(reason=EndReason.EXITED, exit_code=1) if order.task_id in task_ids else echo(order)

    return SimulatedExecutor(agent=agent)


def test_a_finished_run_has_nothing_left_to_do(tmp_path: Path) -> None:
    first = create(tmp_path, SimulatedExecutor()).execute_sync()
    report, ran = resume(tmp_path, first.run_id)
    assert ran == []
    assert report.ok
    assert {task_id: result.output for task_id, result in report.results.items()} == {
        task_id: result.output for task_id, result in first.results.items()
    }


def test_an_edited_task_runs_again_and_an_unchanged_one_does_not(tmp_path: Path) -> None:
    first = create(tmp_path, SimulatedExecutor()).execute_sync()
    edited = [replace(task, prompt="other") if task.id == "4" else task for task in TASKS]
    report, ran = resume(tmp_path, first.run_id, tasks=edited)
    assert ran == ["4"]
    assert report.results["4"].output == "other"


def test_a_new_title_is_no_edit(tmp_path: Path) -> None:
    first = create(tmp_path, SimulatedExecutor()).execute_sync()
    renamed = [replace(task, title="other", priority=3) for task in TASKS]
    assert resume(tmp_path, first.run_id, tasks=renamed)[1] == []


def test_new_tasks_join_and_may_build_on_old_results(tmp_path: Path) -> None:
    first = create(tmp_path, SimulatedExecutor()).execute_sync()
    more = [*TASKS, SpawnTask("five", id="5", depends_on=("3",))]
    report, ran = resume(tmp_path, first.run_id, tasks=more)
    assert ran == ["5"]
    assert "three" in report.results["5"].output


def test_failed_tasks_run_again_only_on_demand(tmp_path: Path) -> None:
    first = create(tmp_path, failing("2")).execute_sync()
    assert first.results["3"].state is TaskState.SKIPPED
    report, ran = resume(tmp_path, first.run_id)
    assert (ran, report.failed, report.skipped) == ([], 1, 1)
    report, ran = resume(tmp_path, first.run_id, retry_failed=True)
    assert ran == ["2", "3"]
    assert report.ok
    assert report.results["2"].retry_count == 1


def test_an_edited_failure_runs_again_with_what_it_had_skipped(tmp_path: Path) -> None:
    first = create(tmp_path, failing("1")).execute_sync()
    edited = [replace(task, prompt="better") if task.id == "1" else task for task in TASKS]
    report, ran = resume(tmp_path, first.run_id, tasks=edited)
    assert ran == ["1", "2", "3"]
    assert report.ok


def test_what_an_edited_failure_had_skipped_stays_so_if_it_is_gone(tmp_path: Path) -> None:
    tasks = [SpawnTask("a", id="a"), SpawnTask("b", id="b", depends_on=("a",)), SpawnTask("c", id="c")]
    first = create(tmp_path, failing("a"), tasks).execute_sync()
    assert first.skipped == 1
    report, ran = resume(tmp_path, first.run_id, tasks=[SpawnTask("a, but better", id="a")])
    assert ran == ["a"]
    assert (report.succeeded, report.skipped) == (2, 1)


def test_ticked_tasks_may_be_left_out(tmp_path: Path) -> None:
    """A task file leaves out what is ticked, and dependencies on it."""
    first = create(tmp_path, failing("3")).execute_sync()
    rest = [replace(TASKS[2], depends_on=())]
    report, ran = resume(tmp_path, first.run_id, tasks=rest, retry_failed=True)
    assert ran == ["3"]
    assert "two" in report.results["3"].output
    assert list(report.results) == ["1", "2", "3", "4"]


def test_an_open_task_that_is_gone_is_left_out(tmp_path: Path) -> None:
    run = create(tmp_path, SimulatedExecutor())
    report, ran = resume(tmp_path, run.run_id, tasks=[TASKS[0], TASKS[3]])
    assert ran == ["1", "4"]
    assert list(report.results) == ["1", "4"]
    with Journal(run.journal) as journal:
        states = {row.task_id: row.state for row in load_tasks(journal, run.run_id)}
        assert verify(journal).ok
    assert (states["2"], states["3"]) == (TaskState.SKIPPED, TaskState.SKIPPED), "nothing of a finished run is open"
    report, ran = resume(tmp_path, run.run_id, tasks=[TASKS[0], TASKS[3]])
    assert (report.ok, ran) == (True, [])
    report, ran = resume(tmp_path, run.run_id, tasks=TASKS)
    assert ran == ["2", "3"], "they are wanted again"
    assert report.ok


def test_tasks_that_do_not_fit_together_are_refused_at_once(tmp_path: Path) -> None:
    run = create(tmp_path, SimulatedExecutor())
    with pytest.raises(GraphError, match="depends on 9"):
        resume(tmp_path, run.run_id, tasks=[SpawnTask("x", id="1", depends_on=("9",))])


def test_an_unknown_run_is_named_with_the_newest(tmp_path: Path) -> None:
    run = create(tmp_path, SimulatedExecutor())
    with pytest.raises(UnknownRunError, match=run.run_id):
        resume(tmp_path, "spawn-0")


def test_a_new_task_below_an_old_failure_is_skipped(tmp_path: Path) -> None:
    first = create(tmp_path, failing("4")).execute_sync()
    report, ran = resume(tmp_path, first.run_id, tasks=[*TASKS, SpawnTask("x", id="5", depends_on=("4",))])
    assert ran == []
    assert report.results["5"].state is TaskState.SKIPPED


def test_an_interrupted_run_goes_on_with_what_was_cut_off(tmp_path: Path) -> None:
    executor = SimulatedExecutor(duration_s=30)
    run = create(tmp_path, executor)

    async def interrupt() -> RunReport:
        import asyncio

        started = asyncio.Event()
        task = asyncio.create_task(
            run.execute(lambda event: started.set() if isinstance(event, TaskStarted) else None)
        )
        await started.wait()
        task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            raise InterruptedError from None

    import asyncio

    with pytest.raises(InterruptedError):
        asyncio.run(interrupt())
    with Journal(tmp_path / "runs.db") as journal:
        assert load_run(journal, run.run_id).state is RunState.INTERRUPTED
        assert {task.state for task in load_tasks(journal, run.run_id)} == {TaskState.PENDING}
    report, ran = resume(tmp_path, run.run_id)
    assert ran == ["1", "2", "3", "4"]
    assert report.ok


def in_order(*names: str) -> list[SpawnTask]:
    """Tasks one after the other, only because a file has them in this order."""
    before = {name: (earlier,) for earlier, name in pairwise(names)}
    return [
        SpawnTask(name, id=name, depends_on=before.get(name, ()), order_only=before.get(name, ())) for name in names
    ]


def test_another_order_is_no_edit(tmp_path: Path) -> None:
    without = [SpawnTask(name, id=name) for name in "abc"]
    first = create(tmp_path, failing("c"), without).execute_sync()
    report, ran = resume(tmp_path, first.run_id, tasks=in_order("a", "b", "c"), retry_failed=True)
    assert (ran, report.ok) == (["c"], True)


def test_an_order_of_before_and_a_reversed_one_do_not_go_round_in_a_circle(tmp_path: Path) -> None:
    first = create(tmp_path, failing("a"), in_order("a", "b", "c")).execute_sync()
    assert first.skipped == 2
    report, ran = resume(tmp_path, first.run_id, tasks=in_order("c", "b", "a"), retry_failed=True)
    assert (ran, report.ok) == (["a", "b", "c"], True)
    edited = [*in_order("c", "b"), SpawnTask("a, but better", id="a", depends_on=("b",), order_only=("b",))]
    report, ran = resume(tmp_path, first.run_id, tasks=edited)
    assert (ran, report.ok) == (["a"], True)


def test_a_task_that_an_order_waited_for_may_be_gone(tmp_path: Path) -> None:
    first = create(tmp_path, failing("a"), in_order("a", "b", "c")).execute_sync()
    report, ran = resume(tmp_path, first.run_id, tasks=in_order("a", "c"), retry_failed=True)
    assert ran == ["a", "b", "c"]  # b was skipped, which is settled: what is done about it stays with the run
    assert report.ok


def test_what_came_before_in_the_order_is_still_told_after_a_resume(tmp_path: Path) -> None:
    first = create(tmp_path, failing("beta"), in_order("alpha", "beta")).execute_sync()
    executor = SimulatedExecutor()
    ticked = in_order("beta")
    run = Run.resume(tmp_path / "runs.db", first.run_id, BACKENDS, executor=executor, tasks=ticked, retry_failed=True)
    assert run.execute_sync().ok
    assert ["alpha" in order.prompt for order in executor.orders] == [True]
