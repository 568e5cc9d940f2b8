"""`aur pick`: take a candidate of a task."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import accept_changes_option, json_option, run_argument, task_argument
from aurora_cli.output import emit, emit_json
from aurora_cli.render.candidates import pick_document, pick_lines

__all__ = ["command"]


@click.command(
    "pick",
    cls=AurCommand,
    examples=(("aur pick spawn-1763690000000 1.2 3", "Take the third candidate; the others go to the attic."),),
)
@run_argument
@task_argument
@click.argument("number", type=click.IntRange(min=1), metavar="NUMBER", help="A candidate's number.")
@accept_changes_option
@json_option
def command(*, run_id: str, task_id: str, number: int, accept_changes: bool, as_json: bool) -> int:
    """Take a candidate of a task.

    Possible once all candidates have ended. It can replace an earlier choice until that work is on the target branch
    or a finished task builds on it. The branch of the candidate comes back from the attic, and the others go there.
    Then `aur merge` merges it, and `aur resume` runs what waited for it.
    """
    report = wiring.open_existing().pick(run_id, task_id, number, accept_changes=accept_changes)
    if as_json:
        emit_json(Schema.PICK, pick_document(run_id, task_id, report))
    else:
        for line in pick_lines(run_id, report):
            emit(line)
    return ExitCode.DONE
