"""200 healthy tasks of 0.1 s, with recovery and without: what a task costs more. Prints JSON."""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from aurora_spawner import (
    CommandBackend,
    EarlyDetection,
    RecoveryPolicy,
    RecoverySettings,
    Run,
    RunOptions,
    SpawnTask,
    TimeoutPolicy,
)

TASKS = 200
AT_ONCE = 20


def measure(*, recovery: bool) -> tuple[float, float]:
    """Wall time and the coordinator's processor time, in seconds."""
    policy = RecoveryPolicy(
        timeout=TimeoutPolicy(), early_detection=EarlyDetection(terminate=True), max_failure_rate=0.5
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = Run.create(
            folder / "runs.db",
            [SpawnTask("go") for _ in range(TASKS)],
            {"sh": CommandBackend("sh", ("sh", "-c", "sleep 0.1; echo done"))},
            RunOptions(
                default_agent="sh",
                max_concurrent=AT_ONCE,
                cwd=folder,
                spool=folder / "runs",
                recovery=RecoverySettings(policy=policy, state_dir=folder / "state") if recovery else None,
            ),
        )
        before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
        report = run.execute_sync()
        wall = time.monotonic() - began
        after = resource.getrusage(resource.RUSAGE_SELF)
    assert report.ok
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    measure(recovery=True)
    rounds = [(measure(recovery=False), measure(recovery=True)) for _ in range(repeats)]
    print(json.dumps({"tasks": TASKS, "at_once": AT_ONCE, "rounds": rounds}))
