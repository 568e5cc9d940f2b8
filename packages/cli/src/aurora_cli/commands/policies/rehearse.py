"""`aur policies rehearse`: try policies on earlier runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import ExistingPath, json_option
from aurora_cli.output import emit, emit_json
from aurora_cli.render.policies import rehearsal_document, rehearsal_lines
from aurora_policies import PoliciesEngine
from aurora_soar.taskruns.rehearsal import rehearse

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]


@click.command(
    "rehearse",
    cls=AurCommand,
    examples=(
        ("aur policies rehearse", "Try the present policies on all earlier runs."),
        ("aur policies rehearse stricter.yaml --run spawn-1763690000000", "Try another file on one run."),
    ),
)
@click.argument(
    "file", required=False, type=ExistingPath("file"), help="A file of policies; those of the project if left out."
)
@click.option("--run", "run_id", metavar="RUN", help="Only this run.")
@json_option
def command(*, file: Path | None, run_id: str | None, as_json: bool) -> int:
    """Try policies on the tool calls and the work of earlier runs, and show what changes.

    The tool calls that the policy gate was asked about, and the work of each task that was judged in a worktree, are
    judged again: what would be stopped that was not, and what would pass that was stopped. Nothing changes, and the
    file takes no effect. Scripts that a call would run are read as they are now. Work whose commits are gone, and
    calls that the journal has only in part, are counted.
    """
    aurora = wiring.open_existing()
    policies = aurora.policies if file is None else PoliciesEngine.load(file).beside(aurora.user_policies)
    found = rehearse(policies, aurora.project.runs_db, run_id)
    if as_json:
        emit_json(Schema.POLICIES_REHEARSAL, rehearsal_document(found))
        return ExitCode.DONE
    for line in rehearsal_lines(found):
        emit(line)
    return ExitCode.DONE
