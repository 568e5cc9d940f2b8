"""`aur runs clean`: delete the data of old runs."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import FiniteRange, json_option
from aurora_cli.output import emit_json
from aurora_cli.render.runs import cleaned_document, show_cleaned

__all__ = ["clean", "command"]


@click.command(
    "clean",
    cls=AurCommand,
    examples=(
        ("aur runs clean --older-than 30", "Delete the data of runs of which nothing is newer than 30 days."),
        ("aur runs clean --older-than 0", "Delete the data of all runs that are not running."),
        ("aur runs clean", "By the retention rule in your configuration, audit.keep_days."),
    ),
)
@click.option(
    "--older-than",
    "days",
    type=FiniteRange(min=0),
    metavar="DAYS",
    help="Minimum age in days (default: audit.keep_days of your configuration; fewer days than that are refused).",
)
@json_option
def command(*, days: float | None, as_json: bool) -> int:
    """Delete the data of old runs.

    Deletes prompts, outputs and results; such a run can no longer be resumed or shown. The record that it ran and the
    journal's hash chain stay. A run with live processes, unmerged work or worktrees is kept.
    """
    return clean(days, as_json=as_json)


def clean(days: float | None, *, as_json: bool) -> ExitCode:
    """Removes the contents of runs that are older than so many days, or than the user's rule says; shows which."""
    report = wiring.open_existing().clean(older_than_days=days)
    if as_json:
        emit_json(Schema.RUNS_CLEANED, cleaned_document(report))
    else:
        show_cleaned(report)
    return ExitCode.DONE
