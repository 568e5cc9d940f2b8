"""`aur checkpoint export`: write a run as a JSON file."""

from __future__ import annotations

from pathlib import Path

import click

from aurora_cli import wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import run_argument
from aurora_cli.output import emit
from aurora_spawner.control.checkpoints import export_checkpoint

__all__ = ["command"]


@click.command(
    "export",
    cls=AurCommand,
    examples=(
        ("aur checkpoint export spawn-1763690000000", "To .aurora/checkpoints/spawn-1763690000000.json."),
        ("aur checkpoint export spawn-1763690000000 --output backup", "To another folder."),
    ),
)
@run_argument
@click.option("--output", type=click.Path(path_type=Path), metavar="FOLDER", help="Where to; .aurora/checkpoints.")
def command(*, run_id: str, output: Path | None) -> int:
    """Write a run as a JSON file, and print its path.

    The file holds the run's tasks with agent, status, result, error and times.
    """
    project = wiring.open_existing().project
    emit(str(export_checkpoint(project.runs_db, run_id, output or project.aurora_dir / "checkpoints")))
    return ExitCode.DONE
