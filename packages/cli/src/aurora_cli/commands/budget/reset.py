"""`aur budget reset`: count nothing of what this month has cost."""

from __future__ import annotations

import sys

import click

from aurora_cli import wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json

__all__ = ["command"]


@click.command(
    "reset",
    cls=AurCommand,
    examples=(("aur budget reset --yes", "Begin this month anew, without being asked."),),
)
@click.option("--yes", is_flag=True, help="Do not ask. Off a terminal it is required.")
@json_option
@click.pass_context
def command(ctx: click.Context, *, yes: bool, as_json: bool) -> int:
    """Count nothing of what this month has cost so far.

    What runs that were never resumed have reserved is forgotten, too. The history stays.
    """
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here; say --yes", ctx)
    if not yes and not click.confirm("Count nothing of what this month has cost?", default=False, err=True):
        return ExitCode.NOT_REACHED
    forgotten = wiring.open_folder().ledger.reset()
    if as_json:
        emit_json({"forgotten_usd": forgotten})
    else:
        emit(f"{forgotten:.2f} USD are not counted any more")
    return ExitCode.DONE
