"""Runs that were killed, paused, cancelled and resumed as their seeds say, for replays."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.warm_python import WarmPopen

from aurora_spawner.control.lookup import is_held
from aurora_spawner.control.steering import cancel_run, pause_run, unpause_run
from aurora_spawner.errors import SpawnerError

ROOT = Path(__file__).parents[3]
COORDINATOR = Path(__file__).with_name("varied_coordinator.py")
LIMIT_S = 180.0
"""A probe that was killed is waited for two minutes."""


def begin(folder: Path, seed: int, fault: str | None = None) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if name != "AURORA_FAULT"}
    environment["PYTHONPATH"] = str(ROOT)
    if fault:
        environment["AURORA_FAULT"] = fault
    return WarmPopen([sys.executable, str(COORDINATOR), str(folder), str(seed)], env=environment)


def record(folder: Path, seed: int) -> str:
    """Record one run; return its name."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(1_000 + seed)
    for _ in range(chance.randint(0, 3)):
        fault = f"{chance.choice(('before', 'after'))}:{chance.randint(2, 60)}"
        with begin(folder, seed, fault) as coordinator:
            coordinator.wait(timeout=LIMIT_S)
    if chance.random() < 0.7:
        with begin(folder, seed) as coordinator:
            disturb(folder, coordinator, chance)
            while coordinator.poll() is None and not unpaused(folder):
                time.sleep(0.05)
            coordinator.wait(timeout=LIMIT_S)
    with begin(folder, seed) as coordinator:
        coordinator.wait(timeout=LIMIT_S)
    return (folder / "run_id").read_text()


def disturb(folder: Path, coordinator: subprocess.Popen[bytes], chance: random.Random) -> None:
    """Do what a user does: cancel a task, pause and continue, interrupt, or cancel the run."""
    while coordinator.poll() is None and not works(folder):
        time.sleep(0.005)
    for _ in range(chance.randint(1, 4)):
        time.sleep(chance.uniform(0.02, 0.4))
        wish = chance.choice(("task", "task", "pause", "interrupt", "cancel"))
        if coordinator.poll() is not None:
            return
        if wish == "interrupt":
            coordinator.send_signal(signal.SIGINT)
            return
        with contextlib.suppress(SpawnerError, OSError):  # it may have just ended
            steer(folder, wish, chance)


def unpaused(folder: Path) -> bool:
    """Continue a run that was left paused, since the answer came too late; return False to try again."""
    try:
        unpause_run(folder / "runs.db", (folder / "run_id").read_text())
    except (SpawnerError, OSError):
        return False
    return True


def works(folder: Path) -> bool:
    name = folder / "run_id"
    with contextlib.suppress(SpawnerError):
        return name.exists() and is_held(folder / "runs.db", name.read_text())
    return False


def steer(folder: Path, wish: str, chance: random.Random) -> None:
    journal, run_id = folder / "runs.db", (folder / "run_id").read_text()
    if wish == "task":
        cancel_run(journal, run_id, task_id=str(chance.randint(1, 20)))
    elif wish == "cancel":
        cancel_run(journal, run_id)
    else:
        pause_run(journal, run_id)
        time.sleep(chance.uniform(0.05, 0.3))
        unpause_run(journal, run_id)
