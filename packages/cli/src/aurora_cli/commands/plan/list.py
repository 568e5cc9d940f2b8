"""`aur plan list`: list plans."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render.goal_plan import stored_as_document, stored_as_lines

__all__ = ["command"]


@click.command(
    "list",
    cls=AurCommand,
    examples=(
        ("aur plan list", "The plans that are not archived."),
        ("aur plan list --archived --json", "The archived ones as JSON."),
    ),
)
@click.option("--archived", is_flag=True, help="List the archived plans instead.")
@json_option
def command(*, archived: bool, as_json: bool) -> int:
    """List plans, and how much of each is done."""
    found = wiring.open_existing().plans.all(archived=archived)
    if as_json:
        emit_json(Schema.PLANS, {"plans": [stored_as_document(each) for each in found]})
        return ExitCode.DONE
    for line in stored_as_lines(found):
        emit(line)
    if not found:
        note("no archived plan" if archived else 'no plan yet; make one: aur goals "…"')
    return ExitCode.DONE
