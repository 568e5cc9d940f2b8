"""`aur checkpoint export`: export a run to a JSON file."""

from __future__ import annotations

from pathlib import Path

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option, run_argument
from aurora_cli.output import emit, emit_json
from aurora_spawner.control.checkpoints import export_checkpoint

__all__ = ["command"]


@click.command(
    "export",
    cls=AurCommand,
    examples=(
        ("aur checkpoint export spawn-1763690000000", "Export to .aurora/checkpoints/spawn-1763690000000.json."),
        ("aur checkpoint export spawn-1763690000000 --output backup", "Export to another folder."),
    ),
)
@run_argument
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder to write to (default: .aurora/checkpoints).",
)
@json_option
def command(*, run_id: str, output: Path | None, as_json: bool) -> int:
    """Export a run to a JSON file, and print its path.

    The file contains the run's tasks with agent, status, result, error and times.
    """
    project = wiring.open_existing().project
    path = export_checkpoint(project.runs_db, run_id, output or project.aurora_dir / "checkpoints")
    if as_json:
        emit_json(Schema.CHECKPOINT, {"run_id": run_id, "path": str(path)})
    else:
        emit(str(path))
    return ExitCode.DONE
