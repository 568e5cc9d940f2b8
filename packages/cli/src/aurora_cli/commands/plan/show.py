"""`aur plan show`: show a plan."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json
from aurora_cli.render.goal_plan import stored_as_lines

__all__ = ["command"]


@click.command(
    "show",
    cls=AurCommand,
    examples=(
        ("aur plan show 1", "The plan with the number 0001."),
        ("aur plan show 0001-add-rate-limiting --json", "Its goals.json."),
    ),
)
@click.argument("plan", metavar="PLAN", help="The plan's number or name.")
@json_option
def command(*, plan: str, as_json: bool) -> int:
    """Show a plan.

    Its subgoals, its gaps, and how much of it is done.
    """
    store = wiring.open_existing().plans
    stored = store.get(plan)
    if as_json:
        emit_json(Schema.PLAN, {**store.document(stored), "status": stored.status})
        return ExitCode.DONE
    for line in stored_as_lines([stored]):
        emit(line)
    emit("\n" + store.text(stored, "plan.md").rstrip("\n"))
    return ExitCode.DONE
