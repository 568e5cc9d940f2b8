"""`aur budget show`: show this month's cost and what is left."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json
from aurora_cli.render import budget

__all__ = ["command"]


@click.command(
    "show",
    cls=AurCommand,
    examples=(
        ("aur budget show", "Spent, reserved and left, by agent."),
        ("aur budget show --json", "The result as JSON."),
    ),
)
@json_option
def command(*, as_json: bool) -> int:
    """Show this month's cost and what is left.

    Months are in UTC. If an agent does not report its cost, the estimate counts and is marked as such.
    """
    ledger = wiring.open_folder().ledger
    status = ledger.status()
    if as_json:
        emit_json(Schema.BUDGET, budget.as_document(status, ledger.limits))
    else:
        emit(budget.as_text(status, ledger.limits))
    return ExitCode.DONE
