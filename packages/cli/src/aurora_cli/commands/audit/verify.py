"""`aur audit verify`: verify that the journal was not changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json, note
from aurora_spawner.control.audit import audit_journal

if TYPE_CHECKING:
    from aurora_spawner.journal.verify import AuditReport

__all__ = ["command"]


@click.command(
    "verify",
    cls=AurCommand,
    examples=(
        ("aur audit verify", "Check every event against its hash."),
        ("aur audit verify --json", "The result as JSON, with the hash of the last event to keep elsewhere."),
    ),
)
@json_option
def command(*, as_json: bool) -> int:
    """Verify that the journal was not changed.

    Checks each event against its hash and the previous event, the tables against the events, and the chain against
    the last hash that this machine recorded at the end of the last run. Without that record, events cut from the end
    and a rewritten chain cannot be detected. The exit status is 4 if the journal was changed.
    """
    report = audit_journal(wiring.open_existing().project.runs_db)
    if as_json:
        emit_json(
            Schema.AUDIT,
            {
                "ok": report.ok,
                "events": report.events,
                "head": report.head,
                "problem": report.problem,
                **_recorded(report),
            },
        )
    elif not report.events:
        note("nothing to verify: no run in this project yet")
    elif report.ok:
        emit(f"{report.events:,} events and their tables are intact; last hash: {report.head}")
        emit(_proven(report))
        if report.anchor and report.anchor.before:
            emit(f"an earlier journal of this project is missing: {report.anchor.before}")
    else:
        emit(f"the journal was changed: {report.problem}")
    return ExitCode.DONE if report.ok else ExitCode.ENVIRONMENT


def _proven(report: AuditReport) -> str:
    """Returns how much of the chain is proven to be the chain written on this machine."""
    if report.anchor is None:
        return (
            "this machine has recorded no hash of it: events cut off the end, or a journal written anew, cannot be"
            " detected"
        )
    newer = report.events - report.anchor.seq
    since = "" if newer <= 0 else f"; the {newer:,} events after it are only checked against each other"
    return f"events 1 to {report.anchor.seq:,} match {report.anchor}, as recorded by this machine{since}"


def _recorded(report: AuditReport) -> dict[str, object]:
    """Returns the hash that this machine recorded, for `--json`."""
    anchor = report.anchor
    return {"noted": None if anchor is None else {"seq": anchor.seq, "hash": anchor.hash.hex(), "at": anchor.at}}
