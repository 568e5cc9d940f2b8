"""Reads of what has changed in a run since an event, for readers that look again and again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_spawner.journal.facts import JournalRestored, RunCleaned, TasksAdded
from aurora_spawner.journal.sqlite_errors import translated
from aurora_spawner.journal.views import as_written, rows_of
from aurora_spawner.journal.work_facts import ConflictForeseen
from aurora_spawner.storage.stored_values import document, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_spawner.journal.store import Journal

__all__ = ["ForeseenConflict", "RunChanges", "file_version", "load_changes", "load_foreseen"]

_OF_ALL_TASKS: Final = frozenset({TasksAdded.kind, RunCleaned.kind, JournalRestored.kind})
"""Events after which any task may be another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChanges:
    """The changes of a run behind an event."""

    last: int
    """The number of the last event."""
    tasks: frozenset[str]
    """The tasks that the events are about."""
    all_tasks: bool
    """True if any task may have changed."""
    conflicts: bool
    """True if conflicts were foreseen, or are over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeseenConflict:
    """Two tasks whose work would conflict as it is now."""

    first: str
    second: str
    files: tuple[str, ...]


def file_version(journal: Journal) -> int:
    """Returns a number that changes with every commit of another connection to the open file."""
    with translated(journal.path):
        return int(journal.connection.execute("PRAGMA data_version").fetchone()[0])


def load_changes(journal: Journal, run_id: str, *, after: int) -> RunChanges:
    """Returns what the events of a run behind the event `after` have changed, without their contents."""
    query = "SELECT seq, task_id, kind FROM events WHERE run_id = ? AND seq > ? ORDER BY seq"
    with translated(journal.path):
        rows = rows_of(journal, (query, (run_id, after)))
    kinds = {row["kind"] for row in rows}
    return RunChanges(
        last=rows[-1]["seq"] if rows else after,
        tasks=frozenset(row["task_id"] for row in rows if row["task_id"]),
        all_tasks=bool(kinds & _OF_ALL_TASKS),
        conflicts=ConflictForeseen.kind in kinds,
    )


def load_foreseen(journal: Journal, run_id: str) -> tuple[ForeseenConflict, ...]:
    """Returns the conflicts of a run that were foreseen and are not over.

    Raises:
        JournalCorruptError: An event is malformed.
    """
    query = """
        SELECT task_id, payload FROM events WHERE run_id = ? AND kind = ? AND payload IS NOT NULL ORDER BY seq
        """
    with translated(journal.path):
        rows = rows_of(journal, (query, (run_id, ConflictForeseen.kind)))
    found: dict[tuple[str, str], ForeseenConflict] = {}
    with as_written(journal.path, f"run {run_id}: its foreseen conflicts"):
        for row in rows:
            _see(found, text(row["task_id"]), document(row["payload"]))
    return tuple(found.values())


def _see(found: dict[tuple[str, str], ForeseenConflict], first: str, fact: Mapping[str, object]) -> None:
    seen = ConflictForeseen(**fact)  # type: ignore[arg-type]  # the caller names the place of a malformed one
    pair = (first, text(seen.other))
    found.pop(pair, None)
    if not seen.over:
        found[pair] = ForeseenConflict(first=first, second=pair[1], files=tuple(map(text, seen.files)))
