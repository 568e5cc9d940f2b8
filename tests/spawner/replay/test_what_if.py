"""Simulations of a recorded run with other settings, told as what they are."""

from pathlib import Path

import pytest
from tests.spawner.replay.test_replay import record, take_an_hour_later

from aurora_spawner import RecoveryPolicy, RecoverySettings, SpawnTask
from aurora_spawner.errors import ReplayError
from aurora_spawner.recovery.policy import RecoveryStrategy
from aurora_spawner.replay.what_if import what_if
from aurora_spawner.testing import SimulatedExecutor

WIDE = [SpawnTask("go", id=str(number)) for number in range(1, 13)]


def test_more_at_once_take_less_time(tmp_path: Path) -> None:
    run_id = record(tmp_path, WIDE, executor=SimulatedExecutor(duration_s=0.05), max_concurrent=2)
    report = what_if(tmp_path / "runs.db", run_id, ["max_concurrent=12"])
    assert report.as_it_was.seconds == pytest.approx(report.recorded.seconds, rel=0.5)
    assert report.as_it_was.waits["start"] > 0
    assert report.changed.waits["start"] == 0
    assert report.changed.seconds < report.as_it_was.seconds / 3
    assert report.changed.attempts == report.recorded.attempts == 12
    assert (report.assumed, report.stuck) == ({}, None)
    assert any("taken from the journal" in note for note in report.notes)
    assert report.to_dict()["simulation"] is True


def test_a_merge_an_hour_later_is_no_other_coordinator(tmp_path: Path) -> None:
    run_id = record(tmp_path, WIDE[:1])
    before = what_if(tmp_path / "runs.db", run_id, ["max_concurrent=2"])
    take_an_hour_later(tmp_path, run_id)
    assert what_if(tmp_path / "runs.db", run_id, ["max_concurrent=2"]) == before


def test_as_it_was_a_run_comes_to_what_it_came_to(tmp_path: Path) -> None:
    report = what_if(tmp_path / "runs.db", record(tmp_path), ["max_concurrent=2"])
    assert report.as_it_was.to_dict() == report.changed.to_dict()
    assert (report.recorded.attempts, report.recorded.tasks) == (report.changed.attempts, report.changed.tasks)


def test_another_policy_and_what_it_needs_that_nobody_knows(tmp_path: Path) -> None:
    run_id = record(tmp_path)
    fewer = what_if(tmp_path / "runs.db", run_id, ["max_retries=0", "fallback_after=none"])
    assert fewer.changed.attempts < fewer.recorded.attempts
    more = what_if(tmp_path / "runs.db", run_id, ["max_retries=4"])
    assert more.changed.attempts > more.recorded.attempts
    assert more.assumed == {"more attempts than recorded: assumed to fail as the last of their task did": 4}


def test_a_fallback_that_never_ran_is_assumed_to_succeed_and_said(tmp_path: Path) -> None:
    policy = RecoveryPolicy(strategy=RecoveryStrategy.RETRY_SAME, max_retries=0, fallback_to_llm=False)
    recovery = RecoverySettings(policy=policy, fallbacks={"broken": ("steady",)}, state_dir=None)
    run_id = record(tmp_path, [SpawnTask("go", "broken", id="1")], recovery=recovery)
    report = what_if(tmp_path / "runs.db", run_id, ["strategy=fallback_only"])
    assert (report.recorded.tasks, report.changed.tasks) == ({"failed": 1}, {"succeeded": 1})
    (assumed,) = report.assumed
    assert "assumed to succeed" in assumed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("max_concurrent", "write name=value"),
        ("max_concurrent=0", "a whole number from 1"),
        ("max_concurent=3", "did you mean max_concurrent"),
        ("agent_limits.nobody=2", "has no agent 'nobody'"),
        ("start_rate_per_s=-1", "above 0"),
        ("max_retries=many", "max_retries"),
        ("preset=bold", "bold"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(tmp_path: Path, change: str, said: str) -> None:
    run_id = record(tmp_path, WIDE[:1])
    with pytest.raises(ReplayError, match=said):
        what_if(tmp_path / "runs.db", run_id, [change])
