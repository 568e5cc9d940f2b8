"""`aur budget history`: list the cost of attempts."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render import budget

__all__ = ["command"]


@click.command(
    "history",
    cls=AurCommand,
    examples=(
        ("aur budget history", "The latest twenty attempts."),
        ("aur budget history --run spawn-1763690000000", "The attempts of one run."),
    ),
)
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, help="Maximum number of attempts."
)
@click.option("--run", "run_id", metavar="RUN", help="Only attempts of this run.")
@json_option
def command(*, limit: int, run_id: str | None, as_json: bool) -> int:
    """List the cost of attempts, newest first."""
    entries = wiring.open_folder().ledger.history(limit=limit, run_id=run_id)
    if as_json:
        emit_json(Schema.BUDGET_HISTORY, budget.history_document(entries))
        return ExitCode.DONE
    for line in budget.history_lines(entries):
        emit(line)
    if not entries:
        note("no attempt has cost anything yet")
    return ExitCode.DONE
