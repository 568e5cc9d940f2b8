"""`aur mem rebuild`: rebuild the memory from the files."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render.index import as_document, as_text, index_progress, skipped_lines

__all__ = ["command"]


@click.command(
    "rebuild",
    cls=AurCommand,
    examples=(
        ("aur mem rebuild", "Repair a memory that is reported as damaged."),
        ("aur mem rebuild --json", "The counts as JSON."),
    ),
)
@json_option
def command(*, as_json: bool) -> int:
    """Rebuild the memory from the files.

    Works on a damaged memory too. Earlier answers and the record of use are kept as far as they can still be read.
    The old memory stays in place until the new one is complete.
    """
    aurora = wiring.open_existing()
    with index_progress() as on_progress:
        report = aurora.rebuild_memory(on_progress)
    for line in skipped_lines(report):
        note(line)
    if as_json:
        emit_json(Schema.INDEX_REPORT, as_document(report))
    else:
        emit(as_text(report))
    return ExitCode.DONE
