"""kill -9 of the coordinator around the cancellation of a task: a cancel that was answered holds, whatever happens.

AURORA_FAULT_STRIDE sets around the writes of which facts the coordinator is killed (1 for all).
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.exhaustive import few
from tests.warm_python import WarmPopen

from aurora_spawner import CommandBackend, Run, RunOptions, SpawnerError, SpawnTask
from aurora_spawner.control.steering import cancel_run, run_status
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import load_attempts, load_tasks
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.testing import processes_of_run

AGENT = """
echo begun >> "begun.$AURORA_TASK_ID"
while [ ! -e open ] && [ ! -e "open.$AURORA_TASK_ID" ]; do sleep 0.02; done
echo done
"""
BACKENDS = {"sh": CommandBackend("sh", ("sh", "-c", AGENT))}
STRIDE = int(os.environ.get("AURORA_FAULT_STRIDE", "2"))
FACTS = 13
"""Of a coordinator that begins two tasks, and of two cancels in its run; its lease not counted."""

COORDINATOR = f"""
import os, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from faulty_coordinator import arm
from aurora_spawner import CommandBackend, Run, RunOptions
from aurora_spawner.supervision.local_executor import LocalExecutor
if fault := os.environ.get("AURORA_FAULT"):
    arm(fault)
backends = {{"sh": CommandBackend("sh", ("sh", "-c", {AGENT!r}))}}
Run.resume(Path(sys.argv[1]), sys.argv[2], backends, executor=LocalExecutor(grace_s=0.3)).execute_sync()
"""

TASKS = [
    SpawnTask("go", id="runs"),
    SpawnTask("go", id="goes on"),
    SpawnTask("go", id="waits"),
    SpawnTask("go", id="needs it", depends_on=("runs",)),
]


class Steered:
    """A run of which two tasks have begun and two wait."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.journal = folder, folder / "runs.db"
        self.run_id = Run.create(
            self.journal,
            TASKS,
            BACKENDS,
            RunOptions(
                default_agent="sh",
                cwd=folder,
                spool=folder / "runs",
                max_concurrent=2,
            ),
        ).run_id

    def coordinate(self, fault: str = "") -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", COORDINATOR, str(self.journal), self.run_id]
        return WarmPopen(command, env={**os.environ, "AURORA_FAULT": fault})

    def wait(self, coordinator: subprocess.Popen[bytes], reached: Callable[[], bool]) -> None:
        end = time.monotonic() + 30
        while not reached() and coordinator.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.01)

    def begun(self, *names: str) -> bool:
        return all((self.folder / f"begun.{name}").exists() for name in names)

    def cancel(self, *names: str) -> list[str]:
        """The tasks whose cancellation was answered."""
        answered = []
        for name in names:
            try:
                cancel_run(self.journal, self.run_id, task_id=name)
            except SpawnerError:
                continue
            answered.append(name)
        return answered

    def open_all_but(self, closed: Sequence[str]) -> None:
        """Let agents go on, but those that would finish before their cancellation reaches them."""
        for name in {str(task.id) for task in TASKS} - set(closed):
            (self.folder / f"open.{name}").touch()

    def finish(self, *, closed: Sequence[str] = ()) -> dict[str, str]:
        """Let the agents go on, resume, and tell how each task ended."""
        self.open_all_but(closed)
        with self.coordinate() as coordinator:
            assert coordinator.wait(timeout=50) == 0
        assert processes_of_run(self.run_id, within_s=5.0) == []
        with Journal(self.journal) as journal:
            assert verify(journal).problem is None
            return {row.task_id: str(row.state) for row in load_tasks(journal, self.run_id)}


CANCELLED = {"runs": "cancelled", "goes on": "succeeded", "waits": "cancelled", "needs it": "skipped"}


@pytest.mark.parametrize("moment", few(["before", "after"], 1))
@pytest.mark.parametrize("fact", few(range(2 if STRIDE > 1 else 1, FACTS + 1, STRIDE), 2))
def test_killed_around_a_cancel(tmp_path: Path, moment: str, fact: int) -> None:
    run = Steered(tmp_path)
    with run.coordinate(f"{moment}:{fact}") as coordinator:
        run.wait(coordinator, lambda: run.begun("runs", "goes on"))
        answered = run.cancel("waits", "runs") if coordinator.poll() is None else []
        run.open_all_but(answered)
        assert coordinator.wait(timeout=50) == -signal.SIGKILL
    states = run.finish(closed=answered)
    assert {name: states[name] for name in answered} == dict.fromkeys(answered, "cancelled")
    if answered == ["waits", "runs"]:
        assert states == CANCELLED
        assert not run.begun("waits")


def test_a_cancel_holds_though_the_coordinator_dies_with_its_answer(tmp_path: Path) -> None:
    run = Steered(tmp_path)
    with run.coordinate() as coordinator:
        run.wait(coordinator, lambda: run.begun("runs", "goes on"))
        assert run.cancel("waits", "runs") == ["waits", "runs"]
        coordinator.kill()
    assert run.finish(closed=["runs"]) == CANCELLED
    assert (run.folder / "begun.goes on").read_text() == "begun\n"
    with Journal(run.journal) as journal:
        assert [each.task_id for each in load_attempts(journal, run.run_id)].count("runs") == 1


def test_a_task_of_a_dead_coordinator_is_cancelled_through_the_journal(tmp_path: Path) -> None:
    run = Steered(tmp_path)
    with run.coordinate() as coordinator:
        run.wait(coordinator, lambda: run.begun("runs", "goes on"))
        coordinator.kill()
    before = len(processes_of_run(run.run_id))
    assert run.cancel("runs", "waits", "unknown") == ["runs", "waits"]
    assert len(processes_of_run(run.run_id)) < before, "the one task's processes are ended, the other's are not"
    assert run_status(run.journal, run.run_id).state == "interrupted"
    assert run.finish() == CANCELLED


def test_what_ended_after_its_coordinator_died_is_collected_though_the_run_was_cancelled(tmp_path: Path) -> None:
    """Finished work stays finished: a cancel of a dead coordinator's run does not throw it away."""
    run = Steered(tmp_path)
    with run.coordinate() as coordinator:
        run.wait(coordinator, lambda: run.begun("runs", "goes on"))
        coordinator.kill()
    (run.folder / "open").touch()
    end = time.monotonic() + 30
    while processes_of_run(run.run_id):
        assert time.monotonic() < end
        time.sleep(0.02)
    with pytest.raises(SpawnerError, match="has ended already; resume the run to collect"):
        cancel_run(run.journal, run.run_id, task_id="runs")
    cancel_run(run.journal, run.run_id)
    assert run_status(run.journal, run.run_id).state == "cancelled"
    assert set(run.finish().values()) == {"succeeded"}
    assert {(run.folder / f"begun.{name}").read_text() for name in ("runs", "goes on")} == {"begun\n"}


def test_a_resume_that_retries_what_failed_takes_a_cancel_back(tmp_path: Path) -> None:
    run = Steered(tmp_path)
    with run.coordinate() as coordinator:
        run.wait(coordinator, lambda: run.begun("runs", "goes on"))
        run.cancel("waits")
        coordinator.kill()
    (run.folder / "open").touch()
    again = Run.resume(run.journal, run.run_id, BACKENDS, retry_failed=True, executor=LocalExecutor(grace_s=0.3))
    assert again.execute_sync().ok
