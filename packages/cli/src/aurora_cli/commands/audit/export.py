"""`aur audit export`: print the journal's events as JSON Lines."""

from __future__ import annotations

import click

from aurora_cli import wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import in_workspace
from aurora_cli.output import emit_event
from aurora_spawner.control.audit import DECISIONS, exported_events

__all__ = ["command"]


@click.command(
    "export",
    cls=AurCommand,
    examples=(
        ("aur audit export > audit.jsonl", "Every event of every run, one JSON object a line."),
        (
            "aur audit export spawn-1763690000000 --decisions",
            "What was judged, asked, answered and merged in one run.",
        ),
    ),
)
@click.argument(
    "run_id", metavar="[RUN]", required=False, callback=in_workspace, help="A run's id (default: all runs)."
)
@click.option(
    "--decisions",
    is_flag=True,
    help="Only decisions: judgements, questions, answers, grants, cancellations, merges, discarded work, accepted "
    "changes.",
)
def command(*, run_id: str | None, decisions: bool) -> int:
    """Print the journal's events as JSON Lines, oldest first.

    Each line has the number of the event (seq), its time (UTC), run, task and kind, its own fields, and its hash; the
    chain of the hashes is checked by `aur audit verify`. An event whose content a clean-up removed has no fields.
    """
    journal = wiring.open_existing().project.runs_db
    for event in exported_events(journal, run_id, kinds=DECISIONS if decisions else None):
        emit_event(event)
    return ExitCode.DONE
