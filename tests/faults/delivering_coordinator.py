"""A coordinator whose finished work needs an approval before it is delivered, run as a program by the crash tests.

    python -m tests.faults.delivering_coordinator FOLDER
    AURORA_FAULT=before:approval_requested   as in `faulty_coordinator`

It begins a run for the repository FOLDER/project, or resumes the one that is there; both deliver to its branch. What
is to be known of the end is in FOLDER/report.json.
"""

import json
import os
import sys
from pathlib import Path

from tests.faults.faulty_coordinator import arm

from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
from aurora_spawner.gates.deliveries import DeliveryRequest
from aurora_spawner.gates.tool_calls import GateAction, Verdict
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.workspaces.isolation import MergeMode, isolation_of

AGENT = 'echo "work of $AURORA_TASK_ID" > "$AURORA_TASK_ID.txt"; echo done'


class Gate:
    def judge(self, request: DeliveryRequest) -> Verdict:
        return Verdict(action=GateAction.PROMPT, rule="git_merge_main", reason=f"brings work to {request.target}")


def take(folder: Path) -> Run:
    backends = {"sh": CommandBackend("sh", ("sh", "-c", AGENT))}
    name, journal, executor = folder / "run_id", folder / "runs.db", LocalExecutor(grace_s=0.2)
    if name.exists():
        return Run.resume(journal, name.read_text(), backends, executor=executor, merge_gate=Gate())
    isolation, _ = isolation_of(folder / "project", home=folder / "worktrees", merge=MergeMode.AUTO)
    options = RunOptions(
        default_agent="sh",
        cwd=folder / "project",
        spool=folder / "runs",
        isolation=isolation,
        executor=executor,
        merge_gate=Gate(),
    )
    run = Run.create(journal, [SpawnTask("go", id=each) for each in ("1", "2")], backends, options)
    written = folder / "run_id.new"
    written.write_text(run.run_id)
    written.replace(name)
    return run


def main(folder: Path) -> int:
    if fault := os.environ.get("AURORA_FAULT"):
        arm(fault)
    report = take(folder).execute_sync()
    said = {"state": str(report.state), "refusal": report.merge.delivery.refusal if report.merge else ""}
    (folder / "report.json").write_text(json.dumps(said))
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
