"""The journal file: opens it and appends to it."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

from aurora_spawner.attempts.process_identity import ProcessIdentity
from aurora_spawner.errors import JournalCorruptError, JournalError, RunHeldError, UnknownRunError
from aurora_spawner.journal.chain import GENESIS, link, payload_digest
from aurora_spawner.journal.entries import FACT_TYPES, entry_of
from aurora_spawner.journal.facts import (
    ChangesAccepted,
    GapDeclared,
    JournalRestored,
    NoteKept,
    RunCleaned,
    RunCreated,
    RunTaken,
    TasksAdded,
)
from aurora_spawner.journal.places import FileIdentity, beside
from aurora_spawner.journal.projections import project
from aurora_spawner.journal.schema import APPLICATION_ID, MIGRATIONS, migrate
from aurora_spawner.journal.sqlite_errors import translated
from aurora_spawner.journal.write_back import identities, put_copy, sole_writer, what_happened
from aurora_spawner.storage.private_files import make_private_file, make_private_folder, restrict_to_owner
from aurora_spawner.storage.stored_values import StoredValueError, document
from aurora_spawner.storage.write_ahead import use_write_ahead_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from aurora_spawner.journal.entries import Entry

CACHE_KIB = 4 << 10
"""The most memory for pages."""
LAST_SEQ: Final = 1 << 60
"""More events than any journal has: SQLite keeps numbers below 2**63."""
WRITE_BACK_TRIES = 5
WRITE_BACK_PAUSE_S = 0.1
BUSY_WAIT_S = 30.0
"""The longest wait of a write for another writer."""

SELECT_ORIGIN: Final = """
    SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master)
    FROM pragma_application_id, pragma_user_version
    """
"""The values for `check_origin`, of one state: another process may be making the tables of a new journal."""


def check_origin(path: Path, application_id: int, version: int, tables: int) -> None:
    """Checks that a database is a journal that this version can read, or is empty.

    Raises:
        JournalCorruptError: It belongs to another program.
        JournalError: A newer version of this package has written it.
    """
    if application_id not in (0, APPLICATION_ID) or (tables and not application_id):
        raise JournalCorruptError(path, "is the database of another program; move it away")
    if version > len(MIGRATIONS):
        raise JournalError(path, "was written by a newer version of this package; update it")


class Journal:
    """An open journal; one thread at a time may use it.

    Raises:
        JournalCorruptError: The file is no journal.
        JournalError: It cannot be opened or written; the message has the reason of the system.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time, make: bool = True) -> None:
        """Opens a journal.

        Args:
            make: Makes the file if there is none; False for a reader, which leaves the place of a lost journal to the
                coordinator that has it open.
        """
        self.path = path
        self._make = make
        self.trouble: tuple[str, ...] = ()
        """Sentences about damage to the file while it was open, and its repair."""
        self._clock = clock
        self._written = 0
        """Number of the last known event."""
        with translated(path):
            if make:
                make_private_folder(path.parent)
            self._open(path)

    def _open(self, path: Path) -> None:
        """Opens the file in place; after an error the former file stays open."""
        opened = None
        while opened is None:
            if path.is_symlink():  # it would be changed wherever it is
                raise JournalError(path, "is a link; replace it by the file itself, or remove it")
            if self._make:
                make_private_file(path)
            elif path.is_file():
                restrict_to_owner(path)
            found = FileIdentity.of(path)
            if found is None:
                raise JournalError(path, "is not there")
            connection = _connect(path)
            placed = identities(path)
            if placed[0] == found:
                opened = connection
            else:  # it was replaced meanwhile, and what is written to a nameless file is lost
                connection.close()
        self.connection, self.path, self._files = opened, path, placed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def follow_file(self) -> None:
        """Opens the file in place if it is another than the open one; for a reader that follows a run.

        Raises:
            JournalError: It cannot be read.
        """
        if FileIdentity.of(self.path) not in (None, self._files[0]):
            former = self.connection
            with translated(self.path):
                self._open(self.path)
            former.close()

    def close(self) -> None:
        """Closes the file; appended facts are durable already."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Runs its body in one transaction, without another writer in between."""
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
        """Writes facts and their projections durably, in one transaction.

        Args:
            lease: The lease of the run of all entries; nothing is written if another coordinator holds the run.

        Raises:
            RunHeldError: The lease is no longer ours.
            JournalError: Nothing was written.
        """
        if lease is not None and entries:
            self._keep_in_place(entries[0][0], lease)
        with self.transaction() as connection:
            if lease is not None and entries:
                self._check_lease(entries[0][0], lease)
            self._append(connection, entries, run_id=entries[0][0] if entries else "")

    def _keep_in_place(self, run_id: str, lease: str) -> None:
        """Writes the open journal back if its file was removed or replaced.

        The copy takes the file's place if the place is empty or has an older state of this journal. Another file is
        kept, and the copy is written beside it.

        Raises:
            JournalError: It cannot be written back.
        """
        problem = what_happened(self.path, self._files)
        if problem is None:
            if None in self._files:  # SQLite makes the log with the first change
                self._files = identities(self.path)
            return
        with translated(self.path):
            target = self._write_back(run_id, lease, problem)
        said = f"the journal {problem}; it was written back to {target}"
        self.trouble = (*(each for each in self.trouble if each != said), said)

    def _write_back(self, run_id: str, lease: str, problem: str) -> Path:
        """Puts a copy of the open journal in place and continues in it; returns its path.

        What removes the file may still be writing over its place, so this is tried several times. Another coordinator
        that writes the same journal back waits meanwhile, and finds the copy.
        """
        path = self.path
        for tries_left in reversed(range(WRITE_BACK_TRIES)):
            target = path
            try:
                make_private_folder(path.parent)
                with sole_writer(path.parent) as folder:
                    target = put_copy(self.connection, path, self._files, run_id)
                    os.fsync(folder)
                    self._continue_in(target, run_id, lease, problem)
                break
            except (JournalError, sqlite3.Error, UnicodeDecodeError, OSError):
                if not tries_left:
                    raise
                if target != path:
                    for each in (target, *beside(target)):
                        each.unlink(missing_ok=True)
            time.sleep(WRITE_BACK_PAUSE_S)
        return target

    def _continue_in(self, copy: Path, run_id: str, lease: str, problem: str) -> None:
        """Opens a copy in the place of the open journal, and closes that once the copy has been seen to hold the run.

        Raises:
            RunHeldError: Another coordinator has taken the run in it.
            JournalError: It was written over.
        """
        whole, path, files, written = self.connection, self.path, self._files, self._written
        own = self._facts_of(run_id)
        try:
            self._open(copy)
            self._check_taken(run_id, lease)
            self._written = 0
            self._repeat(run_id, lease, own, problem)
        except BaseException:
            if self.connection is not whole:
                self.connection.close()
            self.connection, self.path, self._files, self._written = whole, path, files, written
            raise
        whole.close()

    def _check_taken(self, run_id: str, lease: str) -> None:
        """Checks that a run was taken under a lease, whoever has taken it since.

        Raises:
            JournalError: The journal does not say so.
        """
        query = "SELECT 1 FROM events WHERE run_id = ? AND kind = ? AND json_extract(payload, '$.lease') = ?"
        if self.connection.execute(query, (run_id, RunTaken.kind, lease)).fetchone() is None:
            raise JournalError(self.path, "was written over while it was written back; resume the run")

    def _facts_of(self, run_id: str) -> list[tuple[float, str | None, str, str]]:
        return self.connection.execute(
            "SELECT at, task_id, kind, payload FROM events WHERE run_id = ? ORDER BY seq", (run_id,)
        ).fetchall()

    def _repeat(self, run_id: str, lease: str, own: list[tuple[float, str | None, str, str]], problem: str) -> None:
        """Records the problem, and writes again those facts of the run that the file in place lacks."""
        with self.transaction() as connection:
            self._check_lease(run_id, lease)
            missing = own[len(self._facts_of(run_id)) :]
            entries = [
                entry_of(FACT_TYPES[kind](**json.loads(payload)), run_id=run_id, task_id=task_id)
                for _at, task_id, kind, payload in missing
            ]
            restored = JournalRestored(problem=problem, repeated=len(entries))
            self._append(connection, [entry_of(restored, run_id=run_id), *entries], run_id=run_id)

    def _append(self, connection: sqlite3.Connection, entries: Sequence[Entry], *, run_id: str) -> None:
        seq, head = self.last_event() or (0, GENESIS)
        rows = []
        if seq < self._written:
            gap = GapDeclared(first=seq + 1, last=self._written, problem="they were gone when the next was written")
            entries = [entry_of(gap, run_id=run_id), *entries]
            self.trouble = (*self.trouble, f"the journal has lost its events {gap.first} to {gap.last}")
            seq = self._written
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
        self._written = seq

    def last_event(self) -> tuple[int, bytes] | None:
        """Returns number and hash of the last event; None without one.

        Raises:
            JournalCorruptError: No event can follow it.
        """
        last = self.connection.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        if last is None:
            return None
        seq, head = last
        if not isinstance(head, bytes) or not 0 < seq <= LAST_SEQ:
            raise JournalCorruptError(self.path, f"event {seq} is damaged; move it away, or restore it from a copy")
        return seq, head

    def expect(self, seq: int) -> None:
        """Sets the number of the last known event; the next write declares missing events as lost."""
        self._written = seq

    def redact(self, run_id: str, *, keep_days: int | None = None) -> None:
        """Removes the payloads and the rows of a run; its hashes stay, and a fact records the clean-up.

        Args:
            keep_days: The retention rule by which this is done; None if there is none.

        Raises:
            RunHeldError: A living coordinator holds it.
        """
        with self.transaction() as connection:
            row = connection.execute("SELECT holder FROM runs WHERE run_id = ?", (run_id,)).fetchone()
            holder = _holder_of(self.path, run_id, row[0]) if row and row[0] is not None else None
            if holder is not None and holder.alive():
                raise RunHeldError(run_id, str(holder))
            rows = connection.execute(
                "SELECT seq, payload FROM events WHERE run_id = ? AND payload IS NOT NULL", (run_id,)
            ).fetchall()
            connection.executemany(
                "UPDATE events SET payload = NULL, payload_hash = ? WHERE seq = ?",
                [(payload_digest(payload), seq) for seq, payload in rows],
            )
            self._append(
                connection,
                [entry_of(RunCleaned(events=len(rows), keep_days=keep_days), run_id=run_id)],
                run_id=run_id,
            )

    def accept(
        self, run_id: str, problem: str, found: Mapping[str, Sequence[tuple[Any, ...]]], *, gone: range
    ) -> None:
        """Records that a changed run continues, and rebuilds its rows.

        Args:
            found: Rows by table, in the order of their references; empty if the events cannot be read.
            gone: Numbers of lost events, which no other event gets.
        """
        with self.transaction() as connection:
            if found.get("runs"):
                for table in reversed(list(found)):  # rows may be left without their task
                    connection.execute(f"DELETE FROM {table} WHERE run_id = ?", (run_id,))  # noqa: S608
                for table, rows in found.items():
                    for row in rows:
                        connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608
            if gone:
                self.expect(gone[-1])
            self._append(connection, [entry_of(ChangesAccepted(problem=problem), run_id=run_id)], run_id=run_id)

    def _check_lease(self, run_id: str, lease: str) -> None:
        row = self.connection.execute("SELECT lease, holder FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        if row is None or row[0] != lease:
            holder = _holder_of(self.path, run_id, row[1]) if row and row[1] else "no coordinator"
            raise RunHeldError(run_id, str(holder))

    def create_run(
        self,
        names: Iterable[str],
        created: RunCreated,
        facts: Iterable[TasksAdded | NoteKept],
        *,
        on_first: Callable[[], None] = lambda: None,
    ) -> str:
        """Writes a new run with its first facts under the first free name of `names`; returns that name.

        Args:
            on_first: Called before the first event of a journal is written.
        """
        with self.transaction() as connection:
            if self.last_event() is None:
                on_first()
            taken = "SELECT 1 FROM events WHERE run_id = ? LIMIT 1"
            run_id = next(name for name in names if connection.execute(taken, (name,)).fetchone() is None)
            self._append(connection, [entry_of(created, run_id=run_id)], run_id=run_id)
            for fact in facts:
                self._append(connection, [entry_of(fact, run_id=run_id)], run_id=run_id)
        return run_id

    @contextmanager
    def hold(
        self, run_id: str, *, holder: ProcessIdentity, settings: Mapping[str, Any] | None = None
    ) -> Iterator[str]:
        """Holds a run as its only coordinator; yields the lease for `append`.

        Args:
            settings: What the coordinator decides by, as JSON values, for a replay; None if it decides nothing.

        Raises:
            UnknownRunError: The journal has no such run.
            RunHeldError: Another coordinator holds it and lives, or cannot be proven dead from here.
        """
        lease = os.urandom(12).hex()
        _LEASES_HERE.add(lease)  # before another thread can read it in the journal
        try:
            with self.transaction() as connection:
                taken = self._taken(connection, run_id, lease, holder, settings)
                self._append(connection, [taken], run_id=run_id)
            yield lease
        finally:
            _LEASES_HERE.discard(lease)

    def append_unheld(
        self, run_id: str, entries_now: Callable[[], Sequence[Entry]], *, holder: ProcessIdentity
    ) -> None:
        """Writes facts about a run that nobody holds, the last of which releases it, in one transaction.

        Whoever takes the run at the same moment waits, and does not find it held.

        Args:
            entries_now: Returns them; called when nobody else can write.

        Raises:
            UnknownRunError, RunHeldError: As for `hold`.
        """
        with self.transaction() as connection:
            taken = self._taken(connection, run_id, os.urandom(12).hex(), holder, None)
            self._append(connection, [taken, *entries_now()], run_id=run_id)

    def _taken(
        self,
        connection: sqlite3.Connection,
        run_id: str,
        lease: str,
        holder: ProcessIdentity,
        settings: Mapping[str, Any] | None,
    ) -> Entry:
        """Returns the entry by which a process takes a run, if it may."""
        row = connection.execute("SELECT lease, holder FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        if row is None:
            raise UnknownRunError(run_id)
        if row[1] is not None:
            other = _holder_of(self.path, run_id, row[1])
            if _holds(other, row[0], holder):
                raise RunHeldError(run_id, str(other))
        taken = RunTaken(lease=lease, holder=holder.to_json(), settings=None if settings is None else dict(settings))
        return entry_of(taken, run_id=run_id)


_LEASES_HERE: Final[set[str]] = set()
"""Leases that this process holds; a lease that it could not release in the journal, on a full disk, is free again."""


def _holder_of(path: Path, run_id: str, stored: object) -> ProcessIdentity:
    try:
        return ProcessIdentity.from_json(document(stored))
    except StoredValueError as error:
        raise JournalCorruptError(path, f"run {run_id}: holder {error}; restore the journal from a copy") from error


def _holds(other: ProcessIdentity, lease: str, asking: ProcessIdentity) -> bool:
    """Returns True if the recorded holder still has the run, or cannot be proven dead from here."""
    if other == asking:
        return lease in _LEASES_HERE
    return other.alive() or other.host != asking.host


def _connect(path: Path) -> sqlite3.Connection:
    """Opens a file that is there, and makes it a journal of this version."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_WAIT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        check_origin(path, *connection.execute(SELECT_ORIGIN).fetchone())
        use_write_ahead_log(connection, wait_s=BUSY_WAIT_S)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA cache_size = {-CACHE_KIB}")
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection
