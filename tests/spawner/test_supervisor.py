"""The supervisor as a program of its own, without any coordinator."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from aurora_spawner.attempts.attempt_folder import kept_bytes
from aurora_spawner.supervision import process_table
from aurora_spawner.supervision.spool import Spool
from aurora_spawner.supervision.supervisor_process import SUPERVISOR

COMMAND = [sys.executable, "-I", "-S", str(SUPERVISOR)]


def arguments(
    folder: Path,
    script: str,
    *,
    deadline_s: float = 0,
    grace_s: float = 0.3,
    cap_bytes: int = 1 << 20,
    resources: str = "-",
) -> list[str]:
    folder.mkdir(exist_ok=True)
    (folder / "prompt").write_text("prompt")
    limits = [str(deadline_s), str(grace_s), str(cap_bytes)]
    places = [str(folder), "-", resources, "-", "prompt"]
    return [*COMMAND, str(folder), "token", *limits, *places, "--", "/bin/sh", "sh", "-c", script]


def supervise(folder: Path, script: str, **limits: Any) -> dict[str, Any]:
    subprocess.run(arguments(folder, script, **limits), check=True, timeout=30)
    return exit_record(folder)


def exit_record(folder: Path) -> dict[str, Any]:
    record = json.loads((folder / "exit").read_text())
    assert isinstance(record, dict)
    return record


def wait_for(path: Path) -> str:
    while not path.exists() or not path.read_text():
        time.sleep(0.005)
    return path.read_text()


def test_it_records_how_the_agent_ended(tmp_path: Path) -> None:
    record = supervise(tmp_path, "cat; echo complaint >&2; exit 7")
    assert (record["reason"], record["exit_code"], record["token"]) == ("exited", 7, "token")
    assert (record["stdout_bytes"], record["stderr_bytes"]) == (6, 10)
    assert (tmp_path / "stdout").read_text() == "prompt"
    assert (tmp_path / "stderr").read_text() == "complaint\n"
    assert record["duration_s"] > 0
    assert record["cpu_s"] > 0
    assert record["max_rss_kib"] > 0


def test_only_one_supervisor_owns_an_attempt(tmp_path: Path) -> None:
    supervise(tmp_path, "echo first")
    second = subprocess.run(arguments(tmp_path, "echo second"), check=False, timeout=30)
    assert second.returncode == 75
    assert (tmp_path / "stdout").read_text() == "first\n"


@pytest.mark.parametrize(("number", "limit_s"), [(signal.SIGTERM, 5.0), (signal.SIGINT, 0.25)])
def test_it_obeys_signals(tmp_path: Path, number: signal.Signals, limit_s: float) -> None:
    """SIGTERM asks the agent and waits, SIGINT does not."""
    script = "trap 'echo bye; exit 0' TERM; echo $$ >pid; while :; do sleep 0.01; done"
    with subprocess.Popen(arguments(tmp_path, script, grace_s=5)) as supervisor:
        agent = wait_for(tmp_path / "pid").strip()
        supervisor.send_signal(number)
        assert supervisor.wait(timeout=10) == 0
    record = exit_record(tmp_path)
    assert record["reason"] == "cancelled"
    assert not Path("/proc", agent).exists()
    if number is signal.SIGTERM:
        assert (tmp_path / "stdout").read_text() == "bye\n"


def test_a_hangup_does_not_concern_it(tmp_path: Path) -> None:
    with subprocess.Popen(arguments(tmp_path, "echo $$ >pid; sleep 0.2; echo done")) as supervisor:
        wait_for(tmp_path / "pid")
        supervisor.send_signal(signal.SIGHUP)
        assert supervisor.wait(timeout=10) == 0
    assert exit_record(tmp_path)["reason"] == "exited"


def test_the_deadline_needs_no_coordinator(tmp_path: Path) -> None:
    record = supervise(tmp_path, "trap '' TERM; echo x; while :; do sleep 0.1; done", deadline_s=0.2)
    assert record["reason"] == "deadline"
    assert record["exit_code"] == -signal.SIGKILL
    assert 0.2 <= record["duration_s"] < 10


ASKING = """
import pathlib, sys, time
from aurora_spawner.attempts.attempt_folder import AttemptFolder
AttemptFolder(path=pathlib.Path(sys.argv[1])).write_waited(0.0, since=time.monotonic())
print("asked", flush=True)
sys.stdin.read()
"""


def test_the_deadline_stands_still_only_while_somebody_can_be_answered(tmp_path: Path) -> None:
    """A coordinator has asked a person and is killed, but not reaped: nobody resumes its run."""
    command = [sys.executable, "-c", ASKING, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as coordinator:
        assert coordinator.stdout
        assert coordinator.stdout.readline() == b"asked\n"
        with subprocess.Popen(arguments(tmp_path, "sleep 60", deadline_s=0.3)) as supervisor:
            try:
                with pytest.raises(subprocess.TimeoutExpired):
                    supervisor.wait(timeout=2)
                coordinator.kill()
                assert supervisor.wait(timeout=20) == 0
            finally:
                supervisor.terminate()
    assert exit_record(tmp_path)["reason"] == "deadline"


def test_the_agent_dies_with_its_supervisor(tmp_path: Path) -> None:
    with subprocess.Popen(arguments(tmp_path, "echo $$ >pid; exec sleep 299")) as supervisor:
        agent = int(wait_for(tmp_path / "pid"))
        supervisor.kill()
    for _ in range(1000):
        if not Path(f"/proc/{agent}/cwd").exists():
            break
        time.sleep(0.005)
    else:
        pytest.fail("the agent lives on")


def test_the_agent_has_a_session_of_its_own_and_default_signals(tmp_path: Path) -> None:
    """An agent ignores no signal, whatever its coordinator ignores: shells start background programs so."""
    script = "ps -o pid=,sid=,pgid= -p $$; exec grep -E 'Sig(Ign|Blk)' /proc/self/status"
    command = ["sh", "-c", """trap '' QUIT USR1 TSTP; exec "$@" """, "sh", *arguments(tmp_path, script)]
    subprocess.run(command, check=True, timeout=30)
    identity, blocked, ignored = sorted((tmp_path / "stdout").read_text().splitlines())
    assert len(set(identity.split())) == 1
    # The C library keeps signals above 31 for itself, and some builds of Python start with two of them ignored.
    assert int(blocked.split()[1], 16) & 0x7FFFFFFF == 0
    assert int(ignored.split()[1], 16) & 0x7FFFFFFF == 0


def test_no_descriptor_leaks_into_the_agent(tmp_path: Path) -> None:
    supervise(tmp_path, "ls /proc/$$/fd | wc -l")
    assert int((tmp_path / "stdout").read_text()) <= 4  # the three streams, and what sh may hold


def test_a_file_that_cannot_grow_loses_output_but_not_the_attempt(tmp_path: Path) -> None:
    """A limit on file sizes stands in for a full disk; the exit record has its room from before."""
    script = "ulimit -f 128; exec " + " ".join(f"'{word}'" for word in arguments(tmp_path, "seq 1 20000"))
    subprocess.run(["sh", "-c", script], check=True, timeout=30)
    record = exit_record(tmp_path)
    assert record["exit_code"] == 0
    assert (tmp_path / "stdout").stat().st_size == 64 << 10
    assert record["stdout_bytes"] - record["lost_bytes"] == 64 << 10


def test_a_missing_program_is_told_by_its_error(tmp_path: Path) -> None:
    command = arguments(tmp_path, "")[:-4]
    subprocess.run([*command, str(tmp_path / "no-such-program"), "no-such-program"], check=True, timeout=30)
    assert exit_record(tmp_path)["reason"] == "exec_failed"
    assert exit_record(tmp_path)["exec_errno"] == 2


def test_a_wrong_call_says_how_to_call_it() -> None:
    called = subprocess.run(
        [*COMMAND, "a", "b", "0", "0", "0", "/", "-", "-", "-", "prompt", "sh"], capture_output=True, check=False
    )
    assert called.returncode == 1
    assert b"usage: supervisor.py FOLDER" in called.stderr


def test_it_needs_nothing_but_the_standard_library() -> None:
    """Run with -I and -S, it sees no installed package; and it imports little even of the library."""
    program = f"import sys, runpy; runpy.run_path({str(SUPERVISOR)!r}); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    assert not {"asyncio", "subprocess", "json", "psutil"} & set(ran.stdout.split())


def test_processes_are_seen_without_proc_as_well() -> None:
    """Without /proc, `ps` reports the living processes with their parents and groups."""
    with subprocess.Popen(["sleep", "299"], start_new_session=True) as child:
        for table in (process_table.process_table(), process_table.process_table_of_ps()):
            assert table[child.pid] == (os.getpid(), child.pid)
            assert table[os.getpid()] == (os.getppid(), os.getpgrp())
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        for table in (process_table.process_table(), process_table.process_table_of_ps()):
            assert child.pid not in table, "the dead are not listed"


def test_head_and_tail_are_kept_whatever_the_pieces(tmp_path: Path) -> None:
    """Against the plain definition, for totals around every seam of the ring."""
    cap = 8
    for total in range(40):
        content = bytes(range(65, 65 + total))
        reader, writer = os.pipe()
        path = tmp_path / str(total)
        spool = Spool(str(path), reader, cap)
        for start in range(0, total, 3):
            os.write(writer, content[start : start + 3])
            assert spool.drain()
        os.close(writer)
        assert not spool.drain()
        os.close(reader)
        expected = content if total <= cap else content[: cap // 2] + content[-cap // 2 :]
        assert kept_bytes(path, total=spool.total, cap=cap) == expected
