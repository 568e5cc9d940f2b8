"""`aur audit verify`: check that the journal is as it was written."""

from __future__ import annotations

from pathlib import Path

import click

from aurora_cli import journal, wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json, note

__all__ = ["command"]


@click.command(
    "verify",
    cls=AurCommand,
    examples=(
        ("aur audit verify", "Check every event against its hash."),
        ("aur audit verify --json", "The same, with the hash of the last event to keep elsewhere."),
    ),
)
@json_option
def command(*, as_json: bool) -> int:
    """Check that the journal is as written.

    Every event is held against its hash and the one before it, and the tables against the events. The exit status is
    4 if something was changed.
    """
    report = journal.audit(wiring.project_at(Path.cwd()))
    if as_json:
        emit_json({"ok": report.ok, "events": report.events, "head": report.head, "problem": report.problem})
    elif not report.events:
        note("there is nothing to check: nothing has run in this project yet")
    elif report.ok:
        emit(f"{report.events:,} events, none of them changed; the last one's hash is {report.head}")
    else:
        emit(f"the journal was changed: {report.problem}")
    return ExitCode.DONE if report.ok else ExitCode.ENVIRONMENT
