"""The ledger's database: its tables, and every question that is put to them. Amounts are micros."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

from aurora_policies.errors import BudgetStoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["transaction"]

BUSY_S: Final = 30.0
_MIGRATIONS: Final = (
    """
    CREATE TABLE entries (
        token TEXT PRIMARY KEY,
        run_id TEXT NOT NULL,
        task_id TEXT NOT NULL,
        agent TEXT NOT NULL,
        model TEXT,
        at REAL NOT NULL,
        month TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('reserved', 'settled', 'released')),
        first_reserved INTEGER NOT NULL,
        reserved INTEGER NOT NULL,
        spent INTEGER NOT NULL DEFAULT 0,
        cost INTEGER,
        estimated INTEGER NOT NULL DEFAULT 0,
        forgiven INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX entries_by_month ON entries (month, forgiven);
    CREATE INDEX entries_by_run ON entries (run_id);
    CREATE INDEX entries_by_kind ON entries (agent, model, at) WHERE state = 'settled' AND estimated = 0;
    CREATE TABLE limits (name TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE resets (at REAL NOT NULL, month TEXT NOT NULL, forgiven INTEGER NOT NULL);
    """,
)


@contextmanager
def transaction(path: Path) -> Iterator[sqlite3.Connection]:
    """One unit of work that nobody else writes into meanwhile; made final at its end, undone if it raises.

    Raises:
        BudgetStoreError: the file cannot be used, or somebody kept it locked for too long.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)) as connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] != len(_MIGRATIONS):
                _prepare(connection)
            connection.execute("PRAGMA synchronous = NORMAL")  # a power cut ends the agents, too
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise BudgetStoreError(path, _meaning(error)) from error
    except OSError as error:
        raise BudgetStoreError(path, f"cannot be used: {error.strerror}") from error


def _prepare(connection: sqlite3.Connection) -> None:
    """Bring an older file, or an empty one, up to date."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(_MIGRATIONS):
        raise sqlite3.DatabaseError("it was written by a newer Aurora; update this one")
    for number, script in enumerate(_MIGRATIONS[version:], start=version + 1):
        for statement in filter(str.strip, script.split(";")):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
    connection.execute("COMMIT")


def _meaning(error: sqlite3.Error) -> str:
    if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
        return f"was kept locked by somebody else for {BUSY_S:.0f} s; try again"
    if isinstance(error, sqlite3.OperationalError):
        return f"cannot be used: {error}"
    return f"cannot be trusted: {error}; move it away to begin a new one, what was spent is then not known"
