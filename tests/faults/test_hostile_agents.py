"""Agents that do what agents should not do; each one a real process."""

import os
import sys
import textwrap
from pathlib import Path

import pytest

from aurora_spawner import CommandBackend, Run, RunOptions, SpawnResult, SpawnTask, TaskState
from aurora_spawner.attempts.attempt_folder import kept_bytes
from aurora_spawner.backends.command import PromptBy
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.testing import processes_of_run

CAP_BYTES = 1 << 20
FLOOD_LINES = int(os.environ.get("AURORA_FAULT_FLOOD_LINES", "12_000_000"))
"""About 98 MB; 111_000_000 make a gigabyte."""


def ask(folder: Path, command: tuple[str, ...], prompt: str = "go", timeout_s: float | None = 30) -> SpawnResult:
    """Run one agent to its end, and see that nothing of it is left."""
    run = Run.create(
        folder / "runs.db",
        [SpawnTask(prompt, timeout_s=timeout_s)],
        {"agent": CommandBackend("agent", command)},
        RunOptions(
            default_agent="agent",
            cwd=folder,
            spool=folder / "runs",
            executor=LocalExecutor(grace_s=0.5, cap_bytes=CAP_BYTES),
        ),
    )
    result = run.execute_sync().results["1"]
    assert processes_of_run(run.run_id, within_s=5.0) == []
    return result


def shell(script: str) -> tuple[str, ...]:
    return ("sh", "-c", script)


def python(program: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", textwrap.dedent(program))


DAEMON = """
    import os, sys, time
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            import signal
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.environ.clear()
            with open("daemon", "w") as file:
                file.write(str(os.getpid()))
            for descriptor in range(3):
                os.close(descriptor)
            time.sleep(299)
        os._exit(0)
    os.wait()
    while not os.path.exists("daemon") or not open("daemon").read():
        time.sleep(0.01)
    print("daemon started")
"""


def test_a_daemon_is_ended_with_its_agent(tmp_path: Path) -> None:
    """Double fork, own session, SIGTERM ignored, streams closed."""
    result = ask(tmp_path, python(DAEMON))
    assert result.success
    assert not Path("/proc", (tmp_path / "daemon").read_text()).exists()


def test_a_daemon_without_environment_is_ended_with_its_agent(tmp_path: Path) -> None:
    result = ask(tmp_path, shell("env -i setsid sleep 299 & echo $! >daemon; env -i setsid -f sleep 298; echo ok"))
    assert result.success
    assert not Path("/proc", (tmp_path / "daemon").read_text().strip()).exists()


def test_an_agent_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    result = ask(tmp_path, shell("trap '' TERM; echo working; while :; do sleep 0.1; done"), timeout_s=0.3)
    assert result.termination_reason == "deadline"
    assert result.output == "working\n"


def test_an_agent_that_multiplies_is_ended(tmp_path: Path) -> None:
    """Every process starts two more for a while, and none minds SIGTERM."""
    script = 'trap "" TERM; f() { [ $1 -gt 0 ] && { f $(($1-1)) & f $(($1-1)) & }; sleep 299; }; echo x; f 5'
    result = ask(tmp_path, shell(script), timeout_s=0.5)
    assert result.termination_reason == "deadline"


@pytest.mark.slow
def test_a_flood_is_kept_head_and_tail_byte_by_byte(tmp_path: Path) -> None:
    result = ask(tmp_path, shell(f"seq 1 {FLOOD_LINES}"), timeout_s=None)
    assert result.success
    path = Path(result.output_path or "")
    assert path.stat().st_size == CAP_BYTES
    kept = kept_bytes(path, total=result.output_bytes, cap=CAP_BYTES)
    half = CAP_BYTES // 2
    head = "".join(f"{number}\n" for number in range(1, 100_001)).encode()
    tail = "".join(f"{number}\n" for number in range(FLOOD_LINES - 100_000, FLOOD_LINES + 1)).encode()
    assert kept[:half] == head[:half]
    assert kept[half:] == tail[-half:]


def test_an_agent_that_prints_nothing_has_not_done_its_task(tmp_path: Path) -> None:
    result = ask(tmp_path, shell("exit 0"))
    assert result.state is TaskState.FAILED
    assert result.error == "it exited without an answer"


def test_an_agent_that_prints_only_white_space_has_not_either(tmp_path: Path) -> None:
    assert not ask(tmp_path, shell("printf '\\n  \\n'")).success


def test_bytes_that_are_no_utf8_are_kept(tmp_path: Path) -> None:
    result = ask(tmp_path, shell("printf 'a\\377\\376b'"))
    assert result.output == "a\\xff\\xfeb"
    assert Path(result.output_path or "").read_bytes() == b"a\xff\xfeb"


def test_a_prompt_that_is_never_read_does_no_harm(tmp_path: Path) -> None:
    assert ask(tmp_path, shell("echo ok"), prompt="x" * 1_000_000).output == "ok\n"


def test_a_prompt_arrives_whole_and_then_ends(tmp_path: Path) -> None:
    assert ask(tmp_path, ("wc", "-c"), prompt="x" * 1_000_000).output.strip() == "1000000"


@pytest.mark.parametrize("prompt_by", ["argument", "file"])
@pytest.mark.parametrize("size", [1, 200_000])
def test_a_prompt_that_goes_another_way_leaves_stdin_empty(tmp_path: Path, prompt_by: PromptBy, size: int) -> None:
    """A tool that adds its stdin to its argument would be asked twice; a long argument becomes words about a file."""
    script = 'printf "%s " "$(wc -c)"; if [ -f "$1" ]; then cat "$1"; else printf %s "$1"; fi'
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("x" * size)],
        {"agent": CommandBackend("agent", ("sh", "-c", script, "sh"), prompt=prompt_by)},
        RunOptions(
            default_agent="agent",
            cwd=tmp_path,
            spool=tmp_path / "runs",
        ),
    )
    left, _, asked = run.execute_sync().results["1"].output.partition(" ")
    assert left == "0"
    if prompt_by == "argument" and size > 1:
        asked = Path(next(word for word in asked.split() if "/" in word).strip(".,;")).read_text()
    assert asked == "x" * size


def test_an_agent_that_closes_its_streams_and_lives_on_is_waited_for(tmp_path: Path) -> None:
    result = ask(tmp_path, shell("echo answer; exec >&- 2>&-; sleep 0.3; touch finished"))
    assert result.success
    assert result.execution_time >= 0.3
    assert (tmp_path / "finished").exists()


def test_an_agent_that_fails_after_a_good_answer_has_failed_and_its_answer_is_kept(tmp_path: Path) -> None:
    result = ask(tmp_path, shell("echo good answer; exit 3"))
    assert result.state is TaskState.FAILED
    assert result.exit_code == 3
    assert result.output == "good answer\n"


def test_an_agent_that_stops_itself_meets_its_deadline(tmp_path: Path) -> None:
    result = ask(tmp_path, shell("echo x; kill -STOP $$"), timeout_s=0.3)
    assert result.termination_reason == "deadline"


def test_an_agent_that_kills_its_group_is_only_a_failure(tmp_path: Path) -> None:
    result = ask(tmp_path, shell("echo x; kill -9 0"))
    assert result.error == "it was ended by signal 9"


def test_a_program_that_is_no_program_is_named_so(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a program")
    result = ask(tmp_path, (str(tmp_path / "text"),))
    assert result.error == "its program could not be started: Permission denied"
