"""A run of a task file with a task that fails for good, and its replanning, killed at a write of its journal.

Run as a program, since it forks: `python replanned_runs.py FOLDER POINT...`. A point is the number of a write, or
that number with `+` for the moment right after it. The writes are the call of the model, its answer, the plan, the
decision, the task file, and the end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

import aurora_soar.aurora.run_replanning as replanning
from aurora_soar import Aurora
from aurora_soar.replanning import record
from aurora_spawner.runs.noted_run import NotedRun

if TYPE_CHECKING:
    from collections.abc import Callable

AGENT = """
prompt=$(cat)
first=$(printf '%s\\n' "$prompt" | head -n 1)
case "$first" in
    *"You planned tasks"*) echo asked >> asked; cat plan.json; exit;;
    *BROKEN*) echo broken >&2; exit 3;;
esac
printf '%s\\n' "$prompt" > "got-$AURORA_TASK_ID"
echo "$AURORA_TASK_ID" >> ran
echo "the result of $AURORA_TASK_ID"
"""
TASKS = """# Build a calculator

- [ ] 1 Find the grammar
- [ ] 2 Write the BROKEN parser
  - Depends: 1
  - Check: `true`
- [ ] 3 Test the parser
  - Depends: 2
  - Check: `test 1`
- [ ] 4 Write the docs
  - Depends: 2
  - Critical: no
"""
KILLED_WRITES = 6


def subgoal(description: str, *needs: int, agent: str = "coder", **more: object) -> dict[str, Any]:
    return {
        "description": description,
        "ideal_agent": agent,
        "assigned_agent": agent,
        "depends_on": list(needs),
        **more,
    }


def write_plan(root: Path, *subgoals: dict[str, Any]) -> None:
    """Have the agent answer with that plan."""
    (root / "plan.json").write_text(json.dumps({"goal": "a calculator", "subgoals": subgoals}))


def make(
    root: Path, *, tasks: str = TASKS, agents: tuple[str, ...] = ("coder", "other"), tool: str = "coder"
) -> Path:
    """A project whose agents work, but for tasks that say BROKEN."""
    (root / ".aurora").mkdir(parents=True)
    backends = {name: {"kind": "command", "command": ["sh", "-c", AGENT]} for name in agents}
    config = {"backends": backends, "tool": tool, "spawner": {"recovery": {"max_retries": 0}}}
    (root / ".aurora" / "config.yaml").write_text(yaml.safe_dump(config))
    write_plan(root, subgoal("Write the lexer"), subgoal("Write the reader", 0), subgoal("test the parser.", 1))
    taskfile = root / "tasks.md"
    taskfile.write_text(tasks)
    return taskfile


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def kill_at(point: str) -> None:
    """Kill this process at a write."""
    writes, at, after = count(1), int(point.strip("+")), point.endswith("+")

    def killing(write: Callable[..., Any]) -> Callable[..., Any]:
        def write_or_die(*args: Any, **kwargs: Any) -> Any:
            here = next(writes) == at
            if here and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = write(*args, **kwargs)
            if here:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return write_or_die

    NotedRun.keep = killing(NotedRun.keep)  # type: ignore[method-assign]
    record.append_unattended = killing(record.append_unattended)  # type: ignore[attr-defined]
    replanning.replace_text = killing(replanning.replace_text)  # type: ignore[attr-defined]
    replanning.hold_noted_run = killing(replanning.hold_noted_run)  # type: ignore[attr-defined]


def forked(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def replan_and_accept(root: Path, run_id: str) -> None:
    with Aurora.open(root) as aurora:
        replan = aurora.replan_run(run_id)
        assert replan is not None
        aurora.accept_replan(replan)


def killed_once(root: Path, point: str) -> dict[str, Any]:
    taskfile = make(root)

    def first() -> None:
        with Aurora.open(root) as aurora:
            run_id = aurora.run_taskfile(taskfile).report.run_id
        (root / "run").write_text(run_id)

    assert forked(first) == 0
    run_id = (root / "run").read_text()

    def kill() -> None:
        kill_at(point)
        replan_and_accept(root, run_id)

    def again() -> None:
        replan_and_accept(root, run_id)

    def resume() -> None:
        with Aurora.open(root) as aurora:
            (root / "ok").write_text(str(aurora.resume(run_id).ok))

    killed = forked(kill)
    before = taskfile.read_text()
    repeated = forked(again)
    resumed = forked(resume)
    return {
        "killed": killed == -signal.SIGKILL,
        "written": before != TASKS.replace("- [ ] 1", "- [x] 1"),
        "repeated": repeated,
        "resumed": resumed,
        "asked": len(lines(root / "asked")),
        "ran": lines(root / "ran"),
        "tasks": taskfile.read_text(),
        "ok": (root / "ok").read_text(),
    }


if __name__ == "__main__":
    found = {point: killed_once(Path(sys.argv[1]) / f"at{point}", point) for point in sys.argv[2:]}
    print(json.dumps(found))
