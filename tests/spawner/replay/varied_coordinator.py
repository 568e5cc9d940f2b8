"""A coordinator of a run that its seed makes; run as a program, and killed where it is told to.

    python varied_coordinator.py FOLDER SEED
    AURORA_FAULT=before:7   SIGKILL to itself just before the write of its 7th fact; `after:7` just after it

It begins a run in FOLDER, or resumes the one that is there.
"""

import os
import random
import sys
from pathlib import Path
from typing import Any

from tests.faults.faulty_coordinator import arm

from aurora_spawner import CommandBackend, RecoveryPolicy, RecoverySettings, Run, RunOptions, SpawnTask
from aurora_spawner.recovery.policy import BatchAction
from aurora_spawner.supervision.local_executor import LocalExecutor

COUNT = "echo start >> starts.$AURORA_TASK_ID.{0}; n=$(wc -l < starts.$AURORA_TASK_ID.{0}); sleep 0.0{1}; "
SCRIPTS = {
    "plain": "echo done",
    "slow": "sleep 0.2; echo done",
    "flaky": '[ "$n" -ge 2 ] && echo done || { echo "socket hang up" >&2; exit 1; }',
    "broken": 'echo "Error: 500 Internal Server Error" >&2; exit 1',
    "locked": 'echo "Error: 401 Unauthorized" >&2; exit 1',
    "limited": '[ "$n" -ge 2 ] && echo done || { echo "429 Too Many Requests, retry-after: 0.1" >&2; exit 1; }',
    "hopeless": "exit 3",
    "steady": "echo steady",
}
FILES = ("a.py", "b.py", "src/*.py")


def backends(chance: random.Random) -> dict[str, CommandBackend]:
    return {
        name: CommandBackend(name, ("sh", "-c", COUNT.format(name, chance.randint(1, 9)) + script))
        for name, script in SCRIPTS.items()
    }


def tasks(chance: random.Random) -> list[SpawnTask]:
    """A dozen of them or two, that depend on some of those before them."""
    names = [str(number) for number in range(1, chance.randint(8, 20))]
    return [
        SpawnTask(
            "go",
            chance.choice(list(SCRIPTS)),
            id=name,
            depends_on=tuple(sorted(chance.sample(names[:place], min(place, chance.choice((0, 0, 0, 1, 2)))))),
            critical=chance.random() < 0.7,
            priority=chance.choice((0, 0, 0, 5)),
            files=(chance.choice(FILES),) if chance.random() < 0.2 else (),
        )
        for place, name in enumerate(names)
    ]


def settings(chance: random.Random, folder: Path) -> RecoverySettings | None:
    if chance.random() < 0.15:
        return None
    policy = RecoveryPolicy(
        base_delay=0.05,
        max_delay=0.3,
        max_retries=chance.randint(0, 2),
        jitter=chance.random() < 0.5,
        max_failure_rate=0.6 if chance.random() < 0.3 else None,
        on_batch_failure=BatchAction.SKIP,
        fallback_after=chance.choice((None, 0.0, 60.0)),
    )
    return RecoverySettings(
        policy=policy.with_override("hopeless", strategy="retry_same", max_retries=1),
        fallbacks={"broken": ("locked", "steady"), "locked": ("steady",), "limited": ("plain",)},
        state_dir=folder / "state",
        adhoc=frozenset({"broken"}) if chance.random() < 0.3 else frozenset(),
    )


def main(folder: Path, seed: int) -> int:
    if fault := os.environ.get("AURORA_FAULT"):
        arm(fault)
    chance = random.Random(seed)
    known, wanted, recovery = backends(chance), tasks(chance), settings(chance, folder)
    common: dict[str, Any] = {
        "recovery": recovery,
        "executor": LocalExecutor(grace_s=0.3),
        "agent_limits": {"plain": 1, "flaky": 2} if chance.random() < 0.4 else {},
        "start_rate_per_s": 20.0 if chance.random() < 0.2 else None,
    }
    most, name = chance.randint(1, 5), folder / "run_id"
    if name.exists():
        run = Run.resume(folder / "runs.db", name.read_text(), known, **common)
    else:
        options = RunOptions(default_agent="plain", max_concurrent=most, cwd=folder, spool=folder / "runs", **common)
        run = Run.create(folder / "runs.db", wanted, known, options)
        written = folder / "run_id.new"
        written.write_text(run.run_id)
        written.replace(name)
    report = run.execute_sync()
    return 130 if report.interrupted else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
