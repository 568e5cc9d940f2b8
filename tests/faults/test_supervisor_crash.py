"""kill -9 of the supervisor: its agent goes with it, the task is tried again, nothing is recorded twice."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from tests.exhaustive import few
from tests.warm_python import WarmPopen

from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
from aurora_spawner.attempts.process_identity import identify
from aurora_spawner.control.steering import cancel_run
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import load_attempts, load_tasks
from aurora_spawner.runs.stages import LOST_LIMIT
from aurora_spawner.supervision import local_executor
from aurora_spawner.supervision.cgroups import cgroup_for, own_cgroup
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.supervision.orphans import end_orphans, find_orphans
from aurora_spawner.testing import processes_of_run

COORDINATOR = Path(__file__).with_name("faulty_coordinator.py")
TASKS = 30


def begin(folder: Path) -> subprocess.Popen[bytes]:
    coordinator = WarmPopen[bytes]([sys.executable, str(COORDINATOR), str(folder), str(TASKS), "0.5"])
    while not (folder / "run_id").exists():
        time.sleep(0.005)
    return coordinator


def supervisors(folder: Path) -> list[int]:
    run_id = (folder / "run_id").read_text()
    found = []
    for pid in processes_of_run(run_id):
        with suppress(psutil.Error):
            if any("supervisor." in word for word in psutil.Process(pid).cmdline()):
                found.append(pid)
    return found


def kill(pids: list[int]) -> int:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(pids)


def check(folder: Path, kills: int) -> None:
    run_id = (folder / "run_id").read_text()
    with Journal(folder / "runs.db") as journal:
        assert verify(journal).problem is None
        tasks = load_tasks(journal, run_id)
    assert {task.state for task in tasks} == {"succeeded"}
    starts = [len((folder / f"starts.{task.task_id}").read_text().split()) for task in tasks]
    assert sum(starts) <= TASKS + kills
    assert processes_of_run(run_id, within_s=5.0) == []


def test_the_coordinator_tries_again_when_supervisors_are_killed(tmp_path: Path) -> None:
    with begin(tmp_path) as coordinator:
        time.sleep(0.1)
        kills = kill(supervisors(tmp_path)[:3])
        assert coordinator.wait(timeout=50) == 0
    check(tmp_path, kills)


async def test_the_end_of_the_first_supervisor_is_no_other_s_end(tmp_path: Path) -> None:
    """All supervisors of a run may come from one process; a sweep for one's orphans must leave the others alone."""
    count = 8
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("go", id=str(number)) for number in range(count)],
        {"sh": CommandBackend("sh", ("sh", "-c", 'echo x >> "starts.$AURORA_TASK_ID"; sleep 0.7; echo done'))},
        RunOptions(
            default_agent="sh",
            max_concurrent=count,
            cwd=tmp_path,
            spool=tmp_path / "spool",
        ),
    )
    killing = asyncio.create_task(asyncio.to_thread(kill_the_first, tmp_path, run.run_id, count))
    report = await run.execute()
    first = await killing
    assert report.ok
    starts = started(tmp_path)
    assert starts.pop(f"starts.{first}") == 2
    assert set(starts.values()) == {1}


def kill_the_first(folder: Path, run_id: str, count: int) -> str:
    """End the first attempt's supervisor once all run; returns its task."""
    while len(started(folder)) < count:
        time.sleep(0.01)
    with Journal(folder / "runs.db") as journal:
        first = load_attempts(journal, run_id)[0]
    assert first.supervisor is not None
    os.kill(first.supervisor.pid, signal.SIGKILL)
    return first.task_id


def started(folder: Path) -> dict[str, int]:
    return {path.name: len(path.read_text().split()) for path in folder.glob("starts.*")}


@pytest.mark.parametrize("delay_s", few([0.0, 0.05, 0.15], 1))
def test_both_killed_at_once(tmp_path: Path, delay_s: float) -> None:
    with begin(tmp_path) as coordinator:
        time.sleep(delay_s)
        coordinator.kill()
    kills = kill(supervisors(tmp_path))
    with begin(tmp_path) as coordinator:
        assert coordinator.wait(timeout=50) == 0
    check(tmp_path, kills)


def test_a_task_whose_supervisor_is_always_killed_fails_in_the_end(tmp_path: Path) -> None:
    """The agent kills its own supervisor."""
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("go")],
        {"sh": CommandBackend("sh", ("sh", "-c", "echo partial; sleep 0.1; kill -9 $PPID; sleep 299"))},
        RunOptions(
            default_agent="sh",
            cwd=tmp_path,
            spool=tmp_path / "runs",
            executor=LocalExecutor(grace_s=0.5),
        ),
    )
    result = run.execute_sync().results["1"]
    assert result.termination_reason == "supervisor_lost"
    assert result.retry_count == 2
    assert result.output == "partial\n"
    assert processes_of_run(run.run_id, within_s=5.0) == []
    with Journal(tmp_path / "runs.db") as journal:
        assert [attempt.reason for attempt in load_attempts(journal, run.run_id)] == ["supervisor_lost"] * 3


def test_daemons_of_a_killed_supervisor_are_swept_up(tmp_path: Path) -> None:
    """They left group and session, and are found by the token in their environment."""
    script = "setsid -f sh -c 'echo $$ >>daemons; sleep 299'; sleep 0.1; kill -9 $PPID; sleep 299"
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("go")],
        {"sh": CommandBackend("sh", ("sh", "-c", script))},
        RunOptions(
            default_agent="sh",
            cwd=tmp_path,
            spool=tmp_path / "runs",
        ),
    )
    run.execute_sync()
    daemons = (tmp_path / "daemons").read_text().split()
    assert len(daemons) == 3
    assert not [pid for pid in daemons if identify(int(pid))]


def test_orphans_are_distinguished_from_others(tmp_path: Path) -> None:
    """By token; and by session only where nobody else has that pid now."""
    mine = {**os.environ, "AURORA_ATTEMPT": "a" * 24}
    other = {**os.environ, "AURORA_ATTEMPT": "b" * 24}
    with (
        subprocess.Popen(["sleep", "299"], env=mine, start_new_session=True) as orphan,
        subprocess.Popen(["sleep", "299"], env=other, start_new_session=True) as bystander,
    ):
        assert find_orphans("a" * 24, session=None) == [orphan.pid]
        assert find_orphans("a" * 24, session=bystander.pid) == [orphan.pid]
        assert end_orphans("a" * 24, session=None) == []
        assert orphan.wait(timeout=5) == -signal.SIGKILL
        assert bystander.poll() is None
        bystander.kill()


@pytest.mark.skipif(own_cgroup() is None, reason="this process may not make cgroups")
def test_what_hides_from_every_sweep_is_in_the_cgroup(tmp_path: Path) -> None:
    """It has left the session, cleared its environment, and its supervisor is killed."""
    hidden = "env -i setsid -f sh -c 'echo $$ >>daemons; sleep 299'"
    script = f"sleep 0.5; {hidden}; sleep 0.2; kill -9 $PPID; sleep 299"
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("go")],
        {"sh": CommandBackend("sh", ("sh", "-c", script))},
        RunOptions(
            default_agent="sh",
            cwd=tmp_path,
            spool=tmp_path / "runs",
        ),
    )
    run.execute_sync()
    daemons = (tmp_path / "daemons").read_text().split()
    assert len(daemons) == 3
    assert not [pid for pid in daemons if identify(int(pid))]
    with Journal(tmp_path / "runs.db") as journal:
        fences = [cgroup_for(attempt.token) for attempt in load_attempts(journal, run.run_id)]
    assert len(fences) == 3
    assert not [fence for fence in fences if fence is None or fence.exists()]


HIDING = """
import os, signal, sys, time
if sys.argv[1:] == ["daemon"]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open(f"daemon.{os.getpid()}", "w").close()
    time.sleep(299)
    sys.exit()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(null, stream)
        os.execve(sys.executable, [sys.executable, "-I", "-S", __file__, "daemon"], {})
    os._exit(0)
os.wait()
while len([name for name in os.listdir() if name.startswith("daemon.")]) < int(os.environ["AURORA_ATTEMPT_NUMBER"]):
    time.sleep(0.005)
with open("supervisor", "w") as note:
    note.write(str(os.getppid()))
print("done")
"""
"""An agent that ends soon, and its daemon: in a session of its own, without environment, deaf to SIGTERM."""

COORDINATE_HIDING = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
import test_supervisor_crash as test
if sys.argv[2] == "without":
    test.local_executor.cgroup_for = lambda _token: None
test.hiding_run(Path(sys.argv[1])).execute_sync()
"""


def hiding_run(folder: Path) -> Run:
    (folder / "agent.py").write_text(HIDING)
    return Run.create(
        folder / "runs.db",
        [SpawnTask("go")],
        {"py": CommandBackend("py", (sys.executable, "-I", "-S", str(folder / "agent.py")))},
        RunOptions(
            default_agent="py",
            cwd=folder,
            spool=folder / "runs",
            executor=LocalExecutor(grace_s=20),
        ),
    )


def wait_for_grace(folder: Path, number: int) -> None:
    end = time.monotonic() + 30
    while not list(folder.glob(f"runs/*/*-{number}/left")):
        assert time.monotonic() < end
        time.sleep(0.005)


def kill_in_grace(folder: Path, attempts: int = 1) -> None:
    """Kill supervisors, each while it waits for the daemon to obey its SIGTERM."""
    for number in range(1, attempts + 1):
        wait_for_grace(folder, number)
        assert kill([int((folder / "supervisor").read_text())]) == 1


def daemons(folder: Path) -> list[int]:
    """Those that live."""
    begun = [int(path.suffix[1:]) for path in folder.glob("daemon.*")]
    assert begun
    return [pid for pid in begun if identify(pid)]


@pytest.fixture(params=few(["without", "with"], 1))
def cgroups(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether attempts may be fenced in."""
    if request.param == "without":
        monkeypatch.setattr(local_executor, "cgroup_for", lambda _token: None)
    elif own_cgroup() is None:
        pytest.skip("this process may not make cgroups")
    return str(request.param)


@pytest.mark.usefixtures("cgroups")
async def test_what_hides_from_a_supervisor_that_is_killed_in_its_grace_is_ended(tmp_path: Path) -> None:
    killing = asyncio.create_task(asyncio.to_thread(kill_in_grace, tmp_path, LOST_LIMIT))
    report = await hiding_run(tmp_path).execute()
    await killing
    assert report.results["1"].termination_reason == "supervisor_lost"
    assert report.notices == ()
    assert daemons(tmp_path) == []


def test_a_cancel_finds_it_where_the_coordinator_was_killed_before(tmp_path: Path, cgroups: str) -> None:
    """Whoever comes later learns of it from what the supervisor wrote down."""
    command = [sys.executable, "-c", COORDINATE_HIDING, str(tmp_path), cgroups]
    with WarmPopen[bytes](command) as coordinator:
        wait_for_grace(tmp_path, 1)
        coordinator.kill()
    kill_in_grace(tmp_path)
    assert daemons(tmp_path)
    with Journal(tmp_path / "runs.db") as journal:
        run_id = journal.connection.execute("SELECT run_id FROM runs").fetchone()[0]
    cancel_run(tmp_path / "runs.db", run_id)
    assert daemons(tmp_path) == []


@pytest.mark.usefixtures("cgroups")
async def test_what_hides_from_a_supervisor_that_is_killed_at_any_time_is_ended(tmp_path: Path) -> None:
    """Before anything could be written down or fenced in: it becomes a child of the fork server."""
    hidden = "env -i setsid -f sh -c 'echo $$ >>daemons; sleep 299'"
    script = f"{hidden}; while [ ! -s daemons ]; do sleep 0.005; done; kill -9 $PPID; sleep 299"
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("go")],
        {"sh": CommandBackend("sh", ("sh", "-c", script))},
        RunOptions(
            default_agent="sh",
            cwd=tmp_path,
            spool=tmp_path / "runs",
        ),
    )
    await run.execute()
    begun = (tmp_path / "daemons").read_text().split()
    assert begun
    assert not [pid for pid in begun if identify(int(pid))]
