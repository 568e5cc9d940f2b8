"""Runs that are killed, paused, cancelled and resumed at random are replayed; benchmarks/replay has fifty."""

from pathlib import Path

import pytest
from tests.exhaustive import few
from tests.spawner.replay.recorded_runs import record

from aurora_spawner.replay.replay import replay_run


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", few(range(12), 1))
def test_every_decision_of_a_disturbed_run_comes_out_the_same(tmp_path: Path, seed: int) -> None:
    report = replay_run(tmp_path / "runs.db", record(tmp_path, seed))
    assert (report.difference, report.changed) == (None, None)
    assert report.decisions
