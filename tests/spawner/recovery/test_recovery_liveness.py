"""Samples of real processes: which work, which hang, and what they wait for."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from aurora_spawner import (
    CommandBackend,
    EarlyDetection,
    RecoveryPolicy,
    RecoverySettings,
    Run,
    RunEvent,
    RunOptions,
    SpawnTask,
)
from aurora_spawner.attempts.executor import RunningAttempt
from aurora_spawner.attempts.process_identity import identify, own_identity
from aurora_spawner.liveness.process_activity import LivenessProbe, WatchedAttempt
from aurora_spawner.liveness.stall_detection import ActivitySample, StallVerdict
from aurora_spawner.liveness.watchdog import Watchdog
from aurora_spawner.recovery.timeouts import TimeLimits
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.run_events import TaskStalled

PYTHON = (sys.executable, "-I", "-S", "-c")


@contextmanager
def agent(folder: Path, script: str) -> Iterator[WatchedAttempt]:
    """An agent below a shell that stands for its supervisor."""
    folder.mkdir(exist_ok=True)
    (folder / "stderr").write_text("")
    supervise = '"$@" & echo $! > "$0/agent.new"; mv "$0/agent.new" "$0/agent"; wait'
    with (folder / "stdout").open("wb") as output:
        shell = subprocess.Popen(
            ["sh", "-c", supervise, str(folder), *PYTHON, script],
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
        )
    while not (folder / "agent").exists():
        time.sleep(0.01)
    supervisor = identify(shell.pid)
    assert supervisor is not None
    try:
        yield WatchedAttempt(running=RunningAttempt(token="t", folder=folder, supervisor=supervisor))
    finally:
        for child in psutil.Process(shell.pid).children(recursive=True):
            child.kill()
        shell.kill()
        shell.wait()
        (folder / "agent").unlink()


def sample_until(watched: WatchedAttempt, wanted: Callable[[ActivitySample], bool]) -> ActivitySample:
    probe, end = LivenessProbe(), time.monotonic() + 20
    while time.monotonic() < end:
        sample = probe.sample(watched)
        if wanted(sample):
            return sample
        time.sleep(0.15)
    raise AssertionError(f"not seen within the time: {sample}")


def test_only_lines_that_were_not_there_before_are_new(tmp_path: Path) -> None:
    with agent(tmp_path, "import time; time.sleep(60)") as watched:
        probe, output = LivenessProbe(), tmp_path / "stdout"
        output.write_text("step 1\n")
        assert probe.sample(watched).new_output
        assert not probe.sample(watched).new_output
        with output.open("a") as file:
            file.write("step 2\nstep 3\n")
        repeated = probe.sample(watched)
        assert not repeated.new_output
        assert repeated.output_bytes == len("step 1\nstep 2\nstep 3\n")
        with output.open("a") as file:
            file.write("something else\n")
        assert probe.sample(watched).new_output


def test_complaints_count_as_output(tmp_path: Path) -> None:
    with agent(tmp_path, "import time; time.sleep(60)") as watched:
        probe = LivenessProbe()
        probe.sample(watched)
        (tmp_path / "stderr").write_text("warning\n")
        assert probe.sample(watched).new_output


def test_work_of_the_processor_is_seen(tmp_path: Path) -> None:
    with agent(tmp_path, "while True: pass") as watched:
        first = sample_until(watched, lambda sample: bool(sample.commands))
        sample_until(watched, lambda sample: sample.cpu_s > first.cpu_s + 0.2)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows how long processes wait for a processor")
def test_the_wait_for_a_processor_is_seen(tmp_path: Path) -> None:
    script = "import os\nos.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\nos.fork()\nwhile True: pass"
    with agent(tmp_path, script) as watched:
        sample_until(watched, lambda sample: sum(sample.queued_s.values()) > 0.3)


def test_a_childs_work_outlives_the_child(tmp_path: Path) -> None:
    script = """
import subprocess, sys, time
subprocess.run([sys.executable, "-c", "import time\\nwhile time.process_time() < .4: pass"])
print("child done", flush=True)
time.sleep(60)
"""
    with agent(tmp_path, script) as watched:
        sample_until(watched, lambda sample: sample.output_bytes > 0)
        assert LivenessProbe().sample(watched).cpu_s > 0.3


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows what processes read and write")
def test_reading_and_writing_are_seen(tmp_path: Path) -> None:
    with agent(
        tmp_path, "import time\nwhile True: open('/dev/null', 'w').write('x' * 20000); time.sleep(.05)"
    ) as watched:
        first = sample_until(watched, lambda sample: bool(sample.io_bytes))
        (pid,) = first.io_bytes
        sample_until(watched, lambda sample: sample.io_bytes.get(pid, 0) > first.io_bytes[pid] + 20_000)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows what processes read and write")
def test_wake_ups_are_no_work(tmp_path: Path) -> None:
    """As in a program that is told of each file that others open, on a machine where many do."""
    script = (
        "import os, time\nr, w = os.pipe()\nwhile True: os.write(w, b'8 bytes.'); os.read(r, 8); time.sleep(.001)"
    )
    with agent(tmp_path, script) as watched:
        first = sample_until(watched, lambda sample: bool(sample.io_bytes))
        (pid,) = first.io_bytes
        time.sleep(2)
        assert LivenessProbe().sample(watched).io_bytes[pid] < first.io_bytes[pid] + 4_096


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows where processes sleep")
def test_a_wait_for_input_is_seen(tmp_path: Path) -> None:
    with agent(tmp_path, "import os; r, w = os.pipe(); os.read(r, 1)") as watched:
        sample_until(watched, lambda sample: sample.input_wait)
    with agent(tmp_path, "import time; time.sleep(60)") as watched:
        time.sleep(0.3)
        assert not LivenessProbe().sample(watched).input_wait


def test_an_open_connection_is_seen(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        script = f"import socket, time; line = socket.create_connection(('127.0.0.1', {port})); time.sleep(60)"
        with agent(tmp_path, script) as watched:
            connection, _ = server.accept()
            sample_until(watched, lambda sample: sample.model_wait)
            connection.close()


def test_a_late_child_is_a_tool_with_a_name(tmp_path: Path) -> None:
    script = "import subprocess, time; time.sleep(2.2); subprocess.run(['sleep', '600'])"
    with agent(tmp_path, script) as watched:
        assert LivenessProbe().sample(watched).tool is None
        assert sample_until(watched, lambda sample: sample.tool is not None).tool == "sleep"


def test_an_attempt_that_is_gone_is_looked_at_all_the_same(tmp_path: Path) -> None:
    gone = subprocess.run([*PYTHON, "pass"], check=True)
    assert gone.returncode == 0
    watched = WatchedAttempt(running=RunningAttempt(token="t", folder=tmp_path / "none", supervisor=own_identity()))
    sample = LivenessProbe().sample(watched)
    assert (sample.output_bytes, sample.new_output) == (0, False)


# The watchdog, with attempts that do nothing.


class StallLog:
    """Records what a watchdog reports."""

    def __init__(self) -> None:
        self.stalls: list[tuple[str, StallVerdict]] = []
        self.expired: list[tuple[str, str, str]] = []
        self.reported = asyncio.Event()

    def watchdog(self) -> Watchdog:
        return Watchdog(on_stall=self._stall, on_expired=self._expire)

    def _stall(self, task_id: str, verdict: StallVerdict) -> None:
        self.stalls.append((task_id, verdict))
        self.reported.set()

    def _expire(self, task_id: str, reason: str, error: str) -> None:
        self.expired.append((task_id, reason, error))
        self.reported.set()


NO_LIMIT = TimeLimits(hard_s=None)
OFF = EarlyDetection(enabled=False)


async def test_a_watchdog_ends_an_attempt_without_activity_at_the_start(tmp_path: Path) -> None:
    log = StallLog()
    limits = TimeLimits(hard_s=None, startup_s=0.3)
    with agent(tmp_path, "import time; time.sleep(60)") as watched:
        await asyncio.sleep(0.5)  # its own start is no activity of its task
        log.watchdog().follow("1", watched.running, limits=limits, detection=OFF, age_s=30)
        await asyncio.wait_for(log.reported.wait(), 10)
    assert log.expired[0][:2] == ("1", "deadline")
    assert "no activity in its first" in log.expired[0][2]


async def test_a_watchdog_ends_an_idle_attempt(tmp_path: Path) -> None:
    log = StallLog()
    with agent(tmp_path, "import time; print('begun', flush=True); time.sleep(60)") as watched:
        log.watchdog().follow("1", watched.running, limits=TimeLimits(hard_s=None, idle_s=0.8), detection=OFF)
        await asyncio.wait_for(log.reported.wait(), 10)
    assert "it was idle for" in log.expired[0][2]


async def test_a_watchdog_forgets_a_released_attempt(tmp_path: Path) -> None:
    log = StallLog()
    watchdog = log.watchdog()
    with agent(tmp_path, "import time; time.sleep(60)") as watched:
        stalls_soon = EarlyDetection(threshold_s=0.3, terminate=True)
        watchdog.follow("1", watched.running, limits=NO_LIMIT, detection=stalls_soon)
        watchdog.release("1")
        await asyncio.sleep(0.8)
    assert not log.stalls
    assert not log.expired
    assert watchdog.waiting_for("1") is None


async def test_a_stall_is_reported_once_with_what_is_waited_for(tmp_path: Path) -> None:
    log = StallLog()
    watchdog = log.watchdog()
    with agent(tmp_path, "import time; time.sleep(60)") as watched:
        watchdog.follow("1", watched.running, limits=NO_LIMIT, detection=EarlyDetection(threshold_s=0.6))
        await asyncio.wait_for(log.reported.wait(), 10)
        assert "no activity" in str(watchdog.waiting_for("1"))
        await asyncio.sleep(0.8)
        watchdog.release("1")
    assert len(log.stalls) == 1
    assert not log.expired


async def test_an_attempt_without_limits_is_not_watched(tmp_path: Path) -> None:
    log = StallLog()
    watchdog = log.watchdog()
    watched = RunningAttempt(token="t", folder=tmp_path, supervisor=own_identity())
    watchdog.follow("1", watched, limits=NO_LIMIT, detection=OFF)
    assert watchdog.waiting_for("1") is None


# Whole runs: hung ones are found, busy ones are left alone.

THRESHOLD_S = 2.0
HANG = {
    "says nothing": "import time; time.sleep(600)",
    "heartbeat": "import time\nn = 0\nwhile True:\n    n += 1\n"
    "    print(f'working {n}', flush=True)\n    time.sleep(.3)",
    "waits for input": "import os; r, w = os.pipe(); os.read(r, 1)",
    "waits for its child": "import subprocess; subprocess.run(['sleep', '60'])",
}
BUSY = {
    "computes": "import time\nend = time.time() + 5\nwhile time.time() < end: pass\nprint('done')",
    "child computes": "import subprocess, sys\nsubprocess.run([sys.executable, '-c', "
    "'import time\\nend = time.time() + 5\\nwhile time.time() < end: pass'])\nprint('done')",
    "writes": "import time\nend = time.time() + 5\nwhile time.time() < end:\n"
    "    open('scratch', 'w').write('x' * 9000)\n    time.sleep(.1)\nprint('done')",
    "talks": "import time\nfor word in 'one two three four five'.split():\n"
    "    print(word, flush=True)\n    time.sleep(1)",
}


def test_hung_agents_are_found_and_busy_ones_left_alone(tmp_path: Path) -> None:
    scripts = HANG | BUSY
    backends = {name: CommandBackend(name, (*PYTHON, script)) for name, script in scripts.items()}
    watch = EarlyDetection(threshold_s=THRESHOLD_S, terminate=True)
    policy = RecoveryPolicy.no_recovery().changed({"early_detection": watch})
    told: dict[str, str] = {}

    def on_event(event: RunEvent) -> None:
        if isinstance(event, TaskStalled):
            told[str(event.task_id)] = str(event.message)

    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("go", name, id=name) for name in backends],
        backends,
        RunOptions(
            default_agent="computes",
            max_concurrent=len(backends),
            cwd=tmp_path,
            spool=tmp_path / "runs",
            recovery=RecoverySettings(policy=policy, state_dir=None),
            executor=LocalExecutor(grace_s=0.3),
        ),
    )
    report = run.execute_sync(on_event)
    assert {name for name, result in report.results.items() if result.success} == set(BUSY)
    assert {result.termination_reason for name, result in report.results.items() if name in HANG} == {"stalled"}
    assert set(told) == set(HANG)
    assert told["heartbeat"].startswith("repeating itself")
    assert told["waits for input"].startswith("waiting for input" if sys.platform == "linux" else "no sign")
    for name in HANG:
        assert report.results[name].execution_time < 60  # each would hang much longer
        assert "it stalled" in str(report.results[name].error)
