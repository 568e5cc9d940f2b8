"""`aur budget reset`: reset this month's cost to zero."""

from __future__ import annotations

import sys

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json
from aurora_soar.user_only import check_user

__all__ = ["command"]


@click.command(
    "reset",
    cls=AurCommand,
    examples=(("aur budget reset --yes", "Reset without confirmation."),),
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation; required without a terminal.")
@json_option
@click.pass_context
def command(ctx: click.Context, *, yes: bool, as_json: bool) -> int:
    """Reset this month's cost to zero.

    Reservations of runs that were never resumed are dropped too. The history stays.
    """
    check_user("the budget is", "ask the user for it")
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask for confirmation; use --yes", ctx)
    if not yes and not click.confirm("Reset this month's cost to zero?", default=False, err=True):
        return ExitCode.NOT_REACHED
    forgotten = wiring.open_folder().ledger.reset()
    if as_json:
        emit_json(Schema.BUDGET_RESET, {"forgotten_usd": forgotten})
    else:
        emit(f"reset: ${forgotten:.2f} no longer count")
    return ExitCode.DONE
