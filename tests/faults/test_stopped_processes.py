"""SIGSTOP where it hurts: a run must not hang because somebody stopped a supervisor, the fork server or itself."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path

import psutil
import pytest
from tests.exhaustive import few
from tests.warm_python import WarmPopen

from aurora_spawner import CommandBackend, Run, RunEvent, RunOptions, RunReport, SpawnResult, SpawnTask
from aurora_spawner.attempts.attempt_folder import AttemptFolder
from aurora_spawner.attempts.process_identity import ProcessIdentity
from aurora_spawner.control.steering import cancel_run, run_status
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_attempts
from aurora_spawner.supervision import fork_server, supervisor_deadline
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.supervision.supervisor_process import SupervisorOrder, start_supervisor
from aurora_spawner.testing import processes_of_run

BACKENDS = {"sh": CommandBackend("sh", ("sh",))}
HANG_S = 45
"""A run that takes longer hangs; each of these ends within seconds on a quiet machine."""


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits as they are, but for a second where they say ten."""
    monkeypatch.setattr(supervisor_deadline, "KILL_LIMIT_S", 1.0)
    monkeypatch.setattr(supervisor_deadline, "MARGIN_S", 0.5)
    monkeypatch.setattr(supervisor_deadline, "AT_ONCE_LIMIT_S", 1.0)


def new_run(folder: Path, *prompts: str, timeout_s: float | None = None, at_once: int = 4) -> Run:
    return Run.create(
        folder / "runs.db",
        [SpawnTask(prompt, timeout_s=timeout_s) for prompt in prompts],
        BACKENDS,
        RunOptions(
            default_agent="sh",
            max_concurrent=at_once,
            cwd=folder,
            spool=folder / "runs",
            executor=LocalExecutor(grace_s=0.3),
        ),
    )


async def finish(run: Run, on_event: Callable[[RunEvent], None] | None = None) -> RunReport:
    """Execute a run that must come to an end and leave nothing."""
    async with asyncio.timeout(HANG_S):
        report = await run.execute(on_event)
    assert processes_of_run(run.run_id, within_s=5.0) == []
    return report


async def one(folder: Path, script: str, timeout_s: float | None = None) -> SpawnResult:
    return (await finish(new_run(folder, script, timeout_s=timeout_s))).results["1"]


async def test_an_agent_that_stops_its_supervisor_and_finishes_has_finished(tmp_path: Path) -> None:
    """Without a time limit nobody else would ever notice that it ended."""
    result = await one(tmp_path, "kill -STOP $PPID; echo done")
    assert (result.success, result.output) == (True, "done\n")


async def test_an_agent_that_stops_its_supervisor_meets_its_time_limit(tmp_path: Path) -> None:
    result = await one(tmp_path, "kill -STOP $PPID; sleep 299", timeout_s=0.5)
    assert result.termination_reason == "deadline"


KEEP_STOPPED = """
    import os, signal, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        os.setsid()
        os.environ.clear()
    print("begun", flush=True)
    open(f"keeper.{os.getpid()}", "w").close()
    supervisor = int(sys.argv[1])
    while True:
        try:
            os.kill(supervisor, signal.SIGSTOP)
        except OSError:
            pass
        time.sleep(0.0005)
"""


def keeper(folder: Path) -> str:
    """A script whose agent and a daemon of it keep stopping the supervisor, whoever wakes it."""
    program = folder / "keeper.py"
    program.write_text(textwrap.dedent(KEEP_STOPPED))
    return f"exec {sys.executable} -I -S {program} $PPID"


def begun(folder: Path) -> int:
    return len(list(folder.glob("keeper.[0-9]*")))


async def until(reached: Callable[[], object]) -> None:
    await asyncio.to_thread(wait_until, reached)


def keepers(folder: Path) -> list[int]:
    pids = [int(path.suffix[1:]) for path in folder.glob("keeper.[0-9]*")]
    return [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


async def test_a_supervisor_that_is_kept_stopped_is_overruled_at_the_time_limit(tmp_path: Path) -> None:
    result = await one(tmp_path, keeper(tmp_path), timeout_s=0.5)
    assert result.termination_reason == "deadline"
    assert result.output.startswith("begun\n")
    assert "time limit" in str(result.error)
    assert begun(tmp_path) == 2
    assert keepers(tmp_path) == []


@pytest.mark.parametrize("times", few([1, 2], 1))
async def test_a_signal_to_the_coordinator_overrules_it_too(tmp_path: Path, times: int) -> None:
    run = new_run(tmp_path, keeper(tmp_path), keeper(tmp_path))

    async def interrupt() -> None:
        await until(lambda: begun(tmp_path) == 4)
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(0.05)

    interrupting = asyncio.create_task(interrupt())
    report = await finish(run)
    await interrupting
    assert report.interrupted
    assert {result.termination_reason for result in report.results.values()} == {"interrupted"}
    assert keepers(tmp_path) == []


@pytest.mark.parametrize(("task_id", "at_once"), few(product([None, "1"], [False, True]), 1))
async def test_a_cancel_from_outside_overrules_it_too(tmp_path: Path, task_id: str | None, at_once: bool) -> None:
    run = new_run(tmp_path, keeper(tmp_path))

    async def cancel() -> None:
        await until(lambda: begun(tmp_path) == 2)
        await asyncio.to_thread(cancel_run, run.journal, run.run_id, task_id=task_id, at_once=at_once)

    cancelling = asyncio.create_task(cancel())
    report = await finish(run)
    await cancelling
    assert report.results["1"].state == "cancelled"
    assert keepers(tmp_path) == []


STOP_FORK_SERVER = """
    import os, signal
    stat = open(f"/proc/{os.getppid()}/stat").read().rpartition(")")[2].split()
    os.kill(int(stat[1]), signal.SIGSTOP)
    print("stopped")
"""


async def test_the_fork_server_can_be_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By an agent, the parent of whose supervisor it is; it is woken, and starts what comes after."""
    without_it: list[SupervisorOrder] = []

    def start(order: SupervisorOrder) -> ProcessIdentity:
        without_it.append(order)
        return start_supervisor(order)

    monkeypatch.setattr(fork_server, "start_supervisor", start)
    (tmp_path / "stop.py").write_text(textwrap.dedent(STOP_FORK_SERVER))
    report = await finish(new_run(tmp_path, f"exec {sys.executable} -I -S stop.py", "echo second", at_once=1))
    assert [result.output for result in report.results.values()] == ["stopped\n", "second\n"]
    assert without_it == []


async def test_stopped_children_of_an_agent_do_not_hold_it_up(tmp_path: Path) -> None:
    script = "setsid sleep 298 & kill -STOP $!; sleep 297 & kill -STOP $!; kill -STOP $$; wait"
    assert (await one(tmp_path, script, timeout_s=0.4)).termination_reason == "deadline"


DEBUGGER = """
    import ctypes, os, sys, time
    SEIZE, INTERRUPT = 0x4206, 0x4207
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    pid = int(sys.argv[1])
    for request in (SEIZE, INTERRUPT):
        if ptrace(request, pid, None, None) != 0:
            sys.exit(f"not permitted: {os.strerror(ctypes.get_errno())}")
    print("held", flush=True)
    time.sleep(299)
"""


@contextmanager
def held_by_a_debugger(pid: int) -> Iterator[None]:
    """A stop that SIGCONT does not end."""
    command = [sys.executable, "-I", "-S", "-c", textwrap.dedent(DEBUGGER), str(pid)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as debugger:
        try:
            assert debugger.stdout is not None
            if debugger.stdout.readline() != "held\n":
                pytest.skip("this system lets no process debug another")
            yield
        finally:
            debugger.kill()


@pytest.mark.parametrize("how", few(["deadline", "SIGINT", "SIGINT twice"], 1))
async def test_a_supervisor_in_a_debugger_is_overruled(tmp_path: Path, how: str) -> None:
    script = "setsid env -i sleep 296 & echo $! >daemon; echo $PPID >supervisor; sleep 299"
    run = new_run(tmp_path, script, timeout_s=1.5 if how == "deadline" else None)
    finishing = asyncio.create_task(finish(run))
    note = tmp_path / "supervisor"
    await until(lambda: note.exists() and note.read_text())
    with held_by_a_debugger(int(note.read_text())):
        if how != "deadline":
            os.kill(os.getpid(), signal.SIGINT)
        if how == "SIGINT twice":
            await asyncio.sleep(0.1)
            os.kill(os.getpid(), signal.SIGINT)
        report = await finishing
    assert report.results["1"].termination_reason == ("deadline" if how == "deadline" else "interrupted")
    assert not psutil.pid_exists(int((tmp_path / "daemon").read_text()))


# A coordinator that is killed, and one that is stopped.

COORDINATOR = """
import sys
from pathlib import Path
from aurora_spawner import CommandBackend, Run, RunOptions
from aurora_spawner.supervision.local_executor import LocalExecutor
backends = {"sh": CommandBackend("sh", ("sh",))}
run = Run.resume(Path(sys.argv[1]), sys.argv[2], backends, executor=LocalExecutor(grace_s=0.3))
sys.exit(0 if run.execute_sync().ok else 1)
"""


@contextmanager
def coordinated(run: Run) -> Iterator[subprocess.Popen[bytes]]:
    with WarmPopen[bytes]([sys.executable, "-c", COORDINATOR, str(run.journal), run.run_id]) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until(reached: Callable[[], object]) -> None:
    end = time.monotonic() + HANG_S
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.01)


def crash(run: Run, begun: Callable[[], object]) -> None:
    """Execute a run in another process and kill that once `begun`, and once the journal knows the supervisors."""
    with coordinated(run) as coordinator:
        wait_until(begun)
        wait_until(lambda: all(supervisors(run)))
        coordinator.kill()
    assert processes_of_run(run.run_id)


def supervisors(run: Run) -> list[ProcessIdentity | None]:
    with Journal(run.journal) as journal:
        return [attempt.supervisor for attempt in load_attempts(journal, run.run_id, open_only=True)]


def stop_supervisors(run: Run) -> None:
    for supervisor in supervisors(run):
        assert supervisor is not None
        os.kill(supervisor.pid, signal.SIGSTOP)


@pytest.mark.parametrize("at_once", few([False, True], 1))
def test_a_cancel_of_a_crashed_run_wakes_a_stopped_supervisor(tmp_path: Path, at_once: bool) -> None:
    run = new_run(tmp_path, "touch begun; sleep 299")
    crash(run, (tmp_path / "begun").exists)
    stop_supervisors(run)
    cancel_run(run.journal, run.run_id, at_once=at_once, executor=LocalExecutor(grace_s=0.3))
    assert processes_of_run(run.run_id, within_s=5.0) == []
    assert run_status(run.journal, run.run_id).state == "cancelled"


@pytest.mark.parametrize("at_once", few([False, True], 1))
def test_a_cancel_of_a_crashed_run_overrules_one_that_is_kept_stopped(tmp_path: Path, at_once: bool) -> None:
    run = new_run(tmp_path, keeper(tmp_path))
    crash(run, lambda: begun(tmp_path) == 2)
    cancel_run(run.journal, run.run_id, at_once=at_once, executor=LocalExecutor(grace_s=0.3))
    assert processes_of_run(run.run_id, within_s=5.0) == []
    assert keepers(tmp_path) == []


async def test_an_adopted_attempt_whose_supervisor_was_stopped_goes_on(tmp_path: Path) -> None:
    run = new_run(tmp_path, "touch begun; while [ ! -e open ]; do sleep 0.02; done; echo done")
    crash(run, (tmp_path / "begun").exists)
    stop_supervisors(run)
    (tmp_path / "open").touch()
    again = Run.resume(run.journal, run.run_id, BACKENDS, executor=LocalExecutor(grace_s=0.3))
    assert (await finish(again)).results["1"].output == "done\n"


async def test_an_adopted_attempt_keeps_its_time_limit_though_its_supervisor_is_kept_stopped(tmp_path: Path) -> None:
    run = new_run(tmp_path, keeper(tmp_path), timeout_s=1.0)
    crash(run, lambda: begun(tmp_path) == 2)
    again = Run.resume(run.journal, run.run_id, BACKENDS, executor=LocalExecutor(grace_s=0.3))
    assert (await finish(again)).results["1"].termination_reason == "deadline"
    assert keepers(tmp_path) == []


@pytest.mark.parametrize(("cancelled", "reason"), few([(False, "deadline"), (True, "cancelled")], 1))
async def test_an_end_by_our_own_kill_is_none_of_the_agent(tmp_path: Path, cancelled: bool, reason: str) -> None:
    """A supervisor that wakes while the coordinator kills everything records that its agent ended by a signal."""
    run = new_run(tmp_path, "kill -9 $$")
    assert (await finish(run)).results["1"].exit_code == -9
    with Journal(run.journal) as journal:
        (attempt,) = load_attempts(journal, run.run_id)
    overruled = supervisor_deadline.SupervisorDeadline(grace_s=0.3, late=True, cancelled=cancelled)
    executor = LocalExecutor()
    end = await executor._harvest(AttemptFolder(path=attempt.folder), attempt.token, overruled, [])
    executor.close()
    assert end.reason == reason


def test_a_coordinator_that_was_stopped_goes_on(tmp_path: Path) -> None:
    run = new_run(tmp_path, "touch begun; sleep 0.3; echo one", "sleep 0.2; echo two", "echo three", at_once=2)
    with coordinated(run) as coordinator:
        wait_until((tmp_path / "begun").exists)
        coordinator.send_signal(signal.SIGSTOP)
        time.sleep(0.6)
        coordinator.send_signal(signal.SIGCONT)
        assert coordinator.wait(HANG_S) == 0
    assert processes_of_run(run.run_id, within_s=5.0) == []


@pytest.mark.parametrize("at_once", few([False, True], 1))
def test_a_cancel_reaches_a_coordinator_that_is_stopped(tmp_path: Path, at_once: bool) -> None:
    """As by Ctrl-Z."""
    run = new_run(tmp_path, "touch begun; sleep 299")
    with coordinated(run) as coordinator:
        wait_until((tmp_path / "begun").exists)
        coordinator.send_signal(signal.SIGSTOP)
        cancel_run(run.journal, run.run_id, at_once=at_once)
        coordinator.wait(HANG_S)
    assert processes_of_run(run.run_id, within_s=5.0) == []
    assert run_status(run.journal, run.run_id).state == "cancelled"


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """A test that fails must not leave its hostile processes."""
    yield
    for process in psutil.process_iter(["cmdline"]):
        with suppress(psutil.Error):
            if any(word.endswith("keeper.py") for word in process.info["cmdline"] or ()):
                process.kill()
