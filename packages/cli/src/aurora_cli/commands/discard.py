"""`aur discard`: discard the work of a task."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import accept_changes_option, json_option, run_argument, task_argument
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render.discard import as_document, as_lines
from aurora_cli.user_prompts import check_can_confirm
from aurora_spawner.control.lookup import check_task

__all__ = ["command"]


@click.command(
    "discard",
    cls=AurCommand,
    examples=(
        ("aur discard spawn-1763690000000 1.2", "Ask, then move the task's work to the attic."),
        ("aur discard spawn-1763690000000 1.2 --yes", "The same without confirmation."),
    ),
)
@run_argument
@task_argument
@click.option("--yes", is_flag=True, help="Do not ask for confirmation; required without a terminal.")
@accept_changes_option
@json_option
def command(*, run_id: str, task_id: str, yes: bool, accept_changes: bool, as_json: bool) -> int:
    """Discard the work of a task; it can be got back for 30 days.

    The task's branch moves to the attic, with the uncommitted files of its worktree as one more commit, and the
    worktree is removed. Ignored files such as build output are not kept. Work that waits on the integration branch is
    taken out of it; work that is on the target branch cannot be discarded.
    """
    aurora = wiring.open_existing()
    check_task(aurora.project.runs_db, run_id, task_id)  # a wrong name is told before a missing --yes
    check_can_confirm(yes=yes, as_json=as_json)
    if not yes and not click.confirm(f"Discard the work of task {task_id}?", default=False, err=True):
        note("nothing was discarded")
        return ExitCode.NOT_REACHED
    report = aurora.discard(run_id, task_id, accept_changes=accept_changes)
    if as_json:
        emit_json(Schema.DISCARD, as_document(run_id, task_id, report))
    else:
        for line in as_lines(task_id, report):
            emit(line)
    return ExitCode.DONE
