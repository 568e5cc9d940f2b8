"""A new memory.db in place of a damaged one: made again from the files, with what can still be read of the old."""

from __future__ import annotations

import json
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
    """What no file of the project holds.

    Attributes:
        accesses: rows of the accesses table.
    """

    accesses: tuple[tuple[str, int, float, str], ...]
    reasonings: tuple[Reasoning, ...]


def salvage(database: Path) -> Salvage:
    """Read what can still be read of a database that may be damaged or missing; it is not changed."""
    accesses: list[tuple[str, int, float, str]] = []
    reasonings: list[Reasoning] = []
    if database.exists():
        with suppress(*_DAMAGE), closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as old:
            with suppress(*_DAMAGE):
                # Row by row: those before the damage are kept.
                accesses.extend(old.execute("SELECT symbol, total, first_at, recent FROM accesses"))
            with suppress(*_DAMAGE):
                reasonings = read_reasonings(old)
    return Salvage(accesses=tuple(accesses), reasonings=tuple(reasonings))


def replace_database(fresh: Path, database: Path) -> None:
    """Put a finished database in the place of another in one step.

    The old one's log goes first: it must never be taken for the new one's.
    """
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    fresh.replace(database)
