"""`aur mem index`: bring the index up to date with the files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import ExistingPath, json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render.index import as_document, as_text, index_with_progress, not_indexed, skipped_lines

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]


@click.command(
    "index",
    cls=AurCommand,
    examples=(
        ("aur mem index", "Index the files that changed in this project."),
        ("aur mem index src/billing", "Index one folder only; the rest of the index stays unchanged."),
        ("aur mem index --json", "The counts as JSON."),
    ),
)
@click.argument(
    "path", required=False, type=ExistingPath("path"), help="File or folder (default: the whole project)."
)
@json_option
def command(*, path: Path | None, as_json: bool) -> int:
    """Bring the index up to date with the files.

    Reads only files whose content changed. Every text is indexed, code in some twenty-five languages by definition.
    Files that .gitignore names, binary, generated and minified files, keys, and files over 600 kB (data: 100 kB) are
    left out, see `aur mem stats`. A folder without a project is set up first: the current one, or the one that PATH
    names.
    """
    aurora = wiring.open_around(path) if path else wiring.open_folder()
    aurora.set_up()
    with aurora.open_memory() as memory:
        report = index_with_progress(memory, path and path.absolute())
    for line in skipped_lines(report):
        note(line)
    if report.left_out:
        note(not_indexed(report.left_out))
    if as_json:
        emit_json(Schema.INDEX_REPORT, as_document(report))
    else:
        emit(as_text(report))
    return ExitCode.DONE
