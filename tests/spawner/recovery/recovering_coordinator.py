"""A coordinator whose tasks go through every state of recovery; run as a program, and killed where it is told to.

    python recovering_coordinator.py FOLDER
    AURORA_FAULT=before:7   SIGKILL to itself just before the write of its 7th fact; `after:7` just after it

It begins a run in FOLDER, or resumes the one that is there.
"""

import os
import sys
from pathlib import Path

from tests.faults.faulty_coordinator import arm

from aurora_spawner import CommandBackend, RecoveryPolicy, RecoverySettings, Run, RunOptions, SpawnTask
from aurora_spawner.supervision.local_executor import LocalExecutor

COUNT = "echo start >> starts.$AURORA_TASK_ID.{0}; n=$(wc -l < starts.$AURORA_TASK_ID.{0}); sleep 0.02; "
SCRIPTS = {
    "plain": "echo done",
    "flaky": '[ "$n" -ge 3 ] && echo done || { echo "socket hang up" >&2; exit 1; }',
    "broken": 'echo "Error: 500 Internal Server Error" >&2; exit 1',
    "locked": 'echo "Error: 401 Unauthorized" >&2; exit 1',
    "limited": '[ "$n" -ge 2 ] && echo done || { echo "429 Too Many Requests, retry-after: 0.05" >&2; exit 1; }',
    "hopeless": "exit 3",
    "steady": "echo steady",
}
BACKENDS = {name: CommandBackend(name, ("sh", "-c", COUNT.format(name) + script)) for name, script in SCRIPTS.items()}
TASKS = [
    SpawnTask("go", "plain", id="1"),
    SpawnTask("go", "flaky", id="2"),
    SpawnTask("go", "broken", id="3"),
    SpawnTask("go", "locked", id="4"),
    SpawnTask("go", "locked", id="5", depends_on=("4",)),
    SpawnTask("go", "limited", id="6"),
    SpawnTask("go", "hopeless", id="7"),
    SpawnTask("go", "plain", id="8", depends_on=("2", "3", "5", "6")),
]


def settings(folder: Path) -> RecoverySettings:
    policy = RecoveryPolicy(base_delay=0.05, max_delay=0.05, jitter=False)
    return RecoverySettings(
        policy=policy.with_override("hopeless", strategy="retry_same", max_retries=1),
        fallbacks={"broken": ("steady",), "locked": ("steady",)},
        state_dir=folder / "state",
        chance=lambda: 0.0,
    )


def main(folder: Path) -> int:
    if fault := os.environ.get("AURORA_FAULT"):
        arm(fault)
    name = folder / "run_id"
    recovery, executor = settings(folder), LocalExecutor(grace_s=0.3)
    if name.exists():
        run = Run.resume(folder / "runs.db", name.read_text(), BACKENDS, recovery=recovery, executor=executor)
    else:
        run = Run.create(
            folder / "runs.db",
            TASKS,
            BACKENDS,
            RunOptions(
                default_agent="plain",
                max_concurrent=3,
                cwd=folder,
                spool=folder / "runs",
                recovery=recovery,
                executor=executor,
            ),
        )
        written = folder / "run_id.new"
        written.write_text(run.run_id)
        written.replace(name)
    run.execute_sync()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
