"""Errors of SQLite and of the system, in terms of the journal."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aurora_spawner.errors import JournalCorruptError, JournalError, JournalLockedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turns errors of SQLite and of the system into ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(path, error) from error
    except UnicodeDecodeError as error:  # SQLite hands out the bytes of a damaged page, and in its messages, too
        raise JournalCorruptError(path, f"is damaged ({error}); move it away, or restore it from a copy") from error
    except OSError as error:
        raise JournalError(path, f"cannot be used: {error.strerror or error}") from error


def _translate(path: Path, error: sqlite3.Error) -> JournalError:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return JournalLockedError(path, "another process has locked the journal; end that process, or try again")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return JournalCorruptError(path, f"is damaged ({error}); move it away, or restore it from a copy")
    if name.startswith("SQLITE_FULL"):
        return JournalError(path, "the disk is full; make room and resume the run")
    if name.startswith("SQLITE_READONLY"):
        return JournalError(path, "cannot be written; check who owns the file and its folder")
    return JournalError(path, f"cannot be used: {error}")
