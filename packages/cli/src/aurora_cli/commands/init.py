"""`aur init`: set up a project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aurora_cli import wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import ExistingPath, json_option
from aurora_cli.output import emit, emit_json, note
from aurora_cli.render.index import as_document, as_text, index_with_progress, skipped_lines
from aurora_cli.starting_files import write_missing

if TYPE_CHECKING:
    from aurora_core import IndexReport
    from aurora_soar import Aurora

__all__ = ["command"]


@click.command(
    "init",
    cls=AurCommand,
    examples=(
        ("aur init", "Set up this folder and index it."),
        ("aur init ~/src/shop --no-index", "Set up another folder, and index it later."),
    ),
)
@click.argument("path", required=False, type=ExistingPath("folder"), help="The folder (default: the current one).")
@click.option("--index/--no-index", "index", default=True, help="Index the folder's files (default), or not.")
@json_option
def command(*, path: Path | None, index: bool, as_json: bool) -> int:
    """Set up a folder: configuration, policies, index.

    Creates .aurora/ with config.yaml and policies.yaml (all defaults, explained) and project.md, a description of the
    project for you to edit. Existing files are kept.
    """
    aurora = wiring.open_new((path or Path.cwd()).absolute())
    aurora.set_up()
    files = write_missing(aurora.project)
    report = _index(aurora) if index else None
    if as_json:
        emit_json(
            {
                "root": str(aurora.project.root),
                "made": [file.path.name for file in files if file.made],
                "kept": [file.path.name for file in files if not file.made],
                "index": as_document(report) if report else None,
            }
        )
        return ExitCode.DONE
    for file in files:
        emit(f"{'created' if file.made else 'kept':<7}  {file.path}")
    if report:
        emit(as_text(report))
    return ExitCode.DONE


def _index(aurora: Aurora) -> IndexReport:
    with aurora.open_memory() as memory:
        report = index_with_progress(memory)
    for line in skipped_lines(report):
        note(line)
    return report
