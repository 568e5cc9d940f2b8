"""`aur logs`: show what a task's agent prints."""

from __future__ import annotations

import sys

import click

from aurora_cli import wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import target_argument
from aurora_cli.render.logs import emit_bytes
from aurora_spawner.control.logs import read_logs

__all__ = ["command"]


@click.command(
    "logs",
    cls=AurCommand,
    examples=(
        ("aur logs spawn-1763690000000/1.2", "What the task's agent has printed so far."),
        ("aur logs spawn-1763690000000/1.2 -f", "And what it prints from now on, until it ends."),
        ("aur logs spawn-1763690000000/1.2 --stderr", "Its complaints."),
        ("aur logs spawn-1763690000000", "Everything the run's tasks have printed, task by task."),
    ),
)
@target_argument
@click.option("-f", "--follow", is_flag=True, help="Go on until the task is over; needs RUN/TASK.")
@click.option("--stderr", "errors", is_flag=True, help="Standard error instead of standard output.")
def command(*, target: str, follow: bool, errors: bool) -> int:
    """Show what a task's agent prints, while it runs and after."""
    run_id, _, task_id = target.partition("/")
    if follow and not task_id:
        raise click.UsageError("-f follows one task: aur logs -f RUN/TASK; `aur status` names the ones that run")
    pieces = read_logs(
        wiring.open_existing().project.runs_db,
        run_id,
        task_id or None,
        follow=follow,
        stream="stderr" if errors else "stdout",
        told=sys.stdout.isatty(),
    )
    emit_bytes(pieces)
    return ExitCode.DONE
