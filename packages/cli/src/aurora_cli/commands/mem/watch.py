"""`aur mem watch`: index the project, and keep the index current."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json_line, note
from aurora_cli.render.index import as_document, as_text, changed_line

__all__ = ["command"]


@click.command(
    "watch",
    cls=AurCommand,
    examples=(
        ("aur mem watch", "Watch this project's files until Ctrl-C."),
        ("aur mem watch --json", "One JSON object per change."),
    ),
)
@json_option
def command(*, as_json: bool) -> int:
    """Index the project, and keep the index current.

    Runs until Ctrl-C. An edit can be found within a second; new ignore rules and commits are noticed too. A folder
    without a project is set up first.
    """
    from aurora_core.watch import watch_files

    aurora = wiring.open_folder()
    aurora.set_up()
    with aurora.open_memory() as memory:
        note(f"watching {aurora.project.root}; stop with Ctrl-C")
        for change in watch_files(memory):
            if as_json:
                emit_json_line(Schema.INDEX_CHANGE, {"paths": list(change.paths), **as_document(change.report)})
            else:
                emit(changed_line(change) if change.paths else as_text(change.report))
    return ExitCode.DONE
