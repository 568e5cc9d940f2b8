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
        wait_s: Seconds to try again for.

    Raises:
        sqlite3.Error: The file cannot be changed, or stayed locked.
    """
    until = time.monotonic() + wait_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > until:
                raise
            time.sleep(_PAUSE_S)
        else:
            return
