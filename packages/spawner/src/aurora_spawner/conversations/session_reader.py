"""A session for a reader that looks again and again: each look reads the notes that have come since the last one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_spawner.conversations.transcript import Transcript
from aurora_spawner.errors import UnknownRunError
from aurora_spawner.journal.facts import NoteKept
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import as_written, load_events

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SessionReader"]


class SessionReader:
    """Reads one session; one thread at a time may use it, and nothing is made."""

    def __init__(self, journal: Path, run_id: str) -> None:
        self._journal = journal
        self._run_id = run_id
        self._store: Journal | None = None
        self._of: object = None
        """The connection that the rest is of; another one may be that of another file."""
        self._last = 0
        self._transcript = Transcript()

    def look(self) -> Transcript:
        """Returns all that was said so far; the same object each time, as long as the file is the same.

        Raises:
            UnknownRunError: There is no journal.
            JournalError: The journal cannot be read, or a note in it is not as it was written.
        """
        store = self._opened()
        if self._of is not store.connection:
            self._of, self._last, self._transcript = store.connection, 0, Transcript()
        for row in load_events(store, self._run_id, after=self._last):
            if isinstance(row.fact, NoteKept):
                with as_written(self._journal, f"run {self._run_id}: event {row.seq} ({row.kind})"):
                    self._transcript.take(row.fact.topic, row.fact.note, row.at)
            self._last = row.seq
        return self._transcript

    def close(self) -> None:
        """Closes the journal."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _opened(self) -> Journal:
        if self._store is not None:
            self._store.follow_file()
        elif self._journal.exists():
            self._store = Journal(self._journal, make=False)
        else:
            raise UnknownRunError(self._run_id)
        return self._store
