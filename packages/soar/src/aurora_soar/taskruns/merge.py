"""The merge of a run of a task file after the run, with the ticks of the tasks whose work is merged by it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aurora_soar.notices import Notice, Notify
from aurora_soar.taskruns.resume import find_taskfile, stored_sandbox
from aurora_spawner import tick
from aurora_spawner.control.lookup import find_run
from aurora_spawner.control.merging import merge_work
from aurora_spawner.errors import GraphError, TaskFileError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from aurora_soar.taskruns.confinement import AgentConfinement
    from aurora_spawner.control.merging import MergeReport
    from aurora_spawner.gates.deliveries import MergeGate
    from aurora_spawner.workspaces.merge_queue import Check
    from aurora_spawner.workspaces.preparation import Preparation

__all__ = ["merge_taskfile_run"]


def merge_taskfile_run(
    journal: Path,
    run_id: str,
    *,
    tasks: Collection[str],
    deliver: bool,
    checks: Sequence[str],
    env_pass: Sequence[str],
    preparation: Preparation,
    gate: MergeGate,
    checked: dict[str, Check],
    confinement: AgentConfinement,
    notify: Notify,
) -> MergeReport:
    """Merges the work of a run, and ticks the boxes of the tasks that are merged; see `merge_work`.

    A box that cannot be ticked becomes a notice: the work has arrived, and the next run of the file would repeat the
    task.
    """
    report = merge_work(
        journal,
        run_id,
        tasks=tasks,
        deliver=deliver,
        checks=checks,
        env_pass=env_pass,
        preparation=preparation,
        gate=gate,
        checked=checked,
        confining=replace(confinement, asked=stored_sandbox(find_run(journal, run_id)[0])),
    )
    for sentence in report.unsandboxed:
        notify(Notice(message=sentence, warning=True))
    try:
        left_alone = _tick(journal, run_id, report.merged)
    except (TaskFileError, GraphError) as error:
        left_alone = (str(error),)
    for sentence in left_alone:
        notify(Notice(message=sentence, warning=True))
    return report


def _tick(journal: Path, run_id: str, merged: Collection[str]) -> tuple[str, ...]:
    """Ticks the boxes of merged tasks that the file still has; returns a sentence for each that was left alone."""
    run, rows = find_run(journal, run_id)
    file = find_taskfile(run)
    if file is None:
        return ()
    titles = {line.id: line.title for line in file.lines}
    return tick(
        file, [row.task_id for row in rows if row.worker in merged and titles.get(row.task_id) == row.task.title]
    ).left_alone
