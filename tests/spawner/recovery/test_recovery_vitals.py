"""Looks at real processes: who works, who hangs, and what they wait for."""

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
    SpawnTask,
    TaskStalled,
)
from aurora_spawner.attempts.executor import RunningAttempt
from aurora_spawner.attempts.process_identity import identify, own_identity
from aurora_spawner.liveness.process_activity import Vitals, Watched
from aurora_spawner.liveness.stall_detection import Signs, StallVerdict
from aurora_spawner.liveness.watchdog import Watchdog
from aurora_spawner.recovery.timeouts import TimeLimits
from aurora_spawner.supervision.local_executor import LocalExecutor

PYTHON = (sys.executable, "-I", "-S", "-c")


@contextmanager
def agent(folder: Path, script: str) -> Iterator[Watched]:
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
        yield Watched(running=RunningAttempt(token="t", folder=folder, supervisor=supervisor))
    finally:
        for child in psutil.Process(shell.pid).children(recursive=True):
            child.kill()
        shell.kill()
        shell.wait()
        (folder / "agent").unlink()


def look_until(watched: Watched, wanted: Callable[[Signs], bool]) -> Signs:
    vitals, end = Vitals(), time.monotonic() + 20
    while time.monotonic() < end:
        signs = vitals.look(watched)
        if wanted(signs):
            return signs
        time.sleep(0.15)
    raise AssertionError(f"not seen within the time: {signs}")


def test_only_lines_that_were_not_there_before_are_new(tmp_path: Path) -> None:
    with agent(tmp_path, "import time; time.sleep(60)") as watched:
        vitals, output = Vitals(), tmp_path / "stdout"
        output.write_text("step 1\n")
        assert vitals.look(watched).said_new
        assert not vitals.look(watched).said_new
        with output.open("a") as file:
            file.write("step 2\nstep 3\n")
        repeated = vitals.look(watched)
        assert not repeated.said_new
        assert repeated.output_bytes == len("step 1\nstep 2\nstep 3\n")
        with output.open("a") as file:
            file.write("something else\n")
        assert vitals.look(watched).said_new


def test_complaints_count_as_output(tmp_path: Path) -> None:
    with agent(tmp_path, "import time; time.sleep(60)") as watched:
        vitals = Vitals()
        vitals.look(watched)
        (tmp_path / "stderr").write_text("warning\n")
        assert vitals.look(watched).said_new


def test_work_of_the_processor_is_seen(tmp_path: Path) -> None:
    with agent(tmp_path, "while True: pass") as watched:
        first = look_until(watched, lambda signs: bool(signs.commands))
        look_until(watched, lambda signs: signs.cpu_s > first.cpu_s + 0.2)


def test_a_childs_work_outlives_the_child(tmp_path: Path) -> None:
    script = """
import subprocess, sys, time
subprocess.run([sys.executable, "-c", "import time\\nwhile time.process_time() < .4: pass"])
print("child done", flush=True)
time.sleep(60)
"""
    with agent(tmp_path, script) as watched:
        look_until(watched, lambda signs: signs.output_bytes > 0)
        assert Vitals().look(watched).cpu_s > 0.3


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows what processes read and write")
def test_reading_and_writing_are_seen(tmp_path: Path) -> None:
    with agent(
        tmp_path, "import time\nwhile True: open('/dev/null', 'w').write('x' * 20000); time.sleep(.05)"
    ) as watched:
        first = look_until(watched, lambda signs: bool(signs.moved_bytes))
        (pid,) = first.moved_bytes
        look_until(watched, lambda signs: signs.moved_bytes.get(pid, 0) > first.moved_bytes[pid] + 20_000)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows where processes sleep")
def test_a_wait_for_input_is_seen(tmp_path: Path) -> None:
    with agent(tmp_path, "import os; r, w = os.pipe(); os.read(r, 1)") as watched:
        look_until(watched, lambda signs: signs.input_wait)
    with agent(tmp_path, "import time; time.sleep(60)") as watched:
        time.sleep(0.3)
        assert not Vitals().look(watched).input_wait


def test_an_open_connection_is_seen(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        script = f"import socket, time; line = socket.create_connection(('127.0.0.1', {port})); time.sleep(60)"
        with agent(tmp_path, script) as watched:
            connection, _ = server.accept()
            look_until(watched, lambda signs: signs.model_wait)
            connection.close()


def test_a_late_child_is_a_tool_with_a_name(tmp_path: Path) -> None:
    script = "import subprocess, time; time.sleep(2.2); subprocess.run(['sleep', '60'])"
    with agent(tmp_path, script) as watched:
        assert Vitals().look(watched).tool is None
        assert look_until(watched, lambda signs: signs.tool is not None).tool == "sleep"


def test_an_attempt_that_is_gone_is_looked_at_all_the_same(tmp_path: Path) -> None:
    gone = subprocess.run([*PYTHON, "pass"], check=True)
    assert gone.returncode == 0
    watched = Watched(running=RunningAttempt(token="t", folder=tmp_path / "none", supervisor=own_identity()))
    signs = Vitals().look(watched)
    assert (signs.output_bytes, signs.said_new) == (0, False)


# The watchdog, with attempts that do nothing.


class Ear:
    """Hears what a watchdog tells."""

    def __init__(self) -> None:
        self.stalls: list[tuple[str, StallVerdict]] = []
        self.expired: list[tuple[str, str, str]] = []
        self.heard = asyncio.Event()

    def watchdog(self) -> Watchdog:
        return Watchdog(on_stall=self._stall, on_expired=self._expire)

    def _stall(self, task_id: str, verdict: StallVerdict) -> None:
        self.stalls.append((task_id, verdict))
        self.heard.set()

    def _expire(self, task_id: str, reason: str, error: str) -> None:
        self.expired.append((task_id, reason, error))
        self.heard.set()


NO_LIMIT = TimeLimits(hard_s=None)
OFF = EarlyDetection(enabled=False)


async def test_a_watchdog_ends_who_shows_no_life_at_the_start(tmp_path: Path) -> None:
    ear = Ear()
    limits = TimeLimits(hard_s=None, startup_s=0.3)
    with agent(tmp_path, "import time; time.sleep(60)") as watched:
        await asyncio.sleep(0.5)  # its own start is no sign of life of what it is to do
        ear.watchdog().follow("1", watched.running, limits=limits, detection=OFF, age_s=30)
        await asyncio.wait_for(ear.heard.wait(), 10)
    assert ear.expired[0][:2] == ("1", "deadline")
    assert "no sign of life in its first" in ear.expired[0][2]


async def test_a_watchdog_ends_who_is_idle(tmp_path: Path) -> None:
    ear = Ear()
    with agent(tmp_path, "import time; print('begun', flush=True); time.sleep(60)") as watched:
        ear.watchdog().follow("1", watched.running, limits=TimeLimits(hard_s=None, idle_s=0.8), detection=OFF)
        await asyncio.wait_for(ear.heard.wait(), 10)
    assert "it was idle for" in ear.expired[0][2]


async def test_a_watchdog_forgets_who_is_released(tmp_path: Path) -> None:
    ear = Ear()
    watchdog = ear.watchdog()
    with agent(tmp_path, "import time; time.sleep(60)") as watched:
        stalls_soon = EarlyDetection(threshold_s=0.3, terminate=True)
        watchdog.follow("1", watched.running, limits=NO_LIMIT, detection=stalls_soon)
        watchdog.release("1")
        await asyncio.sleep(0.8)
    assert not ear.stalls
    assert not ear.expired
    assert watchdog.waiting_for("1") is None


async def test_a_stall_is_told_once_and_says_what_is_waited_for(tmp_path: Path) -> None:
    ear = Ear()
    watchdog = ear.watchdog()
    with agent(tmp_path, "import time; time.sleep(60)") as watched:
        watchdog.follow("1", watched.running, limits=NO_LIMIT, detection=EarlyDetection(threshold_s=0.6))
        await asyncio.wait_for(ear.heard.wait(), 10)
        assert "no sign of life" in str(watchdog.waiting_for("1"))
        await asyncio.sleep(0.8)
        watchdog.release("1")
    assert len(ear.stalls) == 1
    assert not ear.expired


async def test_nobody_is_watched_where_there_is_nothing_to_watch_for(tmp_path: Path) -> None:
    ear = Ear()
    watchdog = ear.watchdog()
    watched = RunningAttempt(token="t", folder=tmp_path, supervisor=own_identity())
    watchdog.follow("1", watched, limits=NO_LIMIT, detection=OFF)
    assert watchdog.waiting_for("1") is None


# Whole runs: hung ones are found, busy ones are left alone.

THRESHOLD_S = 2.0
HANG = {
    "says nothing": "import time; time.sleep(60)",
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
        default_agent="computes",
        max_concurrent=len(backends),
        cwd=tmp_path,
        spool=tmp_path / "runs",
        recovery=RecoverySettings(policy=policy, state_dir=None),
        executor=LocalExecutor(grace_s=0.3),
    )
    report = run.execute_sync(on_event)
    assert {name for name, result in report.results.items() if result.success} == set(BUSY)
    assert {result.termination_reason for name, result in report.results.items() if name in HANG} == {"stalled"}
    assert set(told) == set(HANG)
    assert told["heartbeat"].startswith("repeating itself")
    assert told["waits for input"].startswith("waiting for input" if sys.platform == "linux" else "no sign")
    for name in HANG:
        assert report.results[name].execution_time < THRESHOLD_S + 3.5
        assert "it stalled" in str(report.results[name].error)
