"""The ledger's database: its tables, and the valid values of their rows. Amounts are micros.

A row with a value that no version of Aurora writes is in an index of such rows, so that each transaction can check
for them at no cost. If there is one, nothing is granted or shown: its amount would be missing in every sum.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Final

from aurora_policies.budget.write_ahead import use_write_ahead_log
from aurora_policies.errors import BudgetStoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["MAX_MICROS", "transaction", "wrong_value"]

BUSY_S: Final = 30.0
OWN_FOLDER: Final = ".aurora"
_making: Final = threading.Lock()
MAX_MICROS: Final = 1_000_000_000_000_000
"""The largest stored amount, in micros."""
_LAST_MOMENT: Final = 253_402_300_799
"""The end of the year 9999, Unix time."""
_IS_TEXT: Final = "typeof({0}) IS NOT 'text'"
_IS_AMOUNT: Final = f"(typeof({{0}}) IS NOT 'integer' OR {{0}} NOT BETWEEN 0 AND {MAX_MICROS})"
_IS_AMOUNT_OR_NULL: Final = f"({{0}} IS NOT NULL AND {_IS_AMOUNT})"
_IS_FLAG: Final = "(typeof({0}) IS NOT 'integer' OR {0} NOT IN (0, 1))"
_WRONG: Final = {
    "token": _IS_TEXT,
    "run_id": _IS_TEXT,
    "task_id": _IS_TEXT,
    "agent": _IS_TEXT,
    "model": "({0} IS NOT NULL AND typeof({0}) IS NOT 'text')",
    "at": f"(typeof({{0}}) IS NOT 'real' OR {{0}} NOT BETWEEN 0 AND {_LAST_MOMENT})",
    "month": "(typeof({0}) IS NOT 'text' OR {0} NOT GLOB '[0-9][0-9][0-9][0-9]-[0-1][0-9]')",
    "state": "(typeof({0}) IS NOT 'text' OR {0} NOT IN ('reserved', 'settled', 'released'))",
    "first_reserved": _IS_AMOUNT,
    "reserved": _IS_AMOUNT,
    "spent": _IS_AMOUNT,
    "cost": f"({_IS_AMOUNT_OR_NULL} OR (state = 'settled') IS NOT ({{0}} IS NOT NULL))",
    "estimated": _IS_FLAG,
    "forgiven": _IS_FLAG,
    "allowance": _IS_AMOUNT_OR_NULL,
    "step": _IS_AMOUNT,
}
"""The condition, by column of `entries`, of values that Aurora does not write.

An index repeats it word for word, so that a change needs a migration.
"""
_ANY_WRONG: Final = " OR ".join(condition.format(column) for column, condition in _WRONG.items())
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
    f"""
    ALTER TABLE entries ADD COLUMN allowance INTEGER;
    ALTER TABLE entries ADD COLUMN step INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX entries_wrong ON entries (token) WHERE {_ANY_WRONG};
    CREATE INDEX entries_by_step ON entries (agent, model, at) WHERE step > 0;
    """,
)


@contextmanager
def transaction(path: Path) -> Iterator[sqlite3.Connection]:
    """Runs a unit of work that no other process interrupts; commits at its end, rolls back if it raises.

    Raises:
        BudgetStoreError: the file cannot be used, or another process kept it locked for too long.
    """
    try:
        _keep_private(path)
        with closing(sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)) as connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] != len(_MIGRATIONS):
                _prepare(connection)
            connection.execute("PRAGMA synchronous = NORMAL")  # a power cut ends the agents, too
            connection.execute("BEGIN IMMEDIATE")
            try:
                _check(connection, path)
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise BudgetStoreError(path, _meaning(error)) from error
    except OSError as error:
        raise BudgetStoreError(path, f"cannot be used: {error.strerror}") from error


def _keep_private(path: Path) -> None:
    """Creates the missing file and folder; only the user can read the file, whatever the umask is.

    An existing folder keeps its mode, unless it is named `.aurora`: another folder may be shared on purpose.

    A process that closes a descriptor of a database releases all locks that its connections hold on it, so no thread
    may connect between the two calls that create it. SQLite gives its side files the mode of the database.
    """
    folder = path.parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.name == OWN_FOLDER and not folder.is_symlink():
        _take_from_others(folder, 0o700)
    with _making, suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    for each in (path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))):
        with suppress(FileNotFoundError):
            _take_from_others(each, 0o600)


def _take_from_others(path: Path, mode: int) -> None:
    there = path.stat()
    if there.st_mode & 0o777 & ~mode and there.st_uid == os.geteuid():
        path.chmod(mode)


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Refuses a ledger with a row that Aurora did not write.

    Raises:
        BudgetStoreError: names the first such row, its column and its value.
    """
    query = f"SELECT rowid FROM entries INDEXED BY entries_wrong WHERE {_ANY_WRONG} LIMIT 1"  # noqa: S608 - a constant
    found = connection.execute(query).fetchone()
    if found is None:
        return
    for column, condition in _WRONG.items():
        wrong = f"SELECT quote({column}) FROM entries WHERE rowid = ? AND {condition.format(column)}"  # noqa: S608 - a constant
        value = connection.execute(wrong, found).fetchone()
        if value:
            raise BudgetStoreError(path, wrong_value("entries", found[0], column, str(value[0])))
    raise BudgetStoreError(path, wrong_value("entries", found[0], "?", "damaged"))


def wrong_value(table: str, row: object, column: str, value: str) -> str:
    """Returns the message about an invalid value in the ledger, with what to do about it."""
    return (
        f"table {table}, row {row}: {column} is {value[:80]}, which Aurora does not write there; correct it, or "
        "move the file away to start a new ledger, without the costs so far"
    )


def _prepare(connection: sqlite3.Connection) -> None:
    """Migrates an older or empty file to the current schema."""
    use_write_ahead_log(connection, wait_s=BUSY_S)
    connection.execute("BEGIN IMMEDIATE")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if not 0 <= version <= len(_MIGRATIONS):
        raise sqlite3.DatabaseError("it was written by a newer Aurora; update this one")
    for number, script in enumerate(_MIGRATIONS[version:], start=version + 1):
        for statement in filter(str.strip, script.split(";")):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
    connection.execute("COMMIT")


def _meaning(error: sqlite3.Error) -> str:
    if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
        return f"was locked by another process for {BUSY_S:.0f} s; try again"
    if isinstance(error, sqlite3.OperationalError):
        return f"cannot be used: {error}"
    return f"cannot be trusted: {error}; move it away to start a new ledger, without the costs so far"
