"""The commit up to which the history is stored; reading it needs neither git nor the history."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

__all__ = ["stored_head"]


def stored_head(connection: sqlite3.Connection) -> str:
    """Returns the id of the commit up to which the history is stored; "" if none is."""
    known = connection.execute("SELECT value FROM meta WHERE key = 'history_head'").fetchone()
    return str(known[0]) if known else ""
