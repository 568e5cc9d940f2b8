"""`aur cancel`: cancel a run, or one of its tasks."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option, name_here, target_argument
from aurora_cli.output import emit_json, note
from aurora_soar.errors import NoProjectError
from aurora_soar.taskruns.settle import end_orphans
from aurora_spawner.errors import JournalError, UnknownRunError

__all__ = ["command"]


@click.command(
    "cancel",
    cls=AurCommand,
    examples=(
        ("aur cancel spawn-1763690000000", "Cancel the run and end all its processes."),
        ("aur cancel spawn-1763690000000/1.2", "Cancel one task; the others continue."),
        ("aur cancel spawn-1763690000000 --at-once", "Kill the agents without waiting."),
    ),
)
@target_argument
@click.option("--at-once", is_flag=True, help="Kill agents at once instead of asking them to end first.")
@json_option
def command(*, target: str, at_once: bool, as_json: bool) -> int:
    """Cancel a run, or one of its tasks, and end all its processes.

    Works from any shell, even if the run's coordinator has died. The unfinished tasks of a cancelled run can be
    resumed later. A task that was cancelled alone stays cancelled until `aur resume --retry-failed`. The cost of the
    ended agents is settled.
    """
    run_id, _, task_id = target.partition("/")
    try:
        stood = wiring.open_existing().cancel(run_id, task_id=task_id or None, at_once=at_once)
    except (NoProjectError, JournalError, UnknownRunError):
        if not end_orphans(run_id, notify=wiring.show_notice):
            raise
        note(f"{run_id} is in no journal; its remaining processes were ended")
        before, changed = None, True
    else:
        before, changed = stood, stood is None or not stood.settled
        name = name_here(target)
        note(f"cancelling {name}" if changed else f"{name} is already {stood}; nothing changed")
    if as_json:
        state = None if before is None else str(before)
        emit_json(
            Schema.RUN_CANCELLED,
            {"run_id": run_id, "task": task_id or None, "state_before": state, "changed": changed},
        )
    return ExitCode.DONE
