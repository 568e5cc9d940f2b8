"""A coordinator that is run as a program by the crash tests, and kills itself where it is told to.

    python faulty_coordinator.py FOLDER TASKS GRACE_S
    AURORA_FAULT=before:7   SIGKILL to itself just before the write of its 7th fact; `after:7` just after it
    AURORA_FAULT=before:run_ended   the same around the first write that has this kind of fact

Facts are counted and not writes, because how many facts share a write depends on how busy the machine is.

It begins a run in FOLDER, or resumes the one that is there.
"""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
from aurora_spawner.journal.entries import Entry
from aurora_spawner.journal.store import Journal
from aurora_spawner.supervision.local_executor import LocalExecutor

AGENT = """
echo started >> starts.$AURORA_TASK_ID
sleep 0.0$((AURORA_TASK_ID % 7 + 3))
i=0
while [ $i -lt 40 ]; do echo "task $AURORA_TASK_ID line $i"; i=$((i + 1)); done
"""


def expected_output(task_id: str) -> str:
    return "".join(f"task {task_id} line {number}\n" for number in range(40))


def tasks(count: int) -> list[SpawnTask]:
    """Independent ones, and every third one depending on the two before it."""
    return [
        SpawnTask("go", id=str(n), depends_on=(str(n - 1), str(n - 2)) if n % 3 == 0 else ())
        for n in range(1, count + 1)
    ]


def arm(fault: str) -> None:
    """Make the journal kill this process around the write of its n-th fact, or of the first of some kind."""
    moment, which = fault.split(":")
    append, facts = Journal.append, 0

    def append_or_die(self: Journal, entries: Sequence[Entry], *, lease: str | None = None) -> None:
        nonlocal facts
        kinds = {kind for _run, _task, kind, *_rest in entries}
        numbers = {str(facts + each) for each in range(1, len(entries) + 1)}
        facts += len(entries)
        now = which in kinds | numbers
        if now and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        append(self, entries, lease=lease)
        if now and moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)

    Journal.append = append_or_die  # type: ignore[method-assign]


def main(folder: Path, count: int, grace_s: float) -> int:
    if fault := os.environ.get("AURORA_FAULT"):
        arm(fault)
    backends = {"sh": CommandBackend("sh", ("sh", "-c", AGENT))}
    journal, executor = folder / "runs.db", LocalExecutor(grace_s=grace_s)
    name = folder / "run_id"
    if name.exists():
        run = Run.resume(journal, name.read_text(), backends, executor=executor)
    else:
        run = Run.create(
            journal,
            tasks(count),
            backends,
            RunOptions(
                default_agent="sh",
                max_concurrent=6,
                cwd=folder,
                spool=folder / "runs",
                executor=executor,
            ),
        )
        # In one step: whoever kills us as soon as the name is there must find it whole.
        written = folder / "run_id.new"
        written.write_text(run.run_id)
        written.replace(name)
    report = run.execute_sync()
    return 0 if report.ok else 130 if report.interrupted else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
