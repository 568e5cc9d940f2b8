"""A run without tasks, for a program's own steps: what it notes is durable, and one process at a time works on it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aurora_spawner.attempts.process_identity import own_identity
from aurora_spawner.journal.anchor import write_anchor
from aurora_spawner.journal.entries import entry_of
from aurora_spawner.journal.facts import NoteKept, RunEnded
from aurora_spawner.journal.sqlite_errors import translated
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import as_written, load_run
from aurora_spawner.runs.run_record import write_run
from aurora_spawner.storage.stored_values import document

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aurora_spawner.runs.run_options import RunOptions
    from aurora_spawner.tasks.result import RunState

__all__ = ["Note", "NotedRun", "create_noted_run", "hold_noted_run", "read_notes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A note of the program that made a run."""

    at: float
    """Unix time."""
    topic: str
    note: dict[str, Any]


class NotedRun:
    """A run that this process holds.

    Every method raises RunHeldError if another process has taken the run, and JournalError if nothing was written.
    """

    def __init__(self, store: Journal, run_id: str, lease: str, state_dir: Path | None) -> None:
        self.run_id = run_id
        self.created_at = load_run(store, run_id).created_at
        self._store = store
        self._lease = lease
        self._state_dir = state_dir

    def notes(self) -> list[Note]:
        """Returns the notes so far, the oldest first."""
        return notes_in(self._store, self.run_id)

    def keep(self, topic: str, note: dict[str, Any]) -> None:
        """Keeps a note; it is durable when this returns.

        Args:
            note: JSON values.
        """
        self._store.append([entry_of(NoteKept(topic=topic, note=note), run_id=self.run_id)], lease=self._lease)

    def end(self, state: RunState) -> str | None:
        """Ends the work on the run, and releases it; returns a notice if the journal's head could not be noted."""
        ended = RunEnded(state=state.value, notices=[])
        self._store.append([entry_of(ended, run_id=self.run_id)], lease=self._lease)
        return write_anchor(self._state_dir, self._store) if self._state_dir else None


def create_noted_run(journal: Path, options: RunOptions, *, topic: str, note: dict[str, Any]) -> str:
    """Writes a run without tasks and with its first note into the journal, and returns its id.

    Raises:
        JournalError: The journal cannot be written.
    """
    return write_run(journal, options, [NoteKept(topic=topic, note=note)])


@contextmanager
def hold_noted_run(journal: Path, run_id: str, *, state_dir: Path | None) -> Iterator[NotedRun]:
    """Holds a run as its only process.

    Args:
        state_dir: The user's own folder, in which the journal's head is noted at the end; None notes it nowhere.

    Raises:
        UnknownRunError: The journal has no such run.
        RunHeldError: Another process works on it.
    """
    with Journal(journal) as store, store.hold(run_id, holder=own_identity()) as lease:
        yield NotedRun(store, run_id, lease, state_dir)


def read_notes(journal: Path, run_id: str) -> list[Note]:
    """Returns the notes of a run, the oldest first; none if the journal is not there."""
    if not journal.exists():
        return []
    with Journal(journal, make=False) as store:
        return notes_in(store, run_id)


def notes_in(store: Journal, run_id: str) -> list[Note]:
    """Returns the notes of a run in an open journal, the oldest first."""
    query = "SELECT seq, at, payload FROM events WHERE run_id = ? AND kind = ? AND payload IS NOT NULL ORDER BY seq"
    with translated(store.path):
        rows = store.connection.execute(query, (run_id, NoteKept.kind)).fetchall()
    found = []
    for seq, at, payload in rows:
        with as_written(store.path, f"run {run_id}: event {seq} ({NoteKept.kind})"):
            found.append(Note(at=at, **document(payload)))
    return found
