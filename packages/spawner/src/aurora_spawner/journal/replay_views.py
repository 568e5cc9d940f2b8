"""Reads of what a replay needs besides the events of its run: what is lost, and what other runs did."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aurora_spawner.journal import facts
from aurora_spawner.journal.sqlite_errors import translated
from aurora_spawner.journal.views import as_written, read_event, rows_of

if TYPE_CHECKING:
    from aurora_spawner.journal.store import Journal
    from aurora_spawner.journal.views import EventRow


def count_emptied(journal: Journal, run_id: str) -> int:
    """Returns the number of events of a run that have lost their contents, because it was cleaned."""
    query = "SELECT count(*) AS gone FROM events WHERE run_id = ? AND payload IS NULL"
    with translated(journal.path):
        rows = rows_of(journal, (query, (run_id,)))
    return int(rows[0]["gone"])


def load_gap(journal: Journal, first: int, last: int) -> tuple[int, int] | None:
    """Returns the first and last number of the first events that are lost between two events; None without any."""
    query = "SELECT seq, payload FROM events WHERE kind = ? AND seq > ? AND payload IS NOT NULL ORDER BY seq"
    with translated(journal.path):
        rows = rows_of(journal, (query, (facts.GapDeclared.kind, first)))
    for row in rows:
        with as_written(journal.path, f"event {row['seq']}"):
            gap = facts.GapDeclared(**json.loads(row["payload"]))
            if first <= gap.last and gap.first <= last:
                return gap.first, gap.last
    return None


def load_breaker_moves(journal: Journal) -> list[tuple[str, EventRow]]:
    """Returns the moves of circuit breakers of all runs, and the beginnings of these runs, each with its run."""
    query = """
        SELECT run_id, seq, at, task_id, kind, payload FROM events WHERE payload IS NOT NULL AND run_id IN (
            SELECT run_id FROM events WHERE kind = 'breaker_moved' AND payload IS NOT NULL
        ) AND kind IN ('run_created', 'breaker_moved') ORDER BY seq
        """
    with translated(journal.path):
        rows = rows_of(journal, (query, ()))
    return [(row["run_id"], read_event(row, journal.path)) for row in rows]
