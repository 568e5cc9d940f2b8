"""Two runs compared."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.spawner.replay.test_replay import TASKS, record, take_an_hour_later

from aurora_spawner import SpawnTask
from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder
from aurora_spawner.errors import UnknownRunError
from aurora_spawner.replay.comparison import compare_runs
from aurora_spawner.testing import SimulatedExecutor, echo


def test_the_same_run_twice_is_alike(tmp_path: Path) -> None:
    first, second = record(tmp_path, recovery=None), record(tmp_path, recovery=None)
    comparison = compare_runs(tmp_path / "runs.db", first, second)
    assert comparison.differing == ()
    assert [task.task_id for task in comparison.tasks] == [task.id for task in TASKS]
    assert comparison.first.attempts == comparison.second.attempts


def test_a_merge_an_hour_later_takes_no_time_of_the_run(tmp_path: Path) -> None:
    run_id = record(tmp_path, TASKS[:1])
    before = compare_runs(tmp_path / "runs.db", run_id, run_id).first.seconds
    take_an_hour_later(tmp_path, run_id)
    after = compare_runs(tmp_path / "runs.db", run_id, run_id).first.seconds
    assert after == before > 0


def test_what_came_out_otherwise_is_told_task_by_task(tmp_path: Path) -> None:
    def other_words(order: AttemptOrder) -> AttemptEnd:
        return replace(echo(order), stdout="something else") if order.task_id == "1" else echo(order)

    first = record(tmp_path)
    tasks = [*TASKS[:3], replace(TASKS[3], prompt="go on"), SpawnTask("new", id="7")]
    second = record(tmp_path, tasks, executor=SimulatedExecutor(agent=other_words))
    comparison = compare_runs(tmp_path / "runs.db", first, second)
    found = {task.task_id: task for task in comparison.differing}
    assert found["1"].same_answer is False
    assert found["2"].first is not None
    assert found["2"].second is not None
    assert (found["2"].first.attempts, found["2"].second.attempts) == (2, 1)
    assert (found["3"].first.agent, found["3"].second.agent) == ("steady", "broken")  # type: ignore[union-attr]
    assert not found["4"].same_task
    assert found["5"].second is None
    assert found["7"].first is None
    assert comparison.to_dict()["differing"] == len(found)


def test_a_run_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnknownRunError):
        compare_runs(tmp_path / "runs.db", record(tmp_path, TASKS[:1]), "spawn-1")
