"""The events of the journal for an export: each with its place in the chain, by which it can be verified."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_spawner.journal.chain import GENESIS
from aurora_spawner.journal.sqlite_errors import translated
from aurora_spawner.journal.views import EventRow, read_event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aurora_spawner.journal.store import Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedEvent(EventRow):
    """An event of any run, with its place in the chain."""

    run_id: str
    hash: str
    """Hexadecimal."""
    before: str
    """The hash of the event before it in the journal, hexadecimal."""
    payload: str | None
    """Its content as it was hashed; None if a clean-up removed it."""
    payload_hash: str | None
    """Of a content that is gone, hexadecimal."""


def load_all_events(journal: Journal, run_id: str | None = None) -> Iterator[ExportedEvent]:
    """Yields the events of a run, or of all runs, the oldest first, without holding them all."""
    query = """
        SELECT seq, at, run_id, task_id, kind, payload, lower(hex(hash)) AS hash, lower(hex(payload_hash)) AS digest,
            (SELECT lower(hex(hash)) FROM events WHERE seq < found.seq ORDER BY seq DESC LIMIT 1) AS before
        FROM events AS found WHERE ? IS NULL OR run_id = ? ORDER BY seq
        """
    cursor = journal.connection.cursor()
    cursor.row_factory = sqlite3.Row
    with translated(journal.path):
        for row in cursor.execute(query, (run_id, run_id)):
            event = read_event(row, journal.path)
            yield ExportedEvent(
                seq=event.seq,
                at=event.at,
                task_id=event.task_id,
                kind=event.kind,
                fact=event.fact,
                run_id=row["run_id"],
                hash=row["hash"],
                before=row["before"] or GENESIS.hex(),
                payload=row["payload"],
                payload_hash=row["digest"] or None,
            )
