"""kill -9 of `aur` itself, where nobody could come back for its agents: they end with it."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.warm_python import WarmPopen

CONFIG = """
backends:
  slow: {kind: command, command: [sh, -c, "(setsid sleep 60 & echo $! > daemon); echo $$ > agent; sleep 60"]}
"""


def wait_until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.02)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    "command",
    [
        ["spawn", "tasks.md", "--no-checkpoint", "--yes"],
        ["goals", "Explain how the till adds up prices and why", "--tool", "slow", "--yes"],
    ],
    ids=["spawn without checkpoint", "goals"],
)
def test_agents_end_with_an_aur_that_nobody_could_resume(shop: Path, command: list[str]) -> None:
    (shop / ".aurora").mkdir(exist_ok=True)
    (shop / ".aurora" / "config.yaml").write_text(CONFIG)
    (shop / "tasks.md").write_text("- [ ] 1 Wait\n  - Agent: slow\n")
    aur = WarmPopen(
        [sys.executable, "-m", "aurora_cli", *command], cwd=shop, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    notes = [shop / "agent", shop / "daemon"]
    wait_until(lambda: all(note.exists() and note.read_text().endswith("\n") for note in notes))
    pids = [int(note.read_text()) for note in notes]
    assert all(map(lives, pids))
    aur.kill()
    aur.wait()
    wait_until(lambda: not any(map(lives, pids)))
