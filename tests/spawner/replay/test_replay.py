"""Replays: every decision comes out as recorded, and what was edited, lost or cleaned is named."""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from aurora_spawner import RecoveryPolicy, RecoverySettings, Run, RunOptions, SpawnTask
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder, RunningAttempt
from aurora_spawner.attempts.process_identity import own_identity
from aurora_spawner.control.steering import cancel_run
from aurora_spawner.control.timeline import run_timeline
from aurora_spawner.errors import JournalCorruptError, ReplayError, UnknownRunError
from aurora_spawner.journal.approval_facts import UserActed
from aurora_spawner.journal.entries import entry_of
from aurora_spawner.journal.facts import (
    AttemptEnded,
    AttemptIntended,
    Fact,
    GapDeclared,
    RunEnded,
    RunTaken,
    TaskSettled,
)
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import EventRow, load_events
from aurora_spawner.journal.work_facts import FilesClaimed
from aurora_spawner.recovery.policy import BatchAction
from aurora_spawner.replay.recording import Recording
from aurora_spawner.replay.replay import recorded_events, replay_run
from aurora_spawner.runs.decision_settings import DecisionSettings
from aurora_spawner.tasks.result import RunState, SpawnResult, TaskState
from aurora_spawner.tasks.run_events import RunEvent, TaskStarted
from aurora_spawner.testing import SimulatedBackend, SimulatedExecutor, echo

SKIPPING = RecoveryPolicy(
    max_retries=0,
    fallback_to_llm=False,
    circuit_breaker_enabled=False,
    max_failure_rate=0.1,
    min_batch=1,
    on_batch_failure=BatchAction.SKIP,
)
AGENTS = ("plain", "flaky", "broken", "limited", "steady")
FAILURES = {"flaky": "socket hang up", "broken": "Error: 500", "limited": "429 Too Many Requests, retry-after: 0.05"}
TASKS = (
    SpawnTask("go", "plain", id="1"),
    SpawnTask("go", "flaky", id="2"),
    SpawnTask("go", "broken", id="3", depends_on=("1",)),
    SpawnTask("go", "limited", id="4"),
    SpawnTask("go", "broken", id="5", critical=False),
    SpawnTask("go", "plain", id="6", depends_on=("2", "3", "4", "5"), priority=3),
)


def agent(order: AttemptOrder) -> AttemptEnd:
    if order.agent in FAILURES and (order.agent == "broken" or order.number == 1):
        return AttemptEnd(reason=EndReason.EXITED, exit_code=1, stderr=FAILURES[order.agent])
    return echo(order)


def record(folder: Path, tasks: Sequence[SpawnTask] = TASKS, **options: Any) -> str:
    policy = RecoveryPolicy(base_delay=0.02, max_delay=0.05, fallback_to_llm=False)
    chosen: dict[str, Any] = {
        "recovery": RecoverySettings(policy=policy, fallbacks={"broken": ("steady",)}, state_dir=None),
        "executor": SimulatedExecutor(agent=agent, duration_s=0.01),
        "max_concurrent": 2,
    }
    run = Run.create(
        folder / "runs.db",
        tasks,
        {name: SimulatedBackend(name) for name in AGENTS},
        RunOptions(default_agent="plain", cwd=folder, spool=folder / "runs", **(chosen | options)),
    )
    run.execute_sync()
    return run.run_id


def take_an_hour_later(folder: Path, run_id: str) -> None:
    """Take a run as `aur merge` does, which decides nothing."""
    ended = entry_of(RunEnded(state=RunState.SUCCEEDED, notices=[]), run_id=run_id)
    journal = Journal(folder / "runs.db", clock=lambda: time.time() + 3600)
    with journal, journal.hold(run_id, holder=own_identity()) as lease:
        journal.append([ended], lease=lease)


def edit(folder: Path, kind: str, change: Callable[[dict[str, Any]], object], *, task: str | None = None) -> int:
    """Change the first event of a kind; return its number."""
    with closing(sqlite3.connect(folder / "runs.db")) as connection, connection:
        seq, payload = connection.execute(
            "SELECT seq, payload FROM events WHERE kind = ? AND (? IS NULL OR task_id = ?) ORDER BY seq",
            (kind, task, task),
        ).fetchone()
        said = json.loads(payload)
        change(said)
        connection.execute("UPDATE events SET payload = ? WHERE seq = ?", (json.dumps(said), seq))
    return int(seq)


def test_retries_fallbacks_pauses_and_breakers_are_decided_again(tmp_path: Path) -> None:
    report = replay_run(tmp_path / "runs.db", record(tmp_path))
    assert (report.difference, report.changed, report.notes) == (None, None, ())
    assert report.decisions > 30
    assert report.taken["attempt_ended"] >= 9
    assert report.coordinators == 1
    assert report.to_dict()["identical"] is True


@pytest.mark.parametrize("options", [{}, {"recovery": None}], ids=["recovering", "plain"])
def test_acts_of_users_decide_nothing_by_themselves(tmp_path: Path, options: dict[str, Any]) -> None:
    """They stand between any two events, as between the end of an attempt and the next one in its slot."""
    run_id = record(tmp_path, **options)
    act = UserActed(act="cancel", user="blue", role="viewer", issuer="", subject="", approval="", refused="no")
    with Journal(tmp_path / "runs.db") as journal:
        events = load_events(journal, run_id)
    (tmp_path / "acts").mkdir()
    times = iter([each.at for each in events for _ in range(2)])
    with Journal(tmp_path / "acts/runs.db", clock=lambda: next(times)) as journal:
        for each in events:
            assert each.fact is not None
            facts = [entry_of(fact, run_id=run_id, task_id=each.task_id) for fact in (each.fact, act)]
            journal.append(facts)
        replayed = recorded_events(journal, run_id)
    assert [each.fact for each in replayed] == [each.fact for each in events]
    report = replay_run(tmp_path / "acts/runs.db", run_id)
    assert (report.difference, report.changed, report.notes) == (None, None, ())
    shown = run_timeline(tmp_path / "acts/runs.db", run_id)
    marks = [*shown.marks, *(mark for task in shown.tasks for mark in task.marks)]
    said = [mark.label for mark in marks if "by user" in mark.label]
    assert said == ["cancel by user blue (viewer); refused: no"] * len(events)


@pytest.mark.parametrize(
    "options",
    [
        {"recovery": None},
        {"max_concurrent": 1, "agent_limits": {"broken": 1}},
        {"start_rate_per_s": 60.0},
        {"recovery": RecoverySettings(policy=SKIPPING, state_dir=None)},
    ],
)
def test_whatever_a_run_is_limited_by(tmp_path: Path, options: dict[str, Any]) -> None:
    assert replay_run(tmp_path / "runs.db", record(tmp_path, **options)).difference is None


@pytest.mark.parametrize("recovery", [None, RecoverySettings(state_dir=None)])
def test_starts_of_one_turn_may_be_written_in_any_order(tmp_path: Path, recovery: RecoverySettings | None) -> None:
    tasks = [SpawnTask("go", id=str(number)) for number in (1, 2, 3)]
    executor = SimulatedExecutor(duration_s=0.2)
    run_id = record(tmp_path, tasks, recovery=recovery, executor=executor, start_rate_per_s=60.0, max_concurrent=3)
    with closing(sqlite3.connect(tmp_path / "runs.db")) as connection, connection:
        kinds = ("attempt_intended", "recovery_transition")[: 2 if recovery else 1]
        for kind in kinds:  # as if the first attempt had taken longer to prepare than the second
            query = (
                "SELECT min(seq), task_id, payload FROM events WHERE kind = ? AND task_id IN (1, 2) GROUP BY task_id"
            )
            (first, *one), (second, *two) = connection.execute(query, (kind,))
            change = "UPDATE events SET task_id = ?, payload = ? WHERE seq = ?"
            connection.executemany(change, [(*two, first), (*one, second)])
    assert replay_run(tmp_path / "runs.db", run_id).difference is None


@pytest.mark.parametrize(("kind", "number"), [("attempt_intended", 2), ("attempt_ended", 1)])
def test_a_task_may_go_on_before_its_cancel_takes_effect(tmp_path: Path, kind: str, number: int) -> None:
    """On a busy machine it does between the writing of the cancel and the moment that this is known."""
    policy = RecoveryPolicy(base_delay=0.02, jitter=False, fallback_to_llm=False)
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("go", id="1"), SpawnTask("go", id="2", depends_on=("1",))],
        {"flaky": SimulatedBackend("flaky")},
        RunOptions(
            default_agent="flaky",
            cwd=tmp_path,
            spool=tmp_path / "runs",
            recovery=RecoverySettings(policy=policy, state_dir=None),
            executor=LongSecond(agent=agent),
        ),
    )
    starts: list[threading.Thread] = []

    def follow(event: RunEvent) -> None:
        if isinstance(event, TaskStarted):
            starts.append(
                threading.Thread(target=cancel_run, args=(run.journal, run.run_id), kwargs={"task_id": "1"})
            )
            if len(starts) == 2:
                starts[1].start()

    run.execute_sync(follow)
    starts[1].join()
    move_before(tmp_path, "task_cancel_asked", number_of(tmp_path, kind, f'"number":{number}'))
    report = replay_run(tmp_path / "runs.db", run.run_id)
    assert report.difference is None
    assert report.taken["task_cancel_asked"] == 1


class LongSecond(SimulatedExecutor):
    """Runs first attempts shortly, and second ones until they are cancelled."""

    async def start(self, order: AttemptOrder) -> RunningAttempt:
        self.duration_s = 0.01 if order.number == 1 else 50.0
        return await super().start(order)


def number_of(folder: Path, kind: str, part: str) -> int:
    with closing(sqlite3.connect(folder / "runs.db")) as connection:
        query = "SELECT min(seq) FROM events WHERE kind = ? AND instr(replace(payload, ' ', ''), ?)"
        return int(connection.execute(query, (kind, part)).fetchone()[0])


def move_before(folder: Path, kind: str, seq: int) -> None:
    """Write an event of a kind before another, as if it had come right behind the one before that."""
    with closing(sqlite3.connect(folder / "runs.db")) as connection, connection:
        query = "SELECT task_id, kind, payload FROM events WHERE seq BETWEEN ? AND (SELECT max(seq) FROM events "
        *others, moved = connection.execute(query + "WHERE kind = ?) ORDER BY seq", (seq, kind)).fetchall()
        assert moved[1] == kind
        assert others
        change = "UPDATE events SET task_id = ?, kind = ?, payload = ? WHERE seq = ?"
        connection.executemany(change, [(*each, at) for at, each in enumerate([moved, *others], seq)])
        connection.execute(
            "UPDATE events SET at = (SELECT at FROM events WHERE seq = ? - 1) WHERE seq = ?", (seq, seq)
        )


SEEN = FilesClaimed(files=["x"], seen=True)


@pytest.mark.parametrize(("found", "between"), [(True, []), (False, []), (False, [SEEN])])
def test_what_follows_an_attempt_that_was_found_takes_a_slot_of_its_own(found: bool, between: list[Fact]) -> None:
    taken = RunTaken(lease="", holder={}, settings={})
    first, second = (AttemptIntended(number=number, token="", agent="a", folder="") for number in (1, 2))
    ended = AttemptEnded(number=1, reason="voided", exit_code=None, record=None, survivors=[])
    facts = [taken, *([] if found else [first]), ended, *between, second]
    events = [
        EventRow(seq=at, at=float(at), task_id=None if fact is taken else "1", kind=fact.kind, fact=fact)
        for at, fact in enumerate(facts, 1)
    ]
    settings = DecisionSettings(
        max_concurrent=2,
        agent_limits={},
        start_rate_per_s=9.0,
        max_added=0,
        retry_failed=False,
        tasks_given=False,
        policy=None,
        adhoc=(),
        providers={},
        chains={},
    )
    (admission,) = Recording(events, settings).admissions
    assert (admission.task_id, admission.at) == ("1", 3.0 if found else 2.0)


def test_a_run_may_end_as_soon_as_its_last_event_is_written(tmp_path: Path) -> None:
    def limited(_order: AttemptOrder) -> AttemptEnd:
        return AttemptEnd(reason=EndReason.EXITED, exit_code=1, stderr="429 Too Many Requests, retry-after: 99999")

    recovery = RecoverySettings(policy=RecoveryPolicy(fallback_to_llm=False), state_dir=None)
    run_id = record(tmp_path, TASKS[:1], recovery=recovery, executor=SimulatedExecutor(agent=limited))
    assert replay_run(tmp_path / "runs.db", run_id).difference is None


def test_tasks_that_results_add_and_candidates(tmp_path: Path) -> None:
    def expand(task: SpawnTask, _result: SpawnResult) -> list[SpawnTask]:
        return [SpawnTask("more", "flaky"), SpawnTask("more", "plain")] if task.id == "1" else []

    report = replay_run(tmp_path / "runs.db", record(tmp_path, expand=expand))
    assert report.difference is None
    assert report.decisions > 40


@pytest.mark.parametrize(
    ("kind", "task", "change", "made"),
    [
        ("attempt_intended", "6", {"agent": "steady"}, "attempt 1 by @plain starts"),
        ("attempt_intended", "2", {"number": 7}, "attempt 1 by @flaky starts"),
        ("task_reopened", None, {}, ""),
    ],
)
def test_an_edited_decision_is_named(
    tmp_path: Path, kind: str, task: str | None, change: dict[str, Any], made: str
) -> None:
    run_id = record(tmp_path)
    if kind == "task_reopened":  # a decision that never was
        with Journal(tmp_path / "runs.db") as journal:
            settled = TaskSettled(result=SpawnResult(task_id="1", agent="x", state=TaskState.FAILED).to_json())
            journal.append([entry_of(settled, run_id=run_id, task_id="1")])
        assert replay_run(tmp_path / "runs.db", run_id).difference is None, "behind the end of the coordinator"
        return
    seq = edit(tmp_path, kind, lambda said: said.update(change), task=task)
    report = replay_run(tmp_path / "runs.db", run_id)
    assert report.difference is not None
    assert (report.difference.seq, report.difference.made) == (seq, made)
    assert report.difference.task_id == task
    assert "slots" in report.difference.state
    assert str(seq) in str(report.changed)


def test_an_edited_result_is_named_where_its_consequence_differs(tmp_path: Path) -> None:
    run_id = record(tmp_path, recovery=None)

    def succeed(said: dict[str, Any]) -> None:
        said["result"]["state"] = "succeeded"

    edited = edit(tmp_path, "task_settled", succeed, task="2")
    report = replay_run(tmp_path / "runs.db", run_id)
    assert report.changed is not None
    assert f"event {edited} " in report.changed
    assert report.difference is not None
    assert report.difference.seq >= edited


def test_an_event_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    run_id = record(tmp_path)
    seq = edit(tmp_path, "recovery_transition", lambda said: said["change"].pop("to_state"))
    with pytest.raises(JournalCorruptError, match=f"event {seq}:"):
        replay_run(tmp_path / "runs.db", run_id)


def test_a_gap_that_cannot_be_read_is_named_also_where_another_run_has_it(tmp_path: Path) -> None:
    run_id, other = record(tmp_path, TASKS[:1]), record(tmp_path, TASKS[:1])
    with Journal(tmp_path / "runs.db") as journal:
        journal.append([entry_of(GapDeclared(first=1, last=1, problem="lost"), run_id=other)])
    seq = edit(tmp_path, "gap_declared", lambda said: said.update(last="1"))
    with pytest.raises(JournalCorruptError, match=f"event {seq}:"):
        replay_run(tmp_path / "runs.db", run_id)


def test_what_came_after_lost_events_is_not_replayed(tmp_path: Path) -> None:
    run_id = record(tmp_path)
    with Journal(tmp_path / "runs.db") as journal:
        lost = load_events(journal, run_id)[20].seq
        journal.connection.execute("DELETE FROM events WHERE seq = ?", (lost,))
        gap = GapDeclared(first=lost, last=lost, problem="lost")
        journal.append([entry_of(gap, run_id=run_id)])
    report = replay_run(tmp_path / "runs.db", run_id)
    assert report.difference is None
    assert report.last_seq == lost - 1
    assert report.notes == (f"events {lost} to {lost} are lost; what came after them was not replayed",)


def test_a_run_that_goes_on_is_replayed_up_to_now(tmp_path: Path) -> None:
    run_id = record(tmp_path)
    with Journal(tmp_path / "runs.db") as journal:
        events = load_events(journal, run_id)
        journal.connection.execute("DELETE FROM events WHERE seq > ?", (events[25].seq,))
        holder = json.dumps(own_identity().to_json())
        journal.connection.execute("UPDATE runs SET holder = ?", (holder,))
    report = replay_run(tmp_path / "runs.db", run_id)
    assert (report.live, report.last_seq, report.difference) == (True, events[25].seq, None)


def test_what_a_killed_coordinator_could_not_write_is_not_held_against_what_it_wrote(tmp_path: Path) -> None:
    run_id = record(tmp_path)
    with Journal(tmp_path / "runs.db") as journal:
        events = load_events(journal, run_id)
        kept = next(event for event in events if event.kind == "attempt_ended")
        journal.connection.execute("DELETE FROM events WHERE seq > ?", (kept.seq,))
    seq = edit(tmp_path, "attempt_intended", lambda said: said.update(agent="steady"), task="2")
    report = replay_run(tmp_path / "runs.db", run_id)
    assert report.difference is None
    assert report.notes[0].startswith(f"from event {seq} to {kept.seq}, where its process ended")
    assert f"event {seq} " in str(report.changed), "the hashes name it all the same"


def test_runs_that_cannot_be_replayed_say_why(tmp_path: Path) -> None:
    run_id = record(tmp_path)
    with pytest.raises(UnknownRunError):
        replay_run(tmp_path / "runs.db", "spawn-1")
    edit(tmp_path, "run_taken", lambda said: said.pop("settings"))
    with pytest.raises(ReplayError, match="an earlier version ran it"):
        replay_run(tmp_path / "runs.db", run_id)
    with Journal(tmp_path / "runs.db") as journal:
        journal.redact(run_id)
    with pytest.raises(ReplayError, match="was cleaned"):
        replay_run(tmp_path / "runs.db", run_id)
    other = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("go")],
        {"plain": SimulatedBackend("plain")},
        RunOptions(default_agent="plain", cwd=tmp_path, spool=tmp_path / "runs"),
    )
    with pytest.raises(ReplayError, match="never started"):
        replay_run(tmp_path / "runs.db", other.run_id)
