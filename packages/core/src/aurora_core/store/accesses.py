"""The accesses of symbols in the database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aurora_core.activation import AccessHistory

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

__all__ = ["last_symbols", "read_histories", "record_accesses", "restore_accesses", "symbol_of"]


def symbol_of(file: str, name: str) -> str:
    """Returns the key of a symbol's history, which an edit of the code keeps."""
    return f"{file}::{name}"


def record_accesses(connection: sqlite3.Connection, symbols: Iterable[str], now: float) -> None:
    """Records one access of each symbol, inside the caller's transaction."""
    wanted = set(symbols)
    known = read_histories(connection, wanted)
    for symbol in wanted:
        after = known.get(symbol, AccessHistory(total=0, first_at=now, recent=())).accessed(now)
        connection.execute(
            "INSERT OR REPLACE INTO accesses (symbol, total, first_at, recent, last_at) VALUES (?, ?, ?, ?, ?)",
            (symbol, after.total, after.first_at, json.dumps(after.recent), now),
        )


def last_symbols(connection: sqlite3.Connection, *, since: float, limit: int) -> list[str]:
    """Returns the symbols used last, after a time in Unix seconds, newest first."""
    rows = connection.execute(
        "SELECT symbol FROM accesses WHERE last_at >= ? ORDER BY last_at DESC, symbol LIMIT ?", (since, limit)
    )
    return [symbol for (symbol,) in rows]


def restore_accesses(connection: sqlite3.Connection, rows: Iterable[tuple[str, int, float, str]]) -> None:
    """Inserts (symbol, total, first_at, recent) of another database, inside the caller's transaction."""
    connection.executemany(
        """INSERT OR REPLACE INTO accesses (symbol, total, first_at, recent, last_at)
           VALUES (?1, ?2, ?3, ?4, coalesce(json_extract(?4, '$[#-1]'), ?3))""",
        rows,
    )


def read_histories(connection: sqlite3.Connection, symbols: Iterable[str]) -> dict[str, AccessHistory]:
    """Returns the histories of symbols; symbols that were never used are left out."""
    wanted = tuple(set(symbols))
    marks = ",".join("?" * len(wanted))
    rows = connection.execute(
        f"SELECT symbol, total, first_at, recent FROM accesses WHERE symbol IN ({marks})",  # noqa: S608 - marks only
        wanted,
    )
    return {
        symbol: AccessHistory(total=total, first_at=first, recent=tuple(json.loads(recent)))
        for symbol, total, first, recent in rows
    }
