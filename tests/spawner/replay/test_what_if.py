"""Simulations of a recorded run with other settings, told as what they are."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.spawner.replay.test_replay import record, take_an_hour_later

from aurora_spawner import RecoveryPolicy, RecoverySettings, SpawnTask
from aurora_spawner.control.timeline import RunTimeline, Span, SpanKind, TaskTimeline
from aurora_spawner.errors import ReplayError
from aurora_spawner.journal.facts import AttemptEnded, RecoveryTransitioned, RunTaken
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_events
from aurora_spawner.recovery.policy import RecoveryStrategy
from aurora_spawner.replay import replay
from aurora_spawner.replay.recorded_attempts import attempts_of
from aurora_spawner.replay.simulation import figures_of
from aurora_spawner.replay.what_if import _far_off, what_if
from aurora_spawner.runs.decision_settings import DecisionSettings
from aurora_spawner.tasks.result import TaskState
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


def test_an_attempt_that_was_cut_off_by_a_kill_takes_no_time(tmp_path: Path) -> None:
    """The attempt of a killed process, which the next one voids a hundred seconds later, is not one that failed."""
    run_id = record(tmp_path, WIDE[:1])
    with Journal(tmp_path / "runs.db") as journal:
        events = load_events(journal, run_id)
    taken, settings = next((each, each.fact.settings) for each in events if isinstance(each.fact, RunTaken))
    kinds = {each.kind: each for each in reversed(events)}
    start, ended = kinds["recovery_transition"], kinds["attempt_ended"]
    assert isinstance(start.fact, RecoveryTransitioned)
    assert isinstance(ended.fact, AttemptEnded)
    put_back = {**start.fact.change, "from_state": "executing", "to_state": "initial", "step": "defer"}
    at = taken.at
    cut_off = [
        taken,
        replace(kinds["attempt_intended"], at=at),
        replace(start, at=at),
        replace(taken, at=at + 100),
        replace(ended, at=at + 100, fact=replace(ended.fact, reason="voided", exit_code=None, record=None)),
        replace(start, at=at + 100, fact=replace(start.fact, change=put_back)),
    ]
    again = [replace(each, at=each.at + 100) for each in events if each.seq > taken.seq]
    assert settings is not None
    found = attempts_of([*cut_off, *again], DecisionSettings.from_json(settings))
    (only,) = found.attempts["1", "plain"]
    assert (only.outcome.state, only.seconds < 50) == (TaskState.SUCCEEDED, True)


def test_pauses_count_once_and_in_no_wait() -> None:
    def span(kind: SpanKind, start: float, end: float) -> Span:
        return Span(kind=kind, start=start, end=end, label="")

    task = TaskTimeline(
        task_id="1",
        title="",
        agent="a",
        state="succeeded",
        depends_on=(),
        spans=(span(SpanKind.DEPENDENCY, 0, 40), span(SpanKind.ATTEMPT, 40, 50)),
    )
    other = replace(task, task_id="2", spans=(span(SpanKind.ATTEMPT, 0, 10),))
    away = (span(SpanKind.PAUSE, 12, 30), span(SpanKind.PAUSE, 20, 35))  # it was paused, and then its process killed
    run = RunTimeline(run_id="r", state="succeeded", start=0, end=50, tasks=(task, other), spans=away)
    figures = figures_of(run)
    assert (figures.seconds, figures.waits["dependency"]) == (27.0, 17.0)


def test_a_simulation_that_is_far_off_says_so(tmp_path: Path) -> None:
    run_id = record(tmp_path, WIDE[:2], executor=SimulatedExecutor(duration_s=0.05), max_concurrent=1)
    with closing(sqlite3.connect(tmp_path / "runs.db")) as connection, connection:
        late = "(SELECT max(seq) FROM events WHERE kind = 'attempt_intended')"
        connection.execute(f"UPDATE events SET at = at + 50 WHERE seq >= {late}")
    far = what_if(tmp_path / "runs.db", run_id, ["max_concurrent=2"])
    (said,) = [note for note in far.notes if "compare what is changed" in note]
    assert f"s where the run took {far.recorded.seconds:,.1f} s" in said
    assert far.recorded.seconds > 50
    near = replace(far.recorded, seconds=far.recorded.seconds * 0.8)
    assert _far_off(far.recorded, near) == []


def test_a_run_is_simulated_wherever_it_is_and_said_to_be_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = record(tmp_path, WIDE[:3])
    with Journal(tmp_path / "runs.db") as journal:
        events = load_events(journal, run_id)
    first = next(place for place, event in enumerate(events) if isinstance(event.fact, RunTaken))
    for end in range(first + 1, len(events) + 1):
        monkeypatch.setattr(replay, "load_events", lambda *_, end=end: events[:end])
        report = what_if(tmp_path / "runs.db", run_id, ["max_concurrent=2"])
        assert (report.changed.tasks, report.stuck) == ({"succeeded": 3}, None)
        assert any("has not ended" in note for note in report.notes) is (end < len(events))


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
