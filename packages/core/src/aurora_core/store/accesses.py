"""Accesses of symbols, and earlier answers, in the database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aurora_core.activation import AccessHistory

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

__all__ = ["read_history", "record_accesses", "symbol_of"]


def symbol_of(file: str, name: str) -> str:
    """The key of a symbol's history: it survives an edit of the code."""
    return f"{file}::{name}"


def record_accesses(connection: sqlite3.Connection, symbols: Iterable[str], now: float) -> None:
    """Note one access of each symbol, inside the caller's transaction."""
    for symbol in symbols:
        history = read_history(connection, symbol) or AccessHistory(total=0, first_at=now, recent=())
        after = history.accessed(now)
        connection.execute(
            "INSERT OR REPLACE INTO accesses VALUES (?, ?, ?, ?)",
            (symbol, after.total, after.first_at, json.dumps(after.recent)),
        )


def read_history(connection: sqlite3.Connection, symbol: str) -> AccessHistory | None:
    """A symbol's history; None where it was never used."""
    row = connection.execute("SELECT total, first_at, recent FROM accesses WHERE symbol = ?", (symbol,)).fetchone()
    return row and AccessHistory(total=row[0], first_at=row[1], recent=tuple(json.loads(row[2])))
