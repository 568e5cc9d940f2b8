"""`aur runs list`: list runs."""

from __future__ import annotations

from pathlib import Path

import click

from aurora_cli import journal, wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render.runs import as_document, as_lines
from aurora_spawner.control.audit import check_not_gone

__all__ = ["command"]


@click.command(
    "list",
    cls=AurCommand,
    examples=(
        ("aur runs list", "The newest twenty runs."),
        ("aur runs list --limit 100 --json", "More of them, for a program."),
    ),
)
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many runs at most.")
@json_option
def command(*, limit: int, as_json: bool) -> int:
    """List runs, the newest first."""
    project = wiring.project_at(Path.cwd())
    runs = journal.list_runs(project, limit=limit)
    if as_json:
        emit_json(as_document(runs))
    elif runs:
        for line in as_lines(runs):
            emit(line)
    else:
        check_not_gone(project.runs_db)
        note("nothing has run in this project yet")
    return ExitCode.DONE
