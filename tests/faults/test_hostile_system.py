"""A system that does not help: full disks, locks, stopped processes, other runs beside."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.exhaustive import few
from tests.warm_python import WarmPopen

from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
from aurora_spawner.errors import JournalError, JournalLockedError, RunHeldError
from aurora_spawner.journal import store
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import list_runs
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.run_events import RunEnded
from aurora_spawner.testing import processes_of_run

# The full proof: AURORA_FAULT_STOP_S=60, with pytest's --timeout 200.
STOPPED_S = float(os.environ.get("AURORA_FAULT_STOP_S", "1"))
COORDINATOR = Path(__file__).with_name("faulty_coordinator.py")


def make_run(folder: Path, script: str, count: int = 1, **options: object) -> Run:
    return Run.create(
        folder / "runs.db",
        [SpawnTask("go") for _ in range(count)],
        {"sh": CommandBackend("sh", ("sh", "-c", script))},
        RunOptions(
            default_agent="sh",
            cwd=folder,
            spool=folder / "runs",
            **{"executor": LocalExecutor(grace_s=0.5), **options},  # type: ignore[arg-type]
        ),
    )


def begin(folder: Path, count: int = 12, **environment: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(COORDINATOR), str(folder), str(count), "0.5"]
    return WarmPopen(command, env={**os.environ, **environment})


@contextmanager
def locked(journal: Path, statement: str) -> Iterator[None]:
    with closing(sqlite3.connect(journal, isolation_level=None)) as other:
        other.execute(statement)
        other.execute("SELECT count(*) FROM events").fetchall()
        yield


def test_a_reader_in_a_long_transaction_holds_nothing_up(tmp_path: Path) -> None:
    run = make_run(tmp_path, "echo done", 5)
    with locked(tmp_path / "runs.db", "BEGIN"):
        assert run.execute_sync().ok


def test_a_writer_in_a_long_transaction_is_waited_for(tmp_path: Path) -> None:
    run = make_run(tmp_path, "echo done", 5)
    other = sqlite3.connect(tmp_path / "runs.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.4, other.execute, ["ROLLBACK"])
    release.start()
    assert run.execute_sync().ok
    release.join()
    other.close()


def test_a_lock_that_does_not_end_ends_the_run_and_its_agents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BUSY_WAIT_S", 0.2)
    run = make_run(tmp_path, "touch started; sleep 0.5; echo done", 3, max_concurrent=2)
    lock = sqlite3.connect(tmp_path / "runs.db", isolation_level=None, check_same_thread=False)

    def lock_once_started() -> None:
        while not (tmp_path / "started").exists():
            time.sleep(0.005)
        time.sleep(0.1)
        lock.execute("BEGIN IMMEDIATE")

    locker = threading.Thread(target=lock_once_started)
    locker.start()
    with pytest.raises(JournalLockedError, match="another process has locked"):
        run.execute_sync()
    locker.join()
    lock.close()
    assert processes_of_run(run.run_id, within_s=5.0) == []
    assert Run.resume(tmp_path / "runs.db", run.run_id, run.backends).execute_sync().ok


def test_a_full_disk_ends_the_run_in_order_and_a_resume_finishes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite is given no more pages, which is how it learns of a full disk."""
    run = make_run(tmp_path, "i=0; while [ $i -lt 900 ]; do echo line $i; i=$((i+1)); done", 20)
    with Journal(tmp_path / "runs.db") as journal:
        pages = journal.connection.execute("PRAGMA page_count").fetchone()[0]
    opened = Journal._open

    def open_small(self: Journal, path: Path) -> None:
        opened(self, path)
        self.connection.execute(f"PRAGMA max_page_count = {pages + 10}")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "_open", open_small)
        with pytest.raises(JournalError, match="the disk is full; make room and resume"):
            run.execute_sync()
    assert processes_of_run(run.run_id, within_s=5.0) == []
    assert Run.resume(tmp_path / "runs.db", run.run_id, run.backends).execute_sync().ok
    with Journal(tmp_path / "runs.db") as journal:
        assert verify(journal).ok


_ON_A_FULL_DISK = """
import os, shutil, sqlite3, subprocess, sys
from pathlib import Path
from aurora_spawner import CommandBackend, Run, RunOptions, SpawnerError, SpawnTask
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_tasks
from aurora_spawner.testing import processes_of_run

disk = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", disk], check=True)
(disk / "ballast").write_bytes(bytes(1_000_000))
script = "i=0; while [ $i -lt 4000 ]; do echo line $i of a long answer; i=$((i+1)); done"
sh = {"sh": CommandBackend("sh", ("sh", "-c", script))}
tasks = [SpawnTask("go") for _ in range(12)]
spool = disk / "runs"
options = RunOptions(default_agent="sh", cwd=disk.parent, spool=spool, max_concurrent=3)
run = Run.create(disk / "runs.db", tasks, sh, options)
try:
    report = run.execute_sync()
    ended = "with failures" if not report.ok else "well"
except SpawnerError as error:
    ended = f"by {type(error).__name__}"
assert ended != "well", "the disk was never full"
assert processes_of_run(run.run_id, within_s=5.0) == []
# Somebody makes room.
(disk / "ballast").unlink()
subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)


def settled():
    with Journal(disk / "runs.db") as journal:
        rows = load_tasks(journal, run.run_id)
    return {row.task_id: (row.attempts, row.ended_at) for row in rows if row.state == "succeeded"}


succeeded = settled()
again = Run.resume(disk / "runs.db", run.run_id, sh).execute_sync()
# Attempts that ended while nothing could be written are judged now: what the disk has swallowed is no success.
assert all("the disk was full" in r.error for r in again.results.values() if not r.success)
again = Run.resume(disk / "runs.db", run.run_id, sh, retry_failed=True).execute_sync()
assert again.ok, {k: r.error for k, r in again.results.items() if not r.success}
assert all("line 3999" in r.output for r in again.results.values())
assert succeeded.items() <= settled().items(), "what was done is not done again"
with Journal(disk / "runs.db") as journal:
    assert verify(journal).ok
assert processes_of_run(run.run_id, within_s=5.0) == []
print("ended", ended, "with", len(succeeded), "tasks done")
"""


def test_a_disk_that_is_really_full_loses_nothing(tmp_path: Path) -> None:
    """Journal and spool on two megabytes of their own; agents print until nothing fits any more."""
    alone = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount a disk of their own")
    (tmp_path / "disk").mkdir()
    command = [*alone, sys.executable, "-c", _ON_A_FULL_DISK, str(tmp_path / "disk")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ended by JournalError with ")


def test_a_stopped_coordinator_goes_on_where_it_was(tmp_path: Path) -> None:
    with begin(tmp_path) as coordinator:
        while not (tmp_path / "run_id").exists():
            time.sleep(0.005)
        coordinator.send_signal(signal.SIGSTOP)
        time.sleep(STOPPED_S)
        coordinator.send_signal(signal.SIGCONT)
        assert coordinator.wait(timeout=50) == 0


def test_a_stopped_coordinator_keeps_its_run(tmp_path: Path) -> None:
    run = make_run(tmp_path, "sleep 0.3; echo done", 2)
    held: list[RunHeldError] = []

    def try_to_take(event: object) -> None:
        if isinstance(event, RunEnded):  # nobody holds it any more
            return
        other = Run.resume(tmp_path / "runs.db", run.run_id, run.backends)
        with pytest.raises(RunHeldError) as caught, ThreadPoolExecutor() as threads:
            threads.submit(other.execute_sync).result()
        held.append(caught.value)

    assert run.execute_sync(try_to_take).ok
    assert f"process {os.getpid()} on" in str(held[0])


def test_a_stopped_supervisor_is_only_late(tmp_path: Path) -> None:
    stop = f"kill -STOP $PPID; (sleep {STOPPED_S}; kill -CONT $PPID) & wait; echo done"
    assert make_run(tmp_path, stop).execute_sync().ok


_STEERED_FROM_OUTSIDE = """
import sys
from pathlib import Path
from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask

folder, journal = Path.cwd(), Path.cwd() / "runs.db"
cancel = "from aurora_spawner.control.steering import cancel_run; import os; from pathlib import Path; "
cancel += "cancel_run(Path('runs.db'), os.environ['AURORA_RUN_ID'], task_id='stays')"
scripts = {
    "stays": "touch begun; sleep 60",
    "ends it": f'while [ ! -e begun ]; do sleep 0.02; done; {sys.executable} -c "{cancel}" && echo cancelled it',
    "third": "touch /tmp/anything || echo nothing can be written there",
}
sh = CommandBackend("sh", ("sh",))
tasks = [SpawnTask(script, id=task_id) for task_id, script in scripts.items()]
run = Run.create(journal, tasks, {"sh": sh}, RunOptions(default_agent="sh", cwd=folder, spool=folder / "runs"))
report = run.execute_sync()
print({task_id: str(result.state) for task_id, result in report.results.items()})
print(*report.notices, report.results["third"].output, report.results["ends it"].error or "")
"""


@pytest.mark.parametrize("depth", few([3, 0], 1))
def test_no_place_for_temporary_files_is_needed(tmp_path: Path, depth: int) -> None:
    """All such places are read-only; a control socket whose path would be too long has no refuge there, either."""
    alone = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount anything")
    folder = tmp_path.joinpath(*["a-long-name-" * 5] * depth)
    folder.mkdir(parents=True, exist_ok=True)
    program = tmp_path / "program.py"
    program.write_text(_STEERED_FROM_OUTSIDE)
    shell = f"""
        set -e
        mount --bind '{tmp_path}' '{tmp_path}'
        for place in /tmp /var/tmp /dev/shm; do mount --rbind $place $place; mount -o remount,bind,ro $place; done
        cd '{folder}'
        exec env TMPDIR=/tmp '{sys.executable}' '{program}'
    """
    done = subprocess.run([*alone, "sh", "-c", shell], capture_output=True, text=True, timeout=55, check=False)
    assert done.returncode == 0, done.stderr
    states, rest = done.stdout.split("\n", 1)
    assert states == "{'stays': 'cancelled', 'ends it': 'succeeded', 'third': 'succeeded'}", rest
    assert rest.strip() == "nothing can be written there"


def test_three_runs_at_once_in_one_project(tmp_path: Path) -> None:
    """Three coordinators, one journal, one chain."""
    program = """
import sys
from pathlib import Path
from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
folder = Path(sys.argv[1])
sh = {"sh": CommandBackend("sh", ("sh", "-c", "sleep 0.05; echo done"))}
tasks = [SpawnTask("go") for _ in range(15)]
run = Run.create(folder / "runs.db", tasks, sh, RunOptions(default_agent="sh", cwd=folder, spool=folder / "runs"))
sys.exit(0 if run.execute_sync().ok else 1)
"""
    coordinators = [WarmPopen([sys.executable, "-c", program, str(tmp_path)]) for _ in range(3)]
    assert [coordinator.wait(timeout=50) for coordinator in coordinators] == [0, 0, 0]
    with Journal(tmp_path / "runs.db") as journal:
        assert verify(journal).ok
        assert [run.state for run in list_runs(journal)] == ["succeeded"] * 3


_UNDER_A_MAD_CLOCK = """
import itertools, sys, time
jumps = itertools.cycle([1e9, 2e9, 5e8, 1.5e9, 3e9, 1.0])
time.time = lambda: next(jumps)

from pathlib import Path
from aurora_spawner import CommandBackend, RecoveryPolicy, Run, RunOptions, SpawnTask

folder = Path.cwd()
sh = {"sh": CommandBackend("sh", ("sh",))}
once = "if [ -e tried ]; then echo done; else touch tried; exit 75; fi"
scripts = ["echo done", "sleep 0.3; echo done", once]
tasks = [SpawnTask(each) for each in scripts] + [SpawnTask("sleep 60", timeout_s=0.4, critical=False)]
policy = RecoveryPolicy(base_delay=0.05, max_delay=0.1)
run = Run.create(
    folder / "runs.db", tasks, sh, RunOptions(default_agent="sh", cwd=folder, spool=folder / "runs", recovery=policy)
)
report = run.execute_sync()
print([str(result.state) for result in report.results.values()], report.results["4"].termination_reason)
slow = report.results["2"].execution_time
print(0.3 <= slow < 20, 0 < report.duration_s < 40)
"""


def test_clock_jumps_change_no_outcome(tmp_path: Path) -> None:
    """The wall clock of the coordinator jumps by decades at every look; limits and durations use another one."""
    command = [sys.executable, "-c", _UNDER_A_MAD_CLOCK]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=55, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "['succeeded', 'succeeded', 'succeeded', 'failed'] deadline\nTrue True\n"
    with Journal(tmp_path / "runs.db") as journal:
        assert verify(journal).ok
