"""Recovery in the journal: old journals are brought up to date, reports tell what happened, tables follow events."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.exhaustive import few

from aurora_spawner import CommandBackend, RecoveryPolicy, RecoverySettings, Run, RunOptions, SpawnTask
from aurora_spawner.control.checkpoints import clean_checkpoints
from aurora_spawner.journal.recovery_views import load_breakers, load_recoveries
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import load_tasks
from aurora_spawner.recovery.report import recovery_report
from aurora_spawner.recovery.restore import load_histories, restore_recovery
from aurora_spawner.supervision.local_executor import LocalExecutor

BACKENDS = {
    "broken": CommandBackend("broken", ("sh", "-c", "echo 'socket hang up' >&2; exit 1")),
    "model": CommandBackend("model", ("sh", "-c", "echo by model")),
}
QUICK = RecoveryPolicy(base_delay=0.01, max_delay=0.01)


def run(folder: Path, policy: RecoveryPolicy | None = QUICK, count: int = 1) -> str:
    made = Run.create(
        folder / "runs.db",
        [SpawnTask("go") for _ in range(count)],
        BACKENDS,
        RunOptions(
            default_agent="broken",
            max_concurrent=1,
            cwd=folder,
            spool=folder / "runs",
            recovery=RecoverySettings(policy=policy, state_dir=None) if policy else None,
            executor=LocalExecutor(grace_s=0.3),
        ),
    )
    made.execute_sync()
    return made.run_id


@pytest.mark.parametrize("version", few([1, 2, 3, 4, 5, 6, 7], 3))
def test_a_journal_of_an_earlier_version_is_brought_up_to_date(tmp_path: Path, version: int) -> None:
    old = run(tmp_path, policy=None)
    with closing(sqlite3.connect(tmp_path / "runs.db", isolation_level=None)) as connection:
        connection.execute("DROP TABLE approvals")
        newer = {7: ("returned", "reviews"), 6: ("checking", "checked"), 5: ("worktree", "branch", "merge")}
        for column in (column for since, columns in newer.items() if version < since for column in columns):
            connection.execute(f"ALTER TABLE tasks DROP COLUMN {column}")
        if version < 7:
            connection.execute("ALTER TABLE attempts DROP COLUMN role")
        if version < 5:
            connection.execute("ALTER TABLE runs DROP COLUMN delivery")
        if version < 4:
            connection.execute("ALTER TABLE runs DROP COLUMN options")
        if version < 3:
            connection.execute("ALTER TABLE tasks DROP COLUMN cancel_asked")
        if version == 1:
            connection.execute("DROP TABLE recoveries")
            connection.execute("DROP TABLE breakers")
        connection.execute(f"PRAGMA user_version = {version}")
    new = run(tmp_path)
    with Journal(tmp_path / "runs.db") as journal:
        assert verify(journal).problem is None
        assert load_recoveries(journal, old) == []
        assert recovery_report(journal, old).tasks == ()
        assert [row.state for row in load_recoveries(journal, new)] == ["succeeded"]
        assert [row.state for row in load_tasks(journal, old)] == ["failed"]


def test_a_report_tells_what_happened(tmp_path: Path) -> None:
    run_id = run(tmp_path, count=2)
    with Journal(tmp_path / "runs.db") as journal:
        report = recovery_report(journal, run_id)
    assert (report.summary.succeeded, report.summary.recovered, report.summary.failed) == (2, 2, 0)
    assert report.summary.metrics.of_agent("broken").failures == 6
    assert report.summary.tasks["1"].retries == 2
    assert report.tasks[0].agent_id == "broken"
    assert [breaker.agent for breaker in report.breakers] == ["broken"]
    assert report.titles == {"1": "go", "2": "go"}


def test_tables_that_were_changed_are_found(tmp_path: Path) -> None:
    run_id = run(tmp_path)
    with Journal(tmp_path / "runs.db") as journal:
        journal.connection.execute("UPDATE recoveries SET agent = 'somebody' WHERE run_id = ?", (run_id,))
        assert "recoveries" in str(verify(journal).problem)
        journal.connection.execute("UPDATE recoveries SET agent = 'model'")
        journal.connection.execute("UPDATE breakers SET breaker = '{}'")
        assert "breakers" in str(verify(journal).problem)


def test_a_cleaned_run_takes_its_recovery_with_it(tmp_path: Path) -> None:
    run(tmp_path)
    clean_checkpoints(tmp_path / "runs.db", older_than_days=0)
    with Journal(tmp_path / "runs.db") as journal:
        assert verify(journal).problem is None
        assert load_breakers(journal) == []


def test_a_new_run_meets_agents_on_probation(tmp_path: Path) -> None:
    run_id = run(tmp_path, count=2)
    with Journal(tmp_path / "runs.db") as journal:
        (same,) = restore_recovery(journal, run_id, QUICK).breakers
        (other,) = restore_recovery(journal, "another", QUICK).breakers
        (fresh,) = restore_recovery(journal, run_id, QUICK, probation=True).breakers
    assert same.state == "open"
    assert other == fresh
    assert other.state == "closed"
    assert other.failed(other.failures[-1] + 1).state == "open"


def test_histories_are_read_only_where_a_policy_looks_back(tmp_path: Path) -> None:
    run_id = run(tmp_path, count=2)
    with Journal(tmp_path / "runs.db") as journal:
        assert restore_recovery(journal, run_id, QUICK).histories == {}
        looking_back = QUICK.with_override("broken", adaptive=True)
        histories = restore_recovery(journal, run_id, looking_back).histories
        assert histories == load_histories(journal)
    assert histories["broken"].failures == {"transient": 6}
    assert histories["broken"].durations_s == ()
    assert len(histories["model"].durations_s) == 2


def test_every_change_stands_in_the_transaction_of_its_attempt(tmp_path: Path) -> None:
    """The start of an attempt is followed at once by the change that it makes, its end by what follows from it."""
    run_id = run(tmp_path)
    with Journal(tmp_path / "runs.db") as journal:
        rows = journal.connection.execute(
            "SELECT kind, payload FROM events WHERE run_id = ? AND kind <> 'breaker_moved' ORDER BY seq", (run_id,)
        ).fetchall()
    steps = [
        json.loads(payload)["change"]["step"] if kind == "recovery_transition" else kind for kind, payload in rows
    ]
    told = [
        step
        for step in steps
        if step not in ("run_created", "tasks_added", "run_taken", "run_ended", "attempt_started")
    ]
    assert told == [
        *("attempt_intended", "start", "attempt_ended", "await_retry"),
        *("attempt_intended", "retry", "attempt_ended", "await_retry"),
        *("attempt_intended", "retry", "attempt_ended", "await_fallback"),
        *("attempt_intended", "fall_back", "attempt_ended", "task_settled", "succeed"),
    ]
