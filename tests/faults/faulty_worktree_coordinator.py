"""A coordinator of tasks in worktrees that is run as a program by the crash tests, and kills itself where it is told.

    python -m tests.faults.faulty_worktree_coordinator FOLDER
    AURORA_FAULT=before:7       as in `faulty_coordinator`: around the write of the 7th fact
    AURORA_GIT_FAULT=before:7   SIGKILL to itself just before it starts its 7th git; `after:7` once that has ended
    AURORA_COPY_FAULT=3         SIGKILL to itself in the middle of its 3rd copy of a file into a worktree
    AURORA_LOOK_FAULT=2         SIGKILL to itself in its 2nd comparison of two works; it compares all the time then

It begins a run for the repository FOLDER/project, or resumes the one that is there. Its tasks are those below, or
those of FOLDER/tasks.json: a merge mode, and of each task the script, its dependencies, and perhaps the number of its
candidates. Worktrees are prepared as FOLDER/preparation.json says. FOLDER/resolver.sh, if it is there, is the agent
that resolves conflicts. What is to be known of the end is in FOLDER/report.json, and how many gits it has started in
FOLDER/gits.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.faults.faulty_coordinator import arm

from aurora_spawner import CommandBackend, Run, RunOptions, RunReport, SpawnTask
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.workspaces import filling
from aurora_spawner.workspaces.forecast import Forecaster
from aurora_spawner.workspaces.git import Git
from aurora_spawner.workspaces.isolation import MergeMode, isolation_of
from aurora_spawner.workspaces.preparation import Preparation

SCRIPTS = {
    "first": "echo first > shared.txt; echo done; exit",
    "second": "echo second > shared.txt; echo done; exit",
    "own": "echo own > own.txt; git add own.txt; git commit -qm own; echo more >> own.txt; echo done; exit",
    "after": "cat shared.txt own.txt > after.txt; rm README.md; echo done; exit",
    "nothing": "echo nothing to do; exit",
    "fails": "echo half > half.txt; git add half.txt; git commit -qm half; echo rest > rest.txt; exit 3",
    "never": "echo never; echo done > never.txt",
}
CHECKS = {"own": ("echo spoilt > src/app.py; echo junk > junk.txt; test -e own.txt",)}
"""Of tasks by their names; this one leaves changes that no commit may have."""
NEEDS = {"after": ("first", "own"), "never": ("fails",)}


def tasks(folder: Path) -> tuple[MergeMode, list[SpawnTask]]:
    """A conflict of two, a task that commits and is checked, one on two others, a no-op, a failure, a skipped one."""
    given = folder / "tasks.json"
    own = ("auto", {name: (script, NEEDS.get(name, ())) for name, script in SCRIPTS.items()})
    mode, scripts = json.loads(given.read_text()) if given.exists() else own
    return MergeMode(mode), [
        SpawnTask(
            f'echo started >> "{folder}/starts.$AURORA_TASK_ID"; {script}',
            id=name,
            depends_on=tuple(needs),
            checks=CHECKS.get(name, ()),
            candidates=candidates[0] if candidates else None,
        )
        for name, (script, needs, *candidates) in scripts.items()
    ]


def arm_git(fault: str) -> Callable[[], int]:
    """Make this process kill itself around its n-th git; returns what says how many it has started."""
    moment, number = fault.split(":")
    start, count, turn = Git._start, 0, threading.Lock()

    def start_or_die(self: Git, *arguments: object) -> tuple[int, bytes, bytes]:
        nonlocal count
        with turn:
            count += 1
            now = count == int(number)
        if now and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        done = start(self, *arguments)  # type: ignore[arg-type]
        if now and moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    Git._start = start_or_die  # type: ignore[assignment,method-assign]
    return lambda: count


def arm_copy(number: int) -> None:
    """Make this process kill itself when half of its n-th copy is written."""
    copy, count = filling._copy, 0

    def copy_or_die(source: Path, name: str, new: Path) -> bool:
        nonlocal count
        count += 1
        if count == number:
            content = (source / name).read_bytes()
            new.write_bytes(content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return copy(source, name, new)

    filling._copy = copy_or_die


def arm_look(number: int) -> None:
    """Make this process kill itself when it compares the n-th pair of works."""
    compare, count = Forecaster._conflicts, 0

    def compare_or_die(self: Forecaster, *arguments: Any) -> tuple[str, ...] | None:
        nonlocal count
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return compare(self, *arguments)

    Forecaster._conflicts = compare_or_die  # type: ignore[assignment,method-assign]


def preparation(folder: Path) -> Preparation | None:
    given = folder / "preparation.json"
    if not given.exists():
        return None
    values = json.loads(given.read_text())
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return Preparation(**{**values, **lists})


def make(folder: Path) -> Run:
    repository = folder / "project"
    merge, made = tasks(folder)
    isolation = isolation_of(repository, home=folder / "worktrees", merge=merge)[0]
    options = RunOptions(
        default_agent="sh",
        cwd=repository,
        spool=folder / "runs",
        isolation=replace(isolation, resolver="resolver" if "resolver" in backends(folder) else None),
        preparation=preparation(folder),
        executor=LocalExecutor(grace_s=0.5),
        # Else how many gits a run starts would depend on how long it takes.
        forecast_every_s=0.01 if "AURORA_LOOK_FAULT" in os.environ else None,
    )
    return Run.create(folder / "runs.db", made, backends(folder), options)


def backends(folder: Path) -> dict[str, CommandBackend]:
    script = folder / "resolver.sh"
    own = {"resolver": CommandBackend("resolver", ("sh", str(script)))} if script.exists() else {}
    return {"sh": CommandBackend("sh", ("sh",)), **own}


def take(folder: Path) -> Run:
    """Make the run, or find the one that is there."""
    name = folder / "run_id"
    if name.exists():
        return Run.resume(
            folder / "runs.db",
            name.read_text(),
            backends(folder),
            preparation=preparation(folder),
            executor=LocalExecutor(grace_s=0.5),
        )
    run = make(folder)
    written = folder / "run_id.new"
    written.write_text(run.run_id)
    written.replace(name)
    return run


def said(report: RunReport) -> dict[str, object]:
    works = {task_id: result.work.to_json() for task_id, result in report.results.items() if result.work}
    merge = report.merge
    return {
        "states": {task_id: str(result.state) for task_id, result in report.results.items()},
        "errors": {task_id: result.error for task_id, result in report.results.items() if result.error},
        "works": works,
        "merges": {task_id: each.to_json() for task_id, each in merge.tasks.items()} if merge else {},
        "delivery": merge.delivery.to_json() if merge else None,
        "notices": report.notices,
        "candidates": {task_id: str(result.state) for task_id, result in report.candidates.items()},
        "choices": {task_id: result.choice.to_json() for task_id, result in report.results.items() if result.choice},
    }


def main(folder: Path) -> int:
    if fault := os.environ.get("AURORA_FAULT"):
        arm(fault)
    if fault := os.environ.get("AURORA_COPY_FAULT"):
        arm_copy(int(fault))
    if fault := os.environ.get("AURORA_LOOK_FAULT"):
        arm_look(int(fault))
    run = take(folder)
    started = arm_git(os.environ.get("AURORA_GIT_FAULT", "before:0"))
    report = run.execute_sync()
    (folder / "gits").write_text(str(started()))
    (folder / "report.json").write_text(json.dumps(said(report)))
    return 0 if report.ok else 130 if report.interrupted else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
