"""`aur audit export`: print the journal's events as JSON Lines, sealed."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime

import click

from aurora_cli import wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import in_workspace
from aurora_cli.output import emit_exported, note
from aurora_core.settings.config import load_config
from aurora_spawner.control.audit_export import Selection, exported_lines

__all__ = ["command"]


class Moment(click.ParamType[float, str]):
    """A day, which begins at 0:00 UTC, or a moment, of UTC unless it says otherwise; as Unix time."""

    name = "moment"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Returns the Unix time.

        Raises:
            click.BadParameter: the value is no day and no moment.
        """
        try:
            found = datetime.fromisoformat(str(value))
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is neither a day like 2026-01-31 nor a time like 2026-01-31T08:00", param, ctx)


@click.command(
    "export",
    cls=AurCommand,
    examples=(
        ("aur audit export > audit.jsonl", "Every event of every run, one JSON object a line."),
        (
            "aur audit export spawn-1763690000000 --decisions",
            "What was judged, asked, answered and merged in one run.",
        ),
        ("aur audit export --since 2026-01-01 --until 2026-04-01 > q1.jsonl", "The first quarter of a year."),
    ),
)
@click.argument(
    "run_id", metavar="[RUN]", required=False, callback=in_workspace, help="A run's id (default: all runs)."
)
@click.option(
    "--decisions",
    is_flag=True,
    help="Only decisions: judgements, questions, answers, grants, cancellations, merges, discarded work, accepted "
    "changes, sign-ins, and what signed-in users did.",
)
@click.option(
    "--since", type=Moment(), metavar="DAY", help="Only events from this day (UTC) on; a time is accepted, too."
)
@click.option("--until", type=Moment(), metavar="DAY", help="Only events before this day (UTC).")
def command(*, run_id: str | None, decisions: bool, since: float | None, until: float | None) -> int:
    """Print the journal's events as JSON Lines, oldest first, and a manifest.

    Each line has the number of the event (seq), its time (UTC), run, task and kind, its own fields, and its hash with
    the one before it. An event whose content a clean-up removed has no fields, but their hash. The last line says
    what was asked for and where the journal ends, and seals the file; `aur audit verify FILE` finds any changed
    byte. The seal is also printed to standard error. Keep it elsewhere: it shows if the file was rewritten.
    """
    journal = wiring.open_existing().project.runs_db
    selection = Selection(run_id=run_id, decisions=decisions, since=since, until=until)
    line = ""
    for line in exported_lines(journal, selection, keep_days=load_config(None, environ=os.environ).keep_days):
        emit_exported(line)
    if not line:
        note("there is no journal here: nothing has run in this project yet, so nothing was exported")
        return ExitCode.NOT_REACHED
    manifest = json.loads(line)
    note(f"{manifest['events']:,} events; seal: {manifest['seal']}")
    return ExitCode.DONE
