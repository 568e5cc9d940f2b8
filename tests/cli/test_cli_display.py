"""The display goes away while a run is shown: the run goes on, or ends in order where a hang-up says so."""

from __future__ import annotations

import os
import pty
import signal
import sys
import time
from pathlib import Path
from subprocess import PIPE, Popen
from typing import TYPE_CHECKING

import pytest
from tests.exhaustive import few
from tests.warm_python import WarmPopen

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

AUR = (sys.executable, "-m", "aurora_cli")
HANG_S = 50


@pytest.fixture
def slow(shop: Path) -> Path:
    """Three tasks whose agents wait until they may go on."""
    (shop / ".aurora").mkdir()
    script = "touch begun.$AURORA_TASK_ID; while [ ! -e open ]; do sleep 0.02; done; echo done"
    config = f"backends:\n  slow: {{kind: command, command: [sh, -c, '{script}']}}\n"
    (shop / ".aurora" / "config.yaml").write_text(config, encoding="utf-8")
    tasks = "".join(f"- [ ] {number} Wait\n  - Agent: slow\n" for number in (1, 2, 3))
    (shop / "tasks.md").write_text(tasks, encoding="utf-8")
    return shop


def wait_until(reached: Callable[[], object]) -> None:
    end = time.monotonic() + HANG_S
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.02)


def states(capfd: pytest.CaptureFixture[str]) -> str:
    """How the runs of this folder stand."""
    from aurora_cli.main import run

    capfd.readouterr()
    assert run(["runs", "list"]) == ExitCode.DONE
    return capfd.readouterr().out


def on_terminal(*, owns_it: bool, ignore_hangup: bool = False) -> tuple[Popen[bytes], int]:
    """Start a run on a terminal; returns the process and our end of the terminal, to be closed."""
    ours, its = pty.openpty()

    def before() -> None:
        if ignore_hangup:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        if owns_it:
            os.setsid()
            import fcntl
            import termios

            fcntl.ioctl(its, termios.TIOCSCTTY, 0)

    command = [*AUR, "spawn", "tasks.md", "--yes", "--max-concurrent", "2"]
    process = Popen(
        command,
        stdin=its,
        stdout=its,
        stderr=its,
        env={**os.environ, "TERM": "xterm-256color"},
        preexec_fn=before,  # noqa: PLW1509 - there are no threads
    )
    os.close(its)
    return process, ours


def test_a_terminal_that_is_closed_ends_the_run_in_order(slow: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """As when its window is closed: a hang-up comes, and every further word fails."""
    process, ours = on_terminal(owns_it=True)
    with process:
        wait_until((slow / "begun.2").exists)
        os.close(ours)
        assert process.wait(HANG_S) == ExitCode.INTERRUPTED
    assert "interrupted" in states(capfd)


@pytest.mark.parametrize("nohup", few([False, True], 1))
def test_a_display_that_fails_is_dropped_and_the_run_goes_on(
    slow: Path, capfd: pytest.CaptureFixture[str], nohup: bool
) -> None:
    process, ours = on_terminal(owns_it=nohup, ignore_hangup=nohup)
    with process:
        wait_until((slow / "begun.2").exists)
        os.close(ours)
        time.sleep(0.3)  # the table is drawn again meanwhile
        (slow / "open").touch()
        assert process.wait(HANG_S) == ExitCode.DONE
    assert "succeeded" in states(capfd)
    assert (slow / "tasks.md").read_text().count("[x]") == 3


@pytest.mark.parametrize("streams", [("stdout",), ("stderr",), ("stdout", "stderr")])
def test_a_pipe_that_nobody_reads_is_dropped_too(
    slow: Path, capfd: pytest.CaptureFixture[str], streams: tuple[str, ...]
) -> None:
    """As `aur spawn … 2>&1 | head -1`."""
    with WarmPopen([*AUR, "spawn", "tasks.md", "--yes"], stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
        wait_until((slow / "begun.3").exists)
        for name in streams:
            getattr(process, name).close()
        (slow / "open").touch()
        assert process.wait(HANG_S) == ExitCode.DONE
    assert "succeeded" in states(capfd)


def test_a_failed_run_still_says_so_where_nobody_reads_its_result(slow: Path) -> None:
    (slow / "tasks.md").write_text("- [ ] 1 Fail\n  - Agent: fails\n")
    config = "backends:\n  fails: {kind: command, command: [sh, -c, 'exit 3']}\n"
    (slow / ".aurora" / "config.yaml").write_text(f"{config}spawner: {{recovery: {{preset: no_recovery}}}}\n")
    with WarmPopen([*AUR, "spawn", "tasks.md", "--yes"], stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.wait(HANG_S)
    assert process.returncode == ExitCode.NOT_REACHED
