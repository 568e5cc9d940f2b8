"""`aur pause`: pause a run."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option, name_here, run_argument
from aurora_cli.output import emit_json, note
from aurora_soar.resumption.kinds import QUESTION_RUN
from aurora_spawner.control.lookup import find_run
from aurora_spawner.control.steering import pause_run

__all__ = ["command"]


@click.command(
    "pause",
    cls=AurCommand,
    examples=(("aur pause spawn-1763690000000", "Running tasks finish; no other task starts until `aur resume`."),),
)
@run_argument
@json_option
def command(*, run_id: str, as_json: bool) -> int:
    """Pause a run: running tasks finish, no new task starts.

    Works from any shell, on a run in the background or in another terminal.
    """
    journal, name = wiring.open_existing().project.runs_db, name_here(run_id)
    if find_run(journal, run_id)[0].kind == QUESTION_RUN:
        raise click.UsageError(
            f"{name} is a question, and only runs of tasks can be paused; aur cancel {name} ends it, and aur resume"
            f" {name} continues it then"
        )
    pause_run(journal, run_id)
    if as_json:
        emit_json(Schema.RUN_PAUSED, {"run_id": run_id, "paused": True})
    note(f"{name} is paused; continue with: aur resume {name}")
    return ExitCode.DONE
