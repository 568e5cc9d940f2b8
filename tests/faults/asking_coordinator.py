"""A coordinator whose tasks all have to be approved, run as a program by the crash tests.

    python -m tests.faults.asking_coordinator FOLDER TASKS
    AURORA_FAULT=before:approval_requested   as in `faulty_coordinator`

It begins a run for the repository FOLDER/project, or resumes the one that is there. What is to be known of the end is
in FOLDER/report.json.
"""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.faults.faulty_coordinator import arm

from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.diff_gate import WorkDiff
from aurora_spawner.workspaces.isolation import MergeMode, isolation_of


@dataclass(frozen=True)
class Objection:
    rule: str = "scope"
    denied: bool = False
    subject: str = "everything"
    reason: str = "changes something"
    shape: str = "all changes"


class Gate:
    def judge(self, diff: WorkDiff) -> list[Objection]:
        return [Objection()]


def take(folder: Path, count: int) -> Run:
    backends = {"sh": CommandBackend("sh", ("sh",))}
    name = folder / "run_id"
    executor = LocalExecutor(grace_s=0.5)
    if name.exists():
        return Run.resume(folder / "runs.db", name.read_text(), backends, executor=executor, diff_gate=Gate())
    tasks = [
        SpawnTask(f"echo started >> {folder}/starts.{n}; echo {n} > {n}.txt; echo done", id=str(n))
        for n in range(1, count + 1)
    ]
    repository = folder / "project"
    options = RunOptions(
        default_agent="sh",
        cwd=repository,
        spool=folder / "runs",
        isolation=isolation_of(repository, home=folder / "worktrees", merge=MergeMode.AUTO)[0],
        executor=executor,
        max_concurrent=2,
        diff_gate=Gate(),
        forecast_every_s=None,
    )
    run = Run.create(folder / "runs.db", tasks, backends, options)
    written = folder / "run_id.new"
    written.write_text(run.run_id)
    written.replace(name)
    return run


def main(folder: Path, count: int) -> int:
    if fault := os.environ.get("AURORA_FAULT"):
        arm(fault)
    report = take(folder, count).execute_sync()
    said = {
        "states": {task_id: str(result.state) for task_id, result in report.results.items()},
        "errors": {task_id: result.error for task_id, result in report.results.items() if result.error},
    }
    (folder / "report.json").write_text(json.dumps(said))
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
