"""`aur logs`: show the output of a task's agent."""

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
        ("aur logs spawn-1763690000000/1.2", "The output of the task's agent so far."),
        ("aur logs spawn-1763690000000/1.2 -f", "Follow the output until the task ends."),
        ("aur logs spawn-1763690000000/1.2 --stderr", "The agent's standard error."),
        ("aur logs spawn-1763690000000", "The output of all tasks of the run, one after another."),
    ),
)
@target_argument
@click.option("-f", "--follow", is_flag=True, help="Follow the output until the task ends; needs RUN/TASK.")
@click.option("--stderr", "errors", is_flag=True, help="Show standard error instead of standard output.")
def command(*, target: str, follow: bool, errors: bool) -> int:
    """Show the output of a task's agent, while it runs and after it ends."""
    run_id, _, task_id = target.partition("/")
    if follow and not task_id:
        raise click.UsageError("-f follows one task: aur logs -f RUN/TASK; `aur status` lists the running tasks")
    pieces = read_logs(
        wiring.open_existing().project.runs_db,
        run_id,
        task_id or None,
        follow=follow,
        stream="stderr" if errors else "stdout",
        transcript=sys.stdout.isatty(),
    )
    emit_bytes(pieces)
    return ExitCode.DONE
