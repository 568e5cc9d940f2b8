"""`aur approvals`: list the questions that wait for an answer."""

from __future__ import annotations

import time

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import in_workspace, json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render.approvals import approval_lines, approvals_document
from aurora_spawner.control.approvals import approvals_of, open_approvals

__all__ = ["command"]


@click.command(
    "approvals",
    cls=AurCommand,
    examples=(
        ("aur approvals", "The questions that wait for your answer."),
        ("aur approvals spawn-1763690000000 --all", "Every question of one run, with its answer."),
        ("aur approvals --json", "As JSON."),
    ),
)
@click.argument(
    "run_id", metavar="[RUN]", required=False, callback=in_workspace, help="A run's id (default: all runs)."
)
@click.option("--all", "answered_too", is_flag=True, help="Also questions that are answered or withdrawn.")
@json_option
def command(*, run_id: str | None, answered_too: bool, as_json: bool) -> int:
    """List the questions that wait for an answer.

    A question says who wants to do what, why a rule asks, since when, and when it is denied if you do not
    answer. Answer it with `aur approve` or `aur deny`. Questions survive a crash of their run.
    """
    journal = wiring.open_existing().project.runs_db
    rows = approvals_of(journal, run_id) if answered_too else open_approvals(journal, run_id)
    if as_json:
        emit_json(Schema.APPROVALS, approvals_document(rows))
        return ExitCode.DONE
    for line in approval_lines(rows, now=time.time()):
        emit(line)
    if not rows:
        note("no question" if answered_too else "no question waits for an answer")
    return ExitCode.DONE
