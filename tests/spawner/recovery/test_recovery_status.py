"""The status of a run whose coordinator died: attempts that ended since are reported as ended."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.warm_python import WarmPopen

from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
from aurora_spawner.control.status import run_status, state_word
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_attempts, load_run

BACKENDS = {"sh": CommandBackend("sh", ("sh",))}
DRIVER = """
import sys
from pathlib import Path
from aurora_spawner import CommandBackend, Run, RunOptions

Run.resume(Path(sys.argv[1]), sys.argv[2], {"sh": CommandBackend("sh", ("sh",))}).execute_sync()
"""


def wait_until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_an_attempt_that_ended_after_its_coordinator_is_reported_as_ended(tmp_path: Path) -> None:
    journal = tmp_path / "runs.db"
    waits = SpawnTask("touch begun; while [ ! -e open ]; do sleep 0.02; done; echo done", "sh", id="1")
    made = Run.create(
        journal, [waits], BACKENDS, RunOptions(default_agent="sh", cwd=tmp_path, spool=tmp_path / "runs")
    )
    driver = WarmPopen([sys.executable, "-c", DRIVER, str(journal), made.run_id])
    wait_until((tmp_path / "begun").exists)
    wait_until(lambda: run_status(journal, made.run_id).running[0].since is not None)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    (alive,) = run_status(journal, made.run_id).running
    assert not alive.ended
    (tmp_path / "open").touch()
    wait_until(lambda: run_status(journal, made.run_id).running[0].ended)
    status = run_status(journal, made.run_id)
    assert (status.state, status.pid) == ("crashed", None)
    with Journal(journal) as store:
        run = load_run(store, made.run_id)
        (attempt,) = load_attempts(store, made.run_id, open_only=True)
    assert (state_word(run, held=False), state_word(run, held=True)) == ("crashed", "running")
    assert attempt.supervisor is not None
    assert not attempt.supervisor.alive()
    assert Run.resume(journal, made.run_id, BACKENDS).execute_sync().ok, "what it left is collected"
