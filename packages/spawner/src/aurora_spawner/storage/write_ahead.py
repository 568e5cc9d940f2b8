"""SQLite's write-ahead log, switched on safely by several processes at once."""

from __future__ import annotations

import sqlite3
import time
from typing import Final

_PAUSE_S: Final = 0.01


def use_write_ahead_log(connection: sqlite3.Connection, *, wait_s: float) -> None:
    """Switches a database to a write-ahead log; the file keeps that setting.

    If two connections switch at once, SQLite fails one of them whatever its timeout, since each would wait for the
    other's lock. One connection succeeds, and the other finds the log when it tries again.

    Args:
        wait_s: Seconds to try again for; the connection's own timeout counts only afterwards.

    Raises:
        sqlite3.Error: The file cannot be changed, or stayed locked.
    """
    until = time.monotonic() + wait_s
    (own_timeout_ms,) = connection.execute("PRAGMA busy_timeout").fetchone()
    try:
        while not _switched(connection, until):
            time.sleep(_PAUSE_S)
    finally:
        connection.execute(f"PRAGMA busy_timeout = {own_timeout_ms}")


def _switched(connection: sqlite3.Connection, until: float) -> bool:
    """Switches, waiting for a lock no longer than `until`; returns False if it is to be tried again."""
    rest_ms = round((until - time.monotonic()) * 1000)
    connection.execute(f"PRAGMA busy_timeout = {max(rest_ms, 0)}")
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > until:
            raise
        return False
    return True
