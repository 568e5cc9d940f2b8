"""A lost journal, written back: what happened to its file, and a copy of the open one in its place."""

from __future__ import annotations

import fcntl
import itertools
import os
import sqlite3
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from aurora_spawner.journal.places import FileIdentity, beside
from aurora_spawner.journal.schema import APPLICATION_ID
from aurora_spawner.storage.private_files import make_private_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Identities = tuple[FileIdentity | None, FileIdentity | None]
"""Of the database and of its log; None for a file that is not there."""


def identities(path: Path) -> Identities:
    """Returns the identities of the database and of its log."""
    return FileIdentity.of(path), FileIdentity.of(beside(path)[0])


def what_happened(path: Path, opened: Identities) -> str | None:
    """Describes a change of the opened files; None if they are in place."""
    now = identities(path)
    if now[0] != opened[0]:
        return "was removed during the run" if now[0] is None else "was replaced during the run"
    if opened[1] is not None and now[1] != opened[1]:
        return "has lost its log (runs.db-wal) during the run"
    return None


@contextmanager
def sole_writer(folder: Path) -> Iterator[int]:
    """Lets one coordinator at a time write a journal of a folder back; yields a descriptor of the folder.

    A coordinator that replaced the copy of another would take the facts that the other has written since.
    """
    while True:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(descriptor), folder.stat()):  # else it was removed while this waited
                yield descriptor
                return
        finally:
            os.close(descriptor)


def put_copy(connection: sqlite3.Connection, path: Path, opened: Identities, run_id: str) -> Path:
    """Copies an open journal into its place, or beside another file; returns the journal to continue with.

    Args:
        opened: The identities of the open files.
        run_id: The run whose coordinator has it open.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    draft.unlink(missing_ok=True)
    try:
        make_private_file(draft)
        connection.execute("VACUUM INTO ?", (str(draft),))
        _make_durable(draft)
        uri = _uri_without_log(path, opened[1])
        older = FileIdentity.of(path) in (None, opened[0]) or _has_all_of(connection, uri)
        return _put(draft, path, run_id, uri, over=older)
    finally:
        draft.unlink(missing_ok=True)


def _uri_without_log(path: Path, log: FileIdentity | None) -> str:
    """Returns how to read what stands in the place of a journal: as it is, if the log beside it is the journal's.

    SQLite would read that log over any file, and take somebody else's for the journal.
    """
    ours = log is not None and FileIdentity.of(beside(path)[0]) == log
    return f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if ours else ''}"


def _has_all_of(whole: sqlite3.Connection, uri: str) -> bool:
    """Returns True if a file is an older state of an open journal, or a journal without an event."""
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                return False
            last = connection.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
    except sqlite3.Error:
        return False
    return last is None or last in whole.execute("SELECT seq, hash FROM events WHERE seq = ?", last[:1])


def _make_durable(draft: Path) -> None:
    """Waits until a copy is on the disk; VACUUM does not."""
    descriptor = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _put(draft: Path, path: Path, run_id: str, uri: str, *, over: bool) -> Path:
    """Gives a complete copy its name; returns the journal to continue with.

    Args:
        uri: Reads what stands in the place.
        over: True if the place has no event that the copy lacks.
    """
    if over:
        for each in beside(path):  # of the lost file: SQLite would take its log for the copy's
            each.unlink(missing_ok=True)
        draft.replace(path)
        return path
    if _has_run(uri, run_id):  # another coordinator of this project was faster
        return path
    names = (f"{path.name}.rescued-{int(time.time())}-{number}" for number in itertools.count(1))
    target = next(each for each in map(path.with_name, names) if not each.exists())
    draft.replace(target)
    return target


def _has_run(uri: str, run_id: str) -> bool:
    """Returns True if a file is a journal with a run."""
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            ours = connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
            found = connection.execute("SELECT 1 FROM runs WHERE run_id = ?", (run_id,)).fetchone() if ours else None
            return found is not None
    except sqlite3.Error:
        return False
