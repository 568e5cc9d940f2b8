"""`aur runs show`: show a run and what came of its tasks."""

from __future__ import annotations

from pathlib import Path

import click

from aurora_cli import journal, wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option, run_argument
from aurora_cli.output import emit, emit_json
from aurora_cli.render.runs import as_detail, as_detail_document

__all__ = ["command"]


@click.command(
    "show",
    cls=AurCommand,
    examples=(
        ("aur runs show spawn-1763690000000", "Its tasks, how each ended, and why."),
        ("aur runs show spawn-1763690000000 --json", "The same with every task's output."),
    ),
)
@run_argument
@json_option
def command(*, run_id: str, as_json: bool) -> int:
    """Show a run and what came of its tasks."""
    run, tasks = journal.find_run(wiring.project_at(Path.cwd()), run_id)
    if as_json:
        emit_json(as_detail_document(run, tasks))
    else:
        for line in as_detail(run, tasks):
            emit(line)
    return ExitCode.DONE
