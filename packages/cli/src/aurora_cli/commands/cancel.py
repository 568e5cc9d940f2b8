"""`aur cancel`: end a run, or one of its tasks."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import target_argument
from aurora_cli.output import note
from aurora_soar.errors import NoProjectError
from aurora_soar.taskruns.settle import end_orphans
from aurora_spawner.errors import JournalError, UnknownRunError

__all__ = ["command"]


@click.command(
    "cancel",
    cls=AurCommand,
    examples=(
        ("aur cancel spawn-1763690000000", "End the run and every process of it."),
        ("aur cancel spawn-1763690000000/1.2", "End one task; the others go on."),
        ("aur cancel spawn-1763690000000 --at-once", "Do not wait for agents to end by themselves."),
    ),
)
@target_argument
@click.option("--at-once", is_flag=True, help="Kill agents instead of asking them to end.")
def command(*, target: str, at_once: bool) -> int:
    """End a run, or one of its tasks, with all its processes.

    Works from any shell, also where the run's coordinator has died. The unfinished tasks of a
    run can be resumed later; a task that was cancelled by itself stays so until --retry-failed. What ended agents
    have cost is settled.
    """
    run_id, _, task_id = target.partition("/")
    try:
        stood = wiring.open_existing().cancel(run_id, task_id=task_id or None, at_once=at_once)
    except (NoProjectError, JournalError, UnknownRunError):
        if not end_orphans(run_id, notify=wiring.show_notice):
            raise
        note(f"no journal knows {run_id} any more; what its agents left running has been ended")
        return ExitCode.DONE
    if stood is not None and stood.settled:
        note(f"{target} is {stood} already; nothing was changed")
    else:
        note(f"{target} is being ended")
    return ExitCode.DONE
