"""kill -9 of the coordinator in any state of recovery: retries, fallbacks, breakers and pauses are as before.

AURORA_FAULT_STRIDE sets around the writes of which facts a coordinator is killed (1 for all).
"""

import json
import os
import signal
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.exhaustive import few
from tests.spawner.recovery.recovering_coordinator import BACKENDS, TASKS, settings
from tests.warm_python import run_warm

from aurora_spawner.journal.recovery_views import load_breakers, load_recoveries
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import load_attempts
from aurora_spawner.rate_limits.gate_store import ProviderStore
from aurora_spawner.recovery.restore import restore_recovery
from aurora_spawner.recovery.run_recovery import RunRecovery
from aurora_spawner.recovery.states import ATTEMPTING, RecoveryState
from aurora_spawner.testing import processes_of_run

ROOT = Path(__file__).parents[3]
COORDINATOR = Path(__file__).with_name("recovering_coordinator.py")
STRIDE = int(os.environ.get("AURORA_FAULT_STRIDE", "8"))
FACTS = 100
"""A whole run has a few more; how many times its providers and breakers move depends on timing."""

STARTS = {"1": 1, "2": 3, "3": 4, "4": 2, "5": 1, "6": 2, "7": 2, "8": 1}
"""Attempts at each task, those of its fallback included; a kill adds none."""
RESULTS = {
    "1": ("succeeded", "plain", 0),
    "2": ("succeeded", "flaky", 2),
    "3": ("succeeded", "steady", 2),
    "4": ("succeeded", "steady", 0),
    "5": ("succeeded", "steady", 0),
    "6": ("succeeded", "limited", 0),
    "7": ("failed", "hopeless", 1),
    "8": ("succeeded", "plain", 0),
}


def coordinate(folder: Path, fault: str | None = None) -> int:
    environment = {name: value for name, value in os.environ.items() if name != "AURORA_FAULT"}
    environment["PYTHONPATH"] = str(ROOT)
    if fault:
        environment["AURORA_FAULT"] = fault
    return run_warm([sys.executable, str(COORDINATOR), str(folder)], env=environment, timeout=50).returncode


def results(folder: Path) -> dict[str, tuple[str, str, int]]:
    with closing(sqlite3.connect(folder / "runs.db")) as connection:
        rows = connection.execute("SELECT task_id, result FROM tasks").fetchall()
    found = {task_id: json.loads(result) for task_id, result in rows}
    return {task_id: (each["state"], each["agent"], each["retry_count"]) for task_id, each in found.items()}


def starts(folder: Path, task_id: str) -> int:
    return sum(len(path.read_text().split()) for path in folder.glob(f"starts.{task_id}.*"))


def check_restored(folder: Path) -> None:
    """A coordinator that takes the run now stands where the killed one did."""
    run_id = (folder / "run_id").read_text()
    given = settings(folder)
    with Journal(folder / "runs.db") as journal:
        assert verify(journal).problem is None
        rows = {row.task_id: row for row in load_recoveries(journal, run_id, open_only=True)}
        attempted = {attempt.task_id for attempt in load_attempts(journal, run_id, open_only=True)}
        breakers = {stored["agent"]: stored for _run, stored in load_breakers(journal)}
        restored = restore_recovery(journal, run_id, given.policy)
    with ProviderStore(folder / "state") as store:
        paused = {gate.provider: gate for gate in store.gates()}
    recovery = RunRecovery(
        given, run_id=run_id, backends=BACKENDS, agent_of=lambda task: str(task.agent), restored=restored
    )
    recovery.resume(TASKS, attempted=attempted)
    for task_id, row in rows.items():
        state = recovery.machine.get_task_state(task_id)
        assert state is not None
        assert (str(state.state), state.agent) == (row.state, row.agent)
        assert state.retries == retries_of(row.changes)
        assert (state.state in ATTEMPTING) == (task_id in attempted)
        assert not state.fell_back or state.agent == "steady"
    assert {agent: breaker.to_dict() for agent, breaker in recovery.machine.breakers.items()} == breakers
    for provider, gate in paused.items():
        after = recovery.providers.store.gate(provider)
        if gate.state == "stopped":  # asked once more, by one probe
            assert after.state == "paused"
        elif gate.state == "probing":  # nobody makes the probe any more
            assert replace(after, until=0.0) == replace(gate, until=0.0)
        else:
            assert after == gate
    recovery.close()


def retries_of(changes: list[dict[str, Any]]) -> int:
    steps = [(str(change["step"]), str(change["from_state"])) for change in changes]
    return sum(step == "retry" for step, _from in steps) - steps.count(("defer", "retrying"))


def check_finished(folder: Path) -> None:
    assert results(folder) == RESULTS
    assert {task_id: starts(folder, task_id) for task_id in STARTS} == STARTS
    with Journal(folder / "runs.db") as journal:
        assert verify(journal).problem is None
    assert processes_of_run((folder / "run_id").read_text(), within_s=5.0) == []


def test_a_run_that_is_not_killed_goes_through_every_state(tmp_path: Path) -> None:
    assert coordinate(tmp_path) == 0
    check_finished(tmp_path)
    with Journal(tmp_path / "runs.db") as journal:
        rows = load_recoveries(journal, (tmp_path / "run_id").read_text())
    seen = {change[side] for row in rows for change in row.changes for side in ("from_state", "to_state")}
    assert seen == {str(state) for state in RecoveryState}


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("fact", few(range(2, FACTS, STRIDE), 2))
def test_killed_around_the_write_of_a_fact_everything_is_as_before(tmp_path: Path, moment: str, fact: int) -> None:
    assert coordinate(tmp_path, f"{moment}:{fact}") == -signal.SIGKILL
    if (tmp_path / "run_id").exists():
        check_restored(tmp_path)
    assert coordinate(tmp_path) == 0
    check_finished(tmp_path)


def test_killed_again_and_again(tmp_path: Path) -> None:
    """A dozen facts after each resume: the run gets through all the same, and no attempt is made twice."""
    for _ in range(40):
        if coordinate(tmp_path, "after:12") == 0:
            break
        if (tmp_path / "run_id").exists():
            check_restored(tmp_path)
    coordinate(tmp_path)
    check_finished(tmp_path)
