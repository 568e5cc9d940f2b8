"""`aur resume`: go on with a run that was paused or cut off."""

from __future__ import annotations

from pathlib import Path

import click

from aurora_cli import journal, run_progress, run_wiring, wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import accept_changes_option, json_option, run_argument
from aurora_cli.output import note

__all__ = ["command"]


@click.command(
    "resume",
    cls=AurCommand,
    examples=(
        ("aur resume spawn-1763690000000", "Go on where it stands."),
        ("aur resume spawn-1763690000000 --retry-failed", "And try again what failed."),
        ("aur resume spawn-1763690000000 --bg", "In the background."),
    ),
)
@run_argument
@click.option("--retry-failed", is_flag=True, help="Also run again what failed, was skipped or was cancelled.")
@click.option("--bg", "background", is_flag=True, help="In the background; survives this terminal and the logout.")
@accept_changes_option
@json_option
def command(*, run_id: str, retry_failed: bool, background: bool, accept_changes: bool, as_json: bool) -> int:
    """Go on with a run that was paused or cut off.

    A paused run goes on where it runs. One that nobody works on any more is taken up here: what is finished stays
    finished, agents that still work are adopted, and a task that was edited in the task file runs again.
    """
    project = wiring.project_at(Path.cwd())
    if journal.is_held(project, run_id):
        journal.unpause_run(project, run_id)
        note(f"{run_id} goes on")
        return ExitCode.DONE
    if background:
        return run_progress.in_background(
            project,
            run_id,
            more=("--retry-failed",) if retry_failed else (),
            accept_changes=accept_changes,
            as_json=as_json,
        )
    found = run_wiring.resumption(project, run_id, accept_changes=accept_changes)
    return run_progress.resume(project, wiring.settings(project), found, retry_failed=retry_failed, as_json=as_json)
