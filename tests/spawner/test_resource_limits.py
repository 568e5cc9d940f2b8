"""Limits on memory, processes and processor time, kept by the supervisor against real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.exhaustive import few

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.classification.causes import Cause, ErrorCategory
from aurora_spawner.classification.classifier import ErrorClassifier, FailureEvidence
from aurora_spawner.supervision.cgroups import own_cgroup
from aurora_spawner.supervision.limit_watch import LimitWatch
from aurora_spawner.supervision.supervisor_process import SUPERVISOR

MIB = 1 << 20
HOG = "a = []\nimport time\nwhile len(a) < 80: a.append(b'x' * (2 << 20)); time.sleep(0.005)\nprint('all of it')"
SHARED = """
import os, time
block = b'x' * (40 << 20)
for _ in range(4):
    if not os.fork(): time.sleep(0.6); os._exit(0)
for _ in range(4): os.wait()
print('fine')
"""
BOMB = "import os, time\nfor _ in range(7): os.fork()\ntime.sleep(20)"
"""A bomb that stops at 128 processes by itself."""
BUSY = "while True: pass"
UNSEEN = """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in range(60):
    if not os.fork():
        end = time.process_time() + 0.04
        while time.process_time() < end: pass
        os._exit(0)
    time.sleep(0.06)
"""
"""Short processes one after the other, whose processor time no look sees and no parent is told."""


def supervise(folder: Path, limits: str, program: str, *, cgroup: str = "-") -> dict[str, Any]:
    """Runs a Python program under a supervisor with limits; returns the exit record."""
    (folder / "prompt").write_text("")
    command = [sys.executable, "-I", "-S", str(SUPERVISOR), str(folder), "token", "15", "0.3", str(MIB), str(folder)]
    agent = ["-", "prompt", "--", sys.executable, "python", "-I", "-S", "-c", program]
    subprocess.run([*command, cgroup, limits, *agent], check=True, timeout=30)
    record: dict[str, Any] = json.loads((folder / "exit").read_text())
    return record


def members(folder: Path) -> list[int]:
    """Returns the living processes that work in a folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cwd() == str(folder):
                found.append(process.pid)
    return found


@pytest.mark.parametrize(
    ("limits", "program", "said"),
    [
        (f"{40 * MIB},0,0", HOG, "memory limit 40 MiB exceeded (peak "),
        ("0,12,0", BOMB, "process limit 12 exceeded ("),
        ("0,0,0.3", BUSY, "CPU limit 0.3 s exceeded ("),
    ],
)
@pytest.mark.parametrize("fenced", few([False, True], 1))
def test_what_exceeds_a_limit_is_ended_with_the_exact_reason(
    limits: str, program: str, said: str, fenced: bool, tmp_path: Path
) -> None:
    """By watching alone, and with a cgroup of the attempt's own."""
    base = own_cgroup()
    if fenced and base is None:
        pytest.skip("this process may not make cgroups")
    cgroup = f"{base}/aurora-test-{os.getpid()}" if fenced else "-"
    record = supervise(tmp_path, limits, program, cgroup=cgroup)
    assert record["reason"] == "over_limit"
    assert record["exceeded"].startswith(said)
    assert "all of it" not in (tmp_path / "stdout").read_text()
    assert record["survivors"] == []
    assert members(tmp_path) == []
    assert not Path(cgroup).exists()


def test_processes_that_nobody_waits_for_count_in_a_cgroup(tmp_path: Path) -> None:
    base = own_cgroup()
    if base is None:
        pytest.skip("this process may not make cgroups")
    record = supervise(tmp_path, "0,0,0.3", UNSEEN, cgroup=f"{base}/aurora-test-{os.getpid()}")
    assert record["exceeded"].startswith("CPU limit 0.3 s exceeded (")


@pytest.mark.parametrize("limits", ["-", f"{500 * MIB},50,20"])
def test_within_its_limits_an_attempt_ends_by_itself(limits: str, tmp_path: Path) -> None:
    record = supervise(tmp_path, limits, "print('fine')")
    assert (record["reason"], record["exit_code"], record["exceeded"]) == ("exited", 0, "")


def test_memory_that_processes_share_counts_once(tmp_path: Path) -> None:
    """Five processes see the same 40 MiB: their sizes add up to 200, and nothing is exceeded."""
    record = supervise(tmp_path, f"{110 * MIB},0,0", SHARED)
    assert (record["reason"], (tmp_path / "stdout").read_text()) == ("exited", "fine\n")


def test_a_single_process_is_ended_by_the_kernel_where_nobody_watches(tmp_path: Path) -> None:
    """The supervisor is stopped: the kernel's own limit of processor time still holds."""
    code = f"import sys; sys.path.insert(0, {str(SUPERVISOR.parent)!r}); from limit_watch import LimitWatch\n"
    code += "LimitWatch('0,9,0.1').enter('-'); import resource as r; print(r.getrlimit(r.RLIMIT_CPU)[0])\n"
    code += "print(r.getrlimit(r.RLIMIT_NPROC)[0] > 9)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "3\nTrue\n"


def test_the_limits_of_a_cgroup_are_set_where_its_controllers_are(tmp_path: Path) -> None:
    """A folder stands in for a cgroup with controllers, which no process of a test may make everywhere."""
    watch = LimitWatch(f"{512 * MIB},10,0")
    for name in ("memory.max", "pids.max", "memory.swap.max"):
        (tmp_path / name).write_text("")
    watch.limit_cgroup(str(tmp_path))
    assert (tmp_path / "memory.max").read_text() == str(512 * MIB)
    assert (tmp_path / "memory.swap.max").read_text() == "0"
    assert int((tmp_path / "pids.max").read_text()) > 10
    assert not (tmp_path / "memory.oom.group").exists()
    assert watch.exceeded_in(str(tmp_path)) == ""
    (tmp_path / "memory.events").write_text("low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\n")
    (tmp_path / "memory.peak").write_text(str(530 * MIB))
    assert watch.exceeded_in(str(tmp_path)) == "memory limit 512 MiB exceeded (peak 530 MiB)"


@pytest.mark.parametrize(
    ("exceeded", "cause"),
    [
        ("memory limit 512 MiB exceeded (peak 530 MiB)", Cause.MEMORY),
        ("process limit 64 exceeded (65 at once)", Cause.PROCESSES),
        ("CPU limit 60 s exceeded (60.1 s used)", Cause.LIMIT_REACHED),
    ],
)
def test_an_exceeded_limit_is_a_lack_of_resources(exceeded: str, cause: Cause) -> None:
    evidence = FailureEvidence(reason=EndReason.OVER_LIMIT, exit_code=-9, exceeded=exceeded, stderr="rate limit: 429")
    found = ErrorClassifier().classify(evidence)
    assert (found.category, found.cause, found.evidence) == (ErrorCategory.RESOURCE, cause, "ending")
