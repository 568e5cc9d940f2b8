"""Opens memory.db and translates its errors."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import zlib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from aurora_core.errors import StoreBusyError, StoreCorruptError, StoreError
from aurora_core.private_files import PRIVATE_FILE, make_private
from aurora_core.store.schema import migrate
from aurora_core.store.write_ahead import use_write_ahead_log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "BUSY_TIMEOUT_S",
    "bump_generation",
    "connect",
    "generation",
    "is_read_only",
    "last_indexed_at",
    "reading",
    "transaction",
    "translating_errors",
    "translating_sqlite_errors",
]

# A writer holds the lock for one batch of files; a second indexer waits for many of them.
BUSY_TIMEOUT_S: Final = 60.0
_making: Final = threading.Lock()


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Opens the database; creates and migrates it if needed. Readers never wait for a writer (WAL).

    On a read-only disk it is opened for reading.

    Args:
        read_only: the database must exist, and nothing is written.

    Raises:
        StoreError: the database cannot be opened, or a newer Aurora wrote it.
        StoreCorruptError: the database is damaged.
    """
    writable = os.access(path.parent, os.W_OK, effective_ids=os.access in os.supports_effective_ids)
    if path.exists() and not writable:
        return _connect_for_reading(path, "mode=ro&immutable=1")
    if read_only:
        if not path.exists():
            raise StoreError(path, "is not there; run `aur mem index` first")
        return _connect_for_reading(path, "mode=ro")
    _make_private(path)
    try:
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    except sqlite3.OperationalError as error:
        raise StoreError(path, f"cannot be opened ({error}); is the folder writable?") from error
    try:
        with translating_sqlite_errors(path):
            # Before the first table is made: pages that a merge leaves free are given back.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            use_write_ahead_log(connection, wait_s=BUSY_TIMEOUT_S)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA mmap_size = 268435456")
            migrate(connection, path)
    except StoreError:
        connection.close()
        raise
    return connection


def _make_private(path: Path) -> None:
    """Creates the file for its owner alone, before SQLite creates it for all; its log takes over the mode.

    A process that closes a descriptor of a database releases all locks that its connections hold on it, so no thread
    may connect between the two system calls.

    Raises:
        StoreError: the file cannot be created, or is a link: a clone could contain a link that leads anywhere.
    """
    if path.is_symlink():
        raise StoreError(path, "is a link; put the file itself in its place, or delete it")
    try:
        with _making, suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), PRIVATE_FILE))
    except OSError as error:
        raise StoreError(path, f"cannot be opened ({error.strerror}); is the folder writable?") from error
    make_private(path, PRIVATE_FILE)


def _connect_for_reading(path: Path, how: str) -> sqlite3.Connection:
    """Opens a database; if no other process can be writing to it (immutable), without files beside it."""
    log = path.with_name(f"{path.name}-wal")
    if "immutable" in how and log.exists() and log.stat().st_size:
        raise StoreError(path, "has unmerged changes in its log and is read-only; make it writable for one search")
    uri = f"{path.resolve().as_uri()}?{how}"
    try:
        connection = sqlite3.connect(
            uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
    except sqlite3.OperationalError as error:
        raise StoreError(path, f"cannot be opened ({error})") from error
    try:
        with translating_sqlite_errors(path):
            connection.execute("PRAGMA query_only = ON")
            migrate(connection, path)
    except StoreError:
        connection.close()
        raise
    return connection


def is_read_only(connection: sqlite3.Connection) -> bool:
    """Returns True if the database cannot be written where it lies."""
    return bool(connection.execute("PRAGMA query_only").fetchone()[0])


def bump_generation(connection: sqlite3.Connection) -> None:
    """Invalidates what readers cache of the index; inside the caller's transaction."""
    connection.execute(
        "INSERT INTO meta VALUES ('generation', '1') ON CONFLICT DO UPDATE SET value = CAST(value AS INTEGER) + 1"
    )


def generation(connection: sqlite3.Connection) -> int:
    """Returns the number of changes of the index."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'generation'").fetchone()
    return int(row[0]) if row else 0


def last_indexed_at(connection: sqlite3.Connection) -> float | None:
    """Returns the time of the last index, in Unix seconds; None before the first."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'last_indexed_at'").fetchone()
    return float(row[0]) if row else None


@contextmanager
def translating_sqlite_errors(path: Path) -> Iterator[None]:
    """Translates SQLite's errors into this package's errors."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise StoreBusyError(path, "is locked by another process; try again when it has finished") from error
        raise StoreError(path, f"cannot be used ({error})") from error
    except (sqlite3.DatabaseError, zlib.error, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise StoreCorruptError(path, f"is damaged ({error}); run `aur mem rebuild`") from error


@contextmanager
def translating_errors(path: Path) -> Iterator[None]:
    """Translates errors as `translating_sqlite_errors`; impossible stored values are reported as damage."""
    try:
        with translating_sqlite_errors(path):
            yield
    except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as error:
        reason = f"contains data that Aurora did not write ({type(error).__name__}: {error}); run `aur mem rebuild`"
        raise StoreCorruptError(path, reason) from error


@contextmanager
def reading(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Gives all reads inside one snapshot of the database; errors as of `translating_errors`."""
    with translating_errors(path):
        connection.execute("BEGIN")
        try:
            yield
        finally:
            if connection.in_transaction:
                connection.execute("COMMIT")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commits everything inside together, or nothing; one writer at a time."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
