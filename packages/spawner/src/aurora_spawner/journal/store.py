"""The journal file: open it, append to it."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Self

from aurora_spawner.errors import JournalCorruptError, JournalError, JournalLockedError, RunHeldError, UnknownRunError
from aurora_spawner.identity import ProcessIdentity
from aurora_spawner.journal.chain import GENESIS, link, payload_digest
from aurora_spawner.journal.facts import RunCleaned, RunCreated, RunTaken, TasksAdded, entry_of
from aurora_spawner.journal.projections import project
from aurora_spawner.journal.schema import APPLICATION_ID, MIGRATIONS, migrate
from aurora_spawner.stored import StoredValueError, document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from aurora_spawner.journal.facts import Entry

CACHE_KIB = 4 << 10
"""Pages kept in memory, at most."""
BUSY_WAIT_S = 30.0
"""How long a write waits for another writer before it gives up."""


class Journal:
    """An open journal; one thread at a time may use it.

    Raises:
        JournalCorruptError: The file is something else.
        JournalError: It cannot be opened or written; the message has the reason of the system.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._clock = clock
        with translated(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self.connection = sqlite3.connect(
                path, timeout=BUSY_WAIT_S, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare()
            except BaseException:
                self.connection.close()
                raise

    def _prepare(self) -> None:
        found = self.connection.execute("PRAGMA application_id").fetchone()[0]
        version = self.connection.execute("PRAGMA user_version").fetchone()[0]
        if found not in (0, APPLICATION_ID):
            raise JournalCorruptError(self.path, "is the database of another program")
        if version > len(MIGRATIONS):
            raise JournalError(self.path, "was written by a newer version of this package; update it")
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = FULL")
        self.connection.execute("PRAGMA foreign_keys = ON")
        self.connection.execute(f"PRAGMA cache_size = {-CACHE_KIB}")
        migrate(self.connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back; what was appended is durable already."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, and no other writer in between."""
        with translated(self.path):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    def append(self, entries: Sequence[Entry], *, lease: str | None = None) -> None:
        """Write facts and their projections durably, in one transaction.

        Args:
            lease: Of the run that all entries are about; nothing is written when somebody else has taken it.

        Raises:
            RunHeldError: The lease is no longer ours.
            JournalError: Nothing was written.
        """
        with self.transaction() as connection:
            if lease is not None and entries:
                self._check_lease(entries[0][0], lease)
            self._append(connection, entries)

    def _append(self, connection: sqlite3.Connection, entries: Sequence[Entry]) -> None:
        last = connection.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        seq, head = last or (0, GENESIS)
        rows = []
        for entry in entries:
            run_id, task_id, kind, payload, _values = entry
            seq, at = seq + 1, self._clock()
            digest = payload_digest(payload)
            head = link(head, seq=seq, at=at, run_id=run_id, task_id=task_id, kind=kind, payload_hash=digest)
            rows.append((seq, at, run_id, task_id, kind, payload, head))
            project(entry, at, connection)
        connection.executemany(
            "INSERT INTO events (seq, at, run_id, task_id, kind, payload, hash) VALUES (?, ?, ?, ?, ?, ?, ?)", rows
        )

    def redact(self, run_id: str) -> None:
        """Remove what the events of a run say, and its rows; their hashes stay, and a fact tells of it."""
        with self.transaction() as connection:
            rows = connection.execute(
                "SELECT seq, payload FROM events WHERE run_id = ? AND payload IS NOT NULL", (run_id,)
            ).fetchall()
            connection.executemany(
                "UPDATE events SET payload = NULL, payload_hash = ? WHERE seq = ?",
                [(payload_digest(payload), seq) for seq, payload in rows],
            )
            self._append(connection, [entry_of(RunCleaned(events=len(rows)), run_id=run_id)])

    def _check_lease(self, run_id: str, lease: str) -> None:
        row = self.connection.execute("SELECT lease, holder FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        if row is None or row[0] != lease:
            holder = _holder_of(self.path, run_id, row[1]) if row and row[1] else "nobody any more"
            raise RunHeldError(run_id, str(holder))

    def create_run(self, names: Iterable[str], created: RunCreated, tasks: Iterable[TasksAdded]) -> str:
        """Write a new run with its tasks under the first of `names` that is free; returns that name."""
        with self.transaction() as connection:
            taken = "SELECT 1 FROM events WHERE run_id = ? LIMIT 1"
            run_id = next(name for name in names if connection.execute(taken, (name,)).fetchone() is None)
            self._append(connection, [entry_of(created, run_id=run_id)])
            for fact in tasks:
                self._append(connection, [entry_of(fact, run_id=run_id)])
        return run_id

    @contextmanager
    def hold(self, run_id: str, *, holder: ProcessIdentity) -> Iterator[str]:
        """Be the one coordinator of a run while this is open; gives the lease for `append`.

        Raises:
            UnknownRunError: There is no such run.
            RunHeldError: Another coordinator has it and lives, or cannot be proven dead from here.
        """
        lease = os.urandom(12).hex()
        with self.transaction() as connection:
            row = connection.execute("SELECT lease, holder FROM runs WHERE run_id = ?", (run_id,)).fetchone()
            if row is None:
                raise UnknownRunError(run_id)
            if row[1] is not None:
                other = _holder_of(self.path, run_id, row[1])
                if _holds(other, row[0], holder):
                    raise RunHeldError(run_id, str(other))
            self._append(connection, [entry_of(RunTaken(lease=lease, holder=holder.to_json()), run_id=run_id)])
        _LEASES_HERE.add(lease)
        try:
            yield lease
        finally:
            _LEASES_HERE.discard(lease)


_LEASES_HERE: Final[set[str]] = set()
"""Leases that this process holds now: one that it had to give up unwritten, the disk being full, is free again."""


def _holder_of(path: Path, run_id: str, stored: object) -> ProcessIdentity:
    try:
        return ProcessIdentity.from_json(document(stored))
    except StoredValueError as error:
        raise JournalCorruptError(path, f"run {run_id}: holder {error}; restore the journal from a copy") from error


def _holds(other: ProcessIdentity, lease: str, asking: ProcessIdentity) -> bool:
    """Whether the holder on record has the run still, as far as can be known from here."""
    if other == asking:
        return lease in _LEASES_HERE
    return other.alive() or other.host != asking.host


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system raise into our errors."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise _translate(path, error) from error
    except OSError as error:
        raise JournalError(path, f"cannot be used: {error.strerror or error}") from error


def _translate(path: Path, error: sqlite3.DatabaseError) -> JournalError:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return JournalLockedError(path, "another process has locked the journal; see who holds it open and try again")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return JournalCorruptError(path, f"is damaged ({error}); move it away, or restore it from a copy")
    if name.startswith("SQLITE_FULL"):
        return JournalError(path, "the disk is full; make room and resume the run")
    if name.startswith("SQLITE_READONLY"):
        return JournalError(path, "cannot be written; check who owns the file and its folder")
    return JournalError(path, f"cannot be used: {error}")
