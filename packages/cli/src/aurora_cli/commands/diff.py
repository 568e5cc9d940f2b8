"""`aur diff`: show the change that a run, or one of its tasks, has made."""

from __future__ import annotations

import os
import sys

import click

from aurora_cli import wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import accept_changes_option, run_argument
from aurora_cli.output import colour_setting, emit_bytes, emit_paged, note

__all__ = ["command"]


@click.command(
    "diff",
    cls=AurCommand,
    examples=(
        ("aur diff spawn-1763690000000 1.2", "The change of one task, also while it runs."),
        ("aur diff spawn-1763690000000/1.2", "The same, with the name that other commands show."),
        ("aur diff spawn-1763690000000 --stat", "The files that the merged tasks have changed."),
    ),
)
@run_argument
@click.argument("task_id", metavar="[TASK]", required=False, help="A task; all merged ones if left out.")
@click.option("--stat", is_flag=True, help="Show files and numbers of lines instead of the lines.")
@accept_changes_option
def command(*, run_id: str, task_id: str | None, stat: bool, accept_changes: bool) -> int:
    """Show the change that a run, or one of its tasks, has made.

    The change of a task is against its base. While its worktree is there, that is its present state, with uncommitted
    and untracked files. Without TASK it is the work of all merged tasks.
    """
    run_id, _, within = run_id.partition("/")
    if within and task_id is not None:
        raise click.UsageError(f"two tasks are named, {within} and {task_id}; name one")
    task_id = within or task_id
    terminal = sys.stdout.isatty()
    colour = terminal and colour_setting(os.environ) is not False
    change = wiring.open_existing().diff(run_id, task_id, stat=stat, colour=colour, accept_changes=accept_changes)
    if not change:
        note("nothing was changed")
    elif terminal:
        emit_paged(change.decode(errors="replace"), colour=colour)
    else:
        emit_bytes(change)
    return ExitCode.DONE
