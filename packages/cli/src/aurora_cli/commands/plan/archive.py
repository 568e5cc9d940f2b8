"""`aur plan archive`: move a plan into the archive."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json
from aurora_cli.render.goal_plan import stored_as_document

__all__ = ["command"]


@click.command(
    "archive",
    cls=AurCommand,
    examples=(("aur plan archive 1", "Move the plan 0001 to .aurora/plans/archive/."),),
)
@click.argument("plan", metavar="PLAN", help="The plan's number or name.")
@json_option
def command(*, plan: str, as_json: bool) -> int:
    """Move a plan into the archive.

    A plan whose tasks a run works on is refused. Nothing is deleted: `aur plan show` still finds it.
    """
    archived = wiring.open_existing().archive_plan(plan)
    if as_json:
        emit_json(Schema.PLAN_SUMMARY, stored_as_document(archived))
    else:
        emit(f"archived: {archived.folder}")
    return ExitCode.DONE
