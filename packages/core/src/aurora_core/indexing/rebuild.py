"""Replaces a damaged memory.db: built again from the files, with what can still be read of the old one."""

from __future__ import annotations

import json
import math
import sqlite3
import zlib
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_core.store.reasoning import Reasoning, read_reasonings

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Salvage", "replace_database", "salvage"]

_DAMAGE = (sqlite3.DatabaseError, zlib.error, UnicodeDecodeError, json.JSONDecodeError, TypeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvage:
    """Accesses and answers of a damaged database, which no file of the project contains.

    Attributes:
        accesses: rows of the accesses table.
    """

    accesses: tuple[tuple[str, int, float, str], ...]
    reasonings: tuple[Reasoning, ...]


def salvage(database: Path) -> Salvage:
    """Reads what is readable of a database that may be damaged or missing; does not change it."""
    accesses: list[tuple[str, int, float, str]] = []
    reasonings: list[Reasoning] = []
    if database.exists():
        with suppress(*_DAMAGE), closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as old:
            with suppress(*_DAMAGE):
                # Row by row: those before the damage are kept.
                rows = old.execute("SELECT symbol, total, first_at, recent FROM accesses")
                accesses.extend(row for row in rows if _is_access(row))
            with suppress(*_DAMAGE):
                reasonings = [reasoning for reasoning in read_reasonings(old) if _is_whole(reasoning)]
    return Salvage(accesses=tuple(accesses), reasonings=tuple(reasonings))


def _is_access(row: tuple[object, ...]) -> bool:
    symbol, total, first_at, recent = row
    if not (isinstance(symbol, str) and isinstance(total, int) and isinstance(first_at, float)):
        return False
    try:
        times = json.loads(recent) if isinstance(recent, str) else None
    except (ValueError, RecursionError):
        return False
    return (
        math.isfinite(first_at)
        and total > 0
        and isinstance(times, list)
        and all(isinstance(time, int | float) and math.isfinite(time) for time in times)
    )


def _is_whole(reasoning: Reasoning) -> bool:
    texts = (reasoning.query, reasoning.run_id, reasoning.project, *reasoning.sources)
    numbers = (reasoning.score, reasoning.created_at)
    return all(isinstance(text, str) for text in texts) and all(
        isinstance(number, int | float) and math.isfinite(number) for number in numbers
    )


def replace_database(fresh: Path, database: Path) -> None:
    """Puts a finished database in the place of another atomically.

    The old one's log is removed first, so that it is never taken for the new one's.
    """
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    fresh.replace(database)
