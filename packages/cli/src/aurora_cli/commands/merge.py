"""`aur merge`: merge the work of a run, and deliver it to the branch that it is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aurora_cli import wiring
from aurora_cli.delivery_prompts import deliver_if_wanted
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import accept_changes_option, json_option, name_here, run_argument
from aurora_cli.output import emit, emit_json
from aurora_cli.render.merge_report import as_document, delivery_lines, task_lines
from aurora_cli.user_prompts import check_can_confirm
from aurora_spawner.control.lookup import find_run

if TYPE_CHECKING:
    from aurora_soar import Aurora
    from aurora_spawner.control.merging import MergeReport

__all__ = ["command"]


@click.command(
    "merge",
    cls=AurCommand,
    examples=(
        ("aur merge spawn-1763690000000", "Merge what is not merged yet, and ask before the target branch moves."),
        ("aur merge spawn-1763690000000 --task 1.2 --yes", "Merge and deliver one task, without confirmation."),
    ),
)
@run_argument
@click.option("--task", "tasks", multiple=True, metavar="ID", help="Merge only this task, and those it depends on.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation; required without a terminal.")
@accept_changes_option
@json_option
def command(*, run_id: str, tasks: tuple[str, ...], yes: bool, accept_changes: bool, as_json: bool) -> int:
    """Merge the work of a run, and deliver it to the branch that it is for.

    Work that conflicts stays on its own branch; resolve the conflict in the task's worktree, commit, and merge again.
    A failed task can be named with --task: what is in its worktree is committed and merged. The files of the checkout
    are updated only if it has no uncommitted changes. Nothing is pushed. A protected branch needs your approval: a
    terminal asks for it; --yes leaves it to `aur approve`, and the next call delivers. The exit status is 0 only if
    everything that was asked for is on the target branch.
    """
    aurora = wiring.open_existing()
    find_run(aurora.project.runs_db, run_id)  # a wrong name is told before a missing --yes
    check_can_confirm(yes=yes, as_json=as_json)
    report = aurora.merge(run_id, tasks=tasks, deliver=yes, accept_changes=accept_changes)
    if as_json:
        emit_json(Schema.MERGE, as_document(run_id, report))
    else:
        for line in task_lines(report):
            emit(line)
        if not yes:
            report = _deliver_if_wanted(aurora, run_id, tasks, report)
        for line in delivery_lines(name_here(run_id), report):
            emit(line)
    return ExitCode.DONE if report.arrived else ExitCode.NOT_REACHED


def _deliver_if_wanted(aurora: Aurora, run_id: str, tasks: tuple[str, ...], report: MergeReport) -> MergeReport:
    """Asks if the target is to get what is merged; returns the report of the delivery, or the one that there was."""
    delivery = report.merge.delivery
    if not report.merged or delivery.target is None or delivery.problem or delivery.base_fails:
        return report
    if report.on_target:
        return aurora.merge(run_id, tasks=tasks)
    question = f"Deliver the merged work to {delivery.target}"
    return deliver_if_wanted(aurora, run_id, question, tasks=tasks) or report
