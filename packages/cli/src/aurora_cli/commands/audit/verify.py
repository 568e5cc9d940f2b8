"""`aur audit verify`: check that the journal is as it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aurora_cli import wiring
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import json_option
from aurora_cli.output import emit, emit_json, note
from aurora_spawner.control.audit import audit_journal

if TYPE_CHECKING:
    from aurora_spawner.journal.audit import AuditReport

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

    Every event is held against its hash and the one before it, the tables against the events, and the chain against
    its head as this machine noted it at the end of the last run. Without that note, an end that was cut off and a
    chain that was written anew cannot be told. The exit status is 4 if something was changed.
    """
    report = audit_journal(wiring.open_existing().project.runs_db)
    if as_json:
        emit_json(
            {
                "ok": report.ok,
                "events": report.events,
                "head": report.head,
                "problem": report.problem,
                **_noted(report),
            }
        )
    elif not report.events:
        note("there is nothing to check: nothing has run in this project yet")
    elif report.ok:
        emit(
            f"{report.events:,} events fit together, and the tables follow from them; the last hash is {report.head}"
        )
        emit(_known(report))
        if report.anchor and report.anchor.before:
            emit(f"an earlier journal was here and is gone: {report.anchor.before}")
    else:
        emit(f"the journal was changed: {report.problem}")
    return ExitCode.DONE if report.ok else ExitCode.ENVIRONMENT


def _known(report: AuditReport) -> str:
    """Says how far the chain is proven to be the one that was written here."""
    if report.anchor is None:
        return (
            "this machine has noted no head of it: whether events were cut off its end, or all of it was"
            " written anew, cannot be told"
        )
    newer = report.events - report.anchor.seq
    since = "" if newer <= 0 else f"; of the {newer:,} after it only that they fit can be told"
    return f"up to event {report.anchor.seq:,} it is {report.anchor}, as this machine noted it{since}"


def _noted(report: AuditReport) -> dict[str, object]:
    """Returns what this machine noted, for programs."""
    anchor = report.anchor
    return {"noted": None if anchor is None else {"seq": anchor.seq, "hash": anchor.hash.hex(), "at": anchor.at}}
