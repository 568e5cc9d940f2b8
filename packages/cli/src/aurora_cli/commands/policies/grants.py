"""`aur policies grants`: the approvals that hold for the rest of a run."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render.approvals import approvals_document, grant_lines
from aurora_spawner.control.approvals import grants_of, revoke_grant

__all__ = ["command"]


@click.command(
    "grants",
    cls=AurCommand,
    examples=(
        ("aur policies grants", "What was approved for the rest of a run."),
        ("aur policies grants revoke k7m2xq", "Ask about it again from now on."),
    ),
)
@click.argument("action", required=False, type=click.Choice(["revoke"]), help="Take one back; else they are listed.")
@click.argument("grant", metavar="[ID]", required=False, help="The id of the grant to take back.")
@json_option
def command(*, action: str | None, grant: str | None, as_json: bool) -> int:
    """List what was approved for a whole run, or revoke it.

    `aur approve ID --always-this-run` makes a grant: a rule, and the shape of what it asked about. It covers the same
    rule and shape in that run, and no other. What it has approved before it is taken back stays approved.
    """
    journal = wiring.open_existing().project.runs_db
    if action is None:
        rows = grants_of(journal)
        if as_json:
            emit_json(Schema.APPROVALS, approvals_document(rows))
        for line in grant_lines(rows) if not as_json else ():
            emit(line)
        if not rows:
            note("nothing is approved for a whole run")
        return ExitCode.DONE
    if grant is None:
        raise click.UsageError("name the grant: aur policies grants revoke ID")
    row = revoke_grant(journal, grant)
    if as_json:
        emit_json(Schema.APPROVALS, approvals_document([row]))
    note(f"{row.approval} is taken back; {row.run_id} asks again")
    return ExitCode.DONE
