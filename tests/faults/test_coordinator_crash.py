"""kill -9 of the coordinator at any moment: nothing finished is redone, nothing in flight is lost, nothing stays.

AURORA_FAULT_KILLS sets how many random kills are made (200 for the full proof), AURORA_FAULT_STRIDE around the writes
of which facts a coordinator is killed (1 for all).
"""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from itertools import product
from pathlib import Path

import pytest
from tests.exhaustive import few
from tests.warm_python import WarmPopen

from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.testing import processes_of_run

COORDINATOR = Path(__file__).with_name("faulty_coordinator.py")
TASKS = 30
RANDOM_KILLS = int(os.environ.get("AURORA_FAULT_KILLS", "64"))
STRIDE = int(os.environ.get("AURORA_FAULT_STRIDE", "10"))
FACTS = 4 * TASKS
"""Of a run in which every task succeeds at once, its beginning and its end not counted."""


def begin(folder: Path, fault: str | None = None) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if name != "AURORA_FAULT"}
    if fault:
        environment["AURORA_FAULT"] = fault
    command = [sys.executable, str(COORDINATOR), str(folder), str(TASKS), "0.5"]
    return WarmPopen(command, env=environment)


def finish(folder: Path) -> None:
    with begin(folder) as coordinator:
        assert coordinator.wait(timeout=50) == 0


def rows(folder: Path, query: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(folder / "runs.db")) as connection:
        return connection.execute(query).fetchall()


def output_of(folder: Path, task_id: str) -> str:
    query = "SELECT folder FROM attempts WHERE task_id = ? AND reason = 'exited' ORDER BY number DESC LIMIT 1"
    with closing(sqlite3.connect(folder / "runs.db")) as connection:
        (place,) = connection.execute(query, (task_id,)).fetchone()
    return (Path(place) / "stdout").read_text()


def starts(folder: Path, task_id: str) -> int:
    return len((folder / f"starts.{task_id}").read_text().split())


def check_everything_done_once(folder: Path) -> None:
    """Every task succeeded and was settled once, its output is byte-exact, the chain holds, no process is left."""
    names = [str(number) for number in range(1, TASKS + 1)]
    settled = Counter(task_id for (task_id,) in rows(folder, "SELECT task_id FROM events WHERE kind='task_settled'"))
    assert settled == Counter(names)
    assert {state for (state,) in rows(folder, "SELECT state FROM tasks")} == {"succeeded"}
    lines = {name: "".join(f"task {name} line {number}\n" for number in range(40)) for name in names}
    assert {name: output_of(folder, name) for name in names} == lines
    with Journal(folder / "runs.db") as journal:
        assert verify(journal).problem is None
    assert processes_of_run((folder / "run_id").read_text(), within_s=5.0) == []


MOMENTS = ("before", "after")


@pytest.mark.parametrize(("moment", "fact"), few(product(MOMENTS, range(1, FACTS + 1, STRIDE)), 2))
def test_killed_around_the_write_of_a_fact(tmp_path: Path, moment: str, fact: int) -> None:
    with begin(tmp_path, f"{moment}:{fact}") as coordinator:
        assert coordinator.wait(timeout=50) == -signal.SIGKILL
    finish(tmp_path)
    check_everything_done_once(tmp_path)
    assert {starts(tmp_path, str(number)) for number in range(1, TASKS + 1)} == {1}


@pytest.mark.parametrize(
    ("moment", "kind"),
    few(product(MOMENTS, ["attempt_started", "attempt_ended", "task_settled", "run_ended"]), 1),
)
def test_killed_at_the_first_write_of_a_kind(tmp_path: Path, moment: str, kind: str) -> None:
    with begin(tmp_path, f"{moment}:{kind}") as coordinator:
        assert coordinator.wait(timeout=50) == -signal.SIGKILL
    finish(tmp_path)
    check_everything_done_once(tmp_path)
    assert {starts(tmp_path, str(number)) for number in range(1, TASKS + 1)} == {1}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", few(range(max(1, RANDOM_KILLS // 8)), 1))
def test_killed_again_and_again_at_random_times(tmp_path: Path, seed: int) -> None:
    """Eight kills a run; because supervisors survive the coordinator, no task starts twice."""
    chance = random.Random(seed)
    for _ in range(8):
        with begin(tmp_path) as coordinator:
            while not (tmp_path / "run_id").exists():
                time.sleep(0.005)
            time.sleep(chance.uniform(0, 0.35))
            coordinator.kill()
    finish(tmp_path)
    check_everything_done_once(tmp_path)
    assert {starts(tmp_path, str(number)) for number in range(1, TASKS + 1)} == {1}
