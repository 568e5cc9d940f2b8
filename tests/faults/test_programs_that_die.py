"""A program that runs agents without a journal, and dies: nobody could come back for them, so they end with it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.exhaustive import few
from tests.warm_python import WarmPopen

from aurora_spawner import CommandBackend, SpawnTask
from aurora_spawner.control.steering import cancel_run
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import list_runs
from aurora_spawner.shortcuts import spawn_parallel_sync
from aurora_spawner.testing import processes_of_run

# Each agent has a daemon beside it: another session, another parent.
AGENT = (
    "trap '' TERM; (setsid sh -c 'echo $$ > daemon.$AURORA_TASK_ID; sleep 60' &) ;"
    " echo $AURORA_RUN_ID > run_id; echo $$ > pid.$AURORA_TASK_ID; while :; do sleep 0.1; done"
)
PROGRAM = f"""
import sys
from pathlib import Path
from aurora_spawner import CommandBackend, SpawnTask
from aurora_spawner.shortcuts import spawn_parallel_sync
sh = CommandBackend("sh", ("sh", "-c", {AGENT!r}))
journal = Path("runs.db") if sys.argv[1:] else None
spawn_parallel_sync([SpawnTask("go", id=str(n)) for n in (1, 2, 3)], backends={{"sh": sh}}, journal=journal)
"""


def wait_until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.02)


def begin(folder: Path, *arguments: str) -> tuple[subprocess.Popen[bytes], str]:
    """The program, its agents and their daemons being up, and the name of its run."""
    program = WarmPopen[bytes]([sys.executable, "-c", PROGRAM, *arguments], cwd=folder)
    files = [folder / f"{kind}.{number}" for kind in ("pid", "daemon") for number in (1, 2, 3)]
    wait_until(lambda: all(each.exists() and each.read_text().endswith("\n") for each in files))
    return program, (folder / "run_id").read_text().strip()


@pytest.mark.parametrize("how", few([signal.SIGKILL, signal.SIGABRT], 1))
def test_without_a_journal_agents_end_with_their_program(tmp_path: Path, how: signal.Signals) -> None:
    program, run_id = begin(tmp_path)
    assert len(processes_of_run(run_id)) >= 9
    program.send_signal(how)
    program.wait()
    wait_until(lambda: processes_of_run(run_id) == [])


def test_without_a_journal_agents_end_though_the_fork_server_was_killed_before(tmp_path: Path) -> None:
    program, run_id = begin(tmp_path)
    (fork_server,) = [pid for pid in children_of(program.pid) if b"--fork-server" in command_line(pid)]
    os.kill(fork_server, signal.SIGKILL)
    time.sleep(0.3)
    assert len(processes_of_run(run_id)) >= 9, "its end is not theirs"
    program.kill()
    program.wait()
    wait_until(lambda: processes_of_run(run_id) == [])


def test_with_a_journal_agents_go_on_and_can_be_ended_by_it(tmp_path: Path) -> None:
    program, run_id = begin(tmp_path, "journal")
    program.kill()
    program.wait()
    time.sleep(0.3)
    assert len(processes_of_run(run_id)) >= 9, "a resume would adopt them"
    with Journal(tmp_path / "runs.db") as journal:
        assert [run.run_id for run in list_runs(journal)] == [run_id]
    cancel_run(tmp_path / "runs.db", run_id)
    assert processes_of_run(run_id, within_s=5.0) == []


def test_agents_see_nothing_of_the_pipe_that_holds_them(tmp_path: Path) -> None:
    show = CommandBackend("show", (sys.executable, "-c", "import os; print(sorted(os.listdir('/proc/self/fd')))"))
    (result,) = spawn_parallel_sync([SpawnTask("go")], backends={"show": show}, cwd=tmp_path)
    assert result.output == "['0', '1', '2', '3']\n", "3 is the folder that is being listed"


def children_of(parent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
