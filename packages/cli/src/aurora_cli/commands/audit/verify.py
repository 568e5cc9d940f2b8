"""`aur audit verify`: verify that the journal, or an exported file, was not changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aurora_cli import wiring
from aurora_cli.documents import Schema
from aurora_cli.exits import ExitCode
from aurora_cli.lazy import AurCommand
from aurora_cli.options import ExistingPath, json_option
from aurora_cli.output import emit, emit_json, note
from aurora_spawner.control.audit import audit_journal
from aurora_spawner.control.audit_file import verify_file

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.journal.verify import AuditReport

__all__ = ["command"]


@click.command(
    "verify",
    cls=AurCommand,
    examples=(
        ("aur audit verify", "Check every event against its hash."),
        ("aur audit verify --json", "The result as JSON, with the hash of the last event to keep elsewhere."),
        ("aur audit verify audit.jsonl --seal 5f1d…", "Check a file of `aur audit export`; no project is needed."),
    ),
)
@click.argument(
    "file",
    type=ExistingPath("file"),
    metavar="[FILE]",
    required=False,
    help="A file of `aur audit export` (default: the journal).",
)
@click.option("--seal", metavar="SEAL", help="The seal that the export printed; it shows if the file was rewritten.")
@click.option("--in-journal", is_flag=True, help="The events of the file must be those of this project's journal.")
@json_option
def command(*, file: Path | None, seal: str | None, in_journal: bool, as_json: bool) -> int:
    """Verify that the journal, or an export, was not changed.

    Checks each event against its hash and the previous event, the tables against the events, and the chain against
    the last hash that this machine recorded at the end of the last run. Without that record, events cut from the end
    and a rewritten chain cannot be detected. With FILE, checks each byte of an exported file instead. The exit status
    is 4 if anything was changed.
    """
    if file is not None:
        journal = wiring.open_existing().project.runs_db if in_journal else None
        return _verify_file(file, seal, journal, as_json=as_json)
    if seal is not None or in_journal:
        raise click.UsageError("--seal and --in-journal need a FILE")
    return _verify_journal(as_json=as_json)


def _verify_file(file: Path, seal: str | None, journal: Path | None, *, as_json: bool) -> int:
    report = verify_file(file, seal=seal, journal=journal)
    if as_json:
        emit_json(
            Schema.AUDIT_FILE,
            {
                "ok": report.problem is None,
                "events": report.events,
                "seal": report.seal,
                "head": report.head,
                "problem": report.problem,
            },
        )
    elif report.problem is not None:
        emit(f"the file was changed: {report.problem}")
    else:
        emit(f"{report.events:,} events, none changed; last hash of the journal: {report.head or 'none'}")
        emit(f"seal: {report.seal}" + ("" if seal else "; compare it with the one that the export printed"))
    return ExitCode.DONE if report.problem is None else ExitCode.ENVIRONMENT


def _verify_journal(*, as_json: bool) -> int:
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
