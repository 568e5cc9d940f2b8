"""Whether the journal still says what was written, and whether its tables follow from its events."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aurora_spawner.journal.chain import GENESIS, link, payload_digest
from aurora_spawner.journal.facts import FACT_TYPES, entry_of
from aurora_spawner.journal.projections import project
from aurora_spawner.journal.schema import migrate
from aurora_spawner.journal.store import translated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aurora_spawner.journal.store import Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What an audit found."""

    events: int
    head: str
    """Hash of the last event, hexadecimal. Who kept it elsewhere can tell a shortened journal from a whole one."""
    problem: str | None = None
    seq: int | None = None
    """The first event that does not fit."""

    @property
    def ok(self) -> bool:
        """Nothing was changed."""
        return self.problem is None


def verify(journal: Journal) -> AuditReport:
    """Recompute the hash chain, then the tables."""
    head, count = GENESIS, 0
    with translated(journal.path):
        for row in _events(journal):
            seq, at, run_id, task_id, kind, payload, payload_hash, stored = row
            count += 1
            problem = _fault(count, row)
            if problem is None:
                digest = payload_hash if payload is None else payload_digest(payload)
                head = link(head, seq=seq, at=at, run_id=run_id, task_id=task_id, kind=kind, payload_hash=digest)
                problem = None if head == stored else "has been changed since it was written, or one before it"
            if problem is not None:
                return AuditReport(events=count, head=head.hex(), problem=f"event {seq} {problem}", seq=seq)
        return AuditReport(events=count, head=head.hex(), problem=_table_fault(journal))


def _events(journal: Journal) -> Iterator[tuple[Any, ...]]:
    return iter(
        journal.connection.execute(
            "SELECT seq, at, run_id, task_id, kind, payload, payload_hash, hash FROM events ORDER BY seq"
        )
    )


def _fault(expected: int, row: tuple[Any, ...]) -> str | None:
    """What is wrong with an event by itself."""
    seq, at, run_id, task_id, kind, payload, payload_hash, stored = row
    if seq != expected:
        return f"follows where event {expected} should be"
    if payload is None and not isinstance(payload_hash, bytes):
        return "has lost its content"
    texts = [run_id, kind, *(each for each in (task_id, payload) if each is not None)]
    sound = all(isinstance(text, str) for text in texts) and isinstance(at, float) and isinstance(stored, bytes)
    return None if sound and (payload is None or payload.isascii()) else "has been changed since it was written"


def _table_fault(journal: Journal) -> str | None:
    """Replay the events into empty tables and compare."""
    replica = sqlite3.connect(":memory:", isolation_level=None)
    try:
        replica.execute("PRAGMA foreign_keys = ON")
        migrate(replica)
        for _seq, at, run_id, task_id, kind, payload, _payload_hash, _hash in _events(journal):
            if payload is not None and kind in FACT_TYPES:
                fact = FACT_TYPES[kind](**json.loads(payload))
                project(entry_of(fact, run_id=run_id, task_id=task_id), at, replica)
        for table in ("runs", "tasks", "attempts", "recoveries", "breakers"):
            query = f"SELECT * FROM {table} ORDER BY 1, 2, 3"  # noqa: S608 -- a fixed word
            if replica.execute(query).fetchall() != journal.connection.execute(query).fetchall():
                return f"the table {table} does not follow from the events"
    finally:
        replica.close()
    return None
