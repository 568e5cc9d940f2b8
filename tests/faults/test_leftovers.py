"""Agents whose coordinator was killed are found and ended, also where the journal that knew them is gone."""

import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from tests.warm_python import WarmPopen

from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
from aurora_spawner.errors import AttemptRecordError
from aurora_spawner.runs.leftovers import FOLDER, end_leftover, find_leftovers
from aurora_spawner.testing import processes_of_run

PROGRAM = """
import sys
from pathlib import Path
from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
folder = Path(sys.argv[1])
run = Run.create(folder / ".aurora/runs.db", [SpawnTask("echo x > started; sleep 300")],
    {"sh": CommandBackend("sh", ("sh",))}, RunOptions(default_agent="sh", cwd=folder, spool=folder / ".aurora/runs",
    state_dir=folder / "state"))
(folder / "run_id").write_text(run.run_id)
run.execute_sync()
"""


def killed(folder: Path, *, number: int = signal.SIGKILL) -> str:
    process = WarmPopen([sys.executable, "-c", PROGRAM, str(folder)])
    while not (folder / "started").exists():
        assert process.poll() is None
        time.sleep(0.02)
    assert find_leftovers(folder / "state") == [], "its coordinator lives"
    if number == signal.SIGKILL:
        shutil.rmtree(folder / ".aurora")
    os.kill(process.pid, number)
    process.wait(timeout=30)
    return (folder / "run_id").read_text()


def test_agents_of_a_killed_coordinator_are_known_though_their_journal_is_gone(tmp_path: Path) -> None:
    run_id = killed(tmp_path)
    (left,) = find_leftovers(tmp_path / "state")
    assert (left.run_id, left.journal) == (run_id, tmp_path / ".aurora" / "runs.db")
    assert left.processes
    assert set(left.processes) <= set(processes_of_run(run_id))
    assert end_leftover(left) == []
    assert processes_of_run(run_id, within_s=5.0) == []
    assert find_leftovers(tmp_path / "state") == []
    assert list((tmp_path / "state" / FOLDER).iterdir()) == [], "a note that leads to nothing is taken away"


def test_a_run_that_ends_in_order_leaves_no_note(tmp_path: Path) -> None:
    killed(tmp_path, number=signal.SIGTERM)
    assert list((tmp_path / "state" / FOLDER).iterdir()) == []


def test_a_run_goes_on_where_no_note_can_be_left_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / FOLDER).write_text("a file, where a folder should be")
    backends = {"cat": CommandBackend("cat", ("cat",))}
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("hello")],
        backends,
        RunOptions(
            default_agent="cat",
            cwd=tmp_path,
            spool=tmp_path / "runs",
            state_dir=tmp_path / "state",
        ),
    )
    report = run.execute_sync()
    assert report.ok
    (notice,) = report.notices
    assert "cannot be written: Not a directory" in notice


def test_a_note_that_makes_no_sense_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "x.json").write_text("{")
    with pytest.raises(AttemptRecordError, match=r"x\.json"):
        find_leftovers(tmp_path)
