"""The tables of memory.db, as numbered steps from an empty file; a released step is never edited."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

from aurora_core.errors import StoreCorruptError, StoreError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SCHEMA_VERSION", "migrate"]

_STEPS: Final[tuple[tuple[str, ...], ...]] = (
    (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        # text is the file as indexed, compressed; chunks are runs of its lines.
        """CREATE TABLE files (
            id INTEGER PRIMARY KEY,
            path TEXT NOT NULL UNIQUE,
            digest BLOB NOT NULL,
            size INTEGER NOT NULL,
            mtime_ns INTEGER NOT NULL,
            text BLOB NOT NULL
        )""",
        # AUTOINCREMENT: an id is never used again, so a dead posting cannot point at a new chunk.
        """CREATE TABLE chunks (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            file_id INTEGER NOT NULL REFERENCES files (id) ON DELETE CASCADE,
            kind TEXT NOT NULL,
            symbol_type TEXT NOT NULL,
            name TEXT NOT NULL,
            short_name TEXT NOT NULL,
            line_start INTEGER NOT NULL,
            line_end INTEGER NOT NULL,
            signature TEXT NOT NULL
        )""",
        "CREATE INDEX chunks_by_file ON chunks (file_id)",
        "CREATE INDEX chunks_by_short_name ON chunks (short_name)",
        # Parallel arrays, one element a chunk; dead marks removed ones.
        """CREATE TABLE segments (
            id INTEGER PRIMARY KEY,
            ids BLOB NOT NULL,
            files BLOB NOT NULL,
            bodies BLOB NOT NULL,
            heads BLOB NOT NULL,
            kinds BLOB NOT NULL,
            tests BLOB NOT NULL,
            dead BLOB NOT NULL
        )""",
        # entries: df little-endian int32 places in the segment, df bytes of body and df bytes of head frequency.
        """CREATE TABLE postings (
            term TEXT NOT NULL,
            segment INTEGER NOT NULL REFERENCES segments (id) ON DELETE CASCADE,
            entries BLOB NOT NULL,
            PRIMARY KEY (term, segment)
        ) WITHOUT ROWID""",
        # What past commits say: postings over their messages, the files of each, and each file's last change.
        "CREATE TABLE history_postings (term TEXT PRIMARY KEY, entries BLOB NOT NULL) WITHOUT ROWID",
        """CREATE TABLE history_files (
            only INTEGER PRIMARY KEY CHECK (only = 1), lengths BLOB NOT NULL, files BLOB NOT NULL
        )""",
        "CREATE TABLE history_changes (path TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID",
        # Keyed by symbol, so that an edit of the code keeps its history.
        """CREATE TABLE accesses (
            symbol TEXT PRIMARY KEY,
            total INTEGER NOT NULL,
            first_at REAL NOT NULL,
            recent TEXT NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE reasoning (
            file_id INTEGER PRIMARY KEY REFERENCES files (id) ON DELETE CASCADE,
            query TEXT NOT NULL,
            score REAL NOT NULL,
            sources TEXT NOT NULL,
            run_id TEXT NOT NULL,
            created_at REAL NOT NULL
        )""",
    ),
    (
        # By segment first: a segment is written, merged and dropped as one run of pages.
        """CREATE TABLE postings_by_segment (
            segment INTEGER NOT NULL REFERENCES segments (id) ON DELETE CASCADE,
            term TEXT NOT NULL,
            entries BLOB NOT NULL,
            PRIMARY KEY (segment, term)
        ) WITHOUT ROWID""",
        "INSERT INTO postings_by_segment SELECT segment, term, entries FROM postings ORDER BY segment, term",
        "DROP TABLE postings",
        "ALTER TABLE postings_by_segment RENAME TO postings",
        # Apart from the segments' arrays, which never change: a removed chunk costs one byte to write, not thirty.
        """CREATE TABLE deaths (
            segment INTEGER PRIMARY KEY REFERENCES segments (id) ON DELETE CASCADE, dead BLOB NOT NULL
        )""",
        "INSERT INTO deaths SELECT id, dead FROM segments",
        "ALTER TABLE segments DROP COLUMN dead",
    ),
    (
        # What a file mentions and offers, as arrays of little-endian uint32 keys, and the edges between files.
        """CREATE TABLE links (
            file_id INTEGER PRIMARY KEY REFERENCES files (id) ON DELETE CASCADE,
            imports BLOB NOT NULL,
            calls BLOB NOT NULL,
            offers BLOB NOT NULL
        )""",
        """CREATE TABLE graph (
            only INTEGER PRIMARY KEY CHECK (only = 1),
            sources BLOB NOT NULL,
            targets BLOB NOT NULL,
            weights BLOB NOT NULL
        )""",
        "ALTER TABLE history_changes ADD COLUMN commits INTEGER NOT NULL DEFAULT 1",
        "DELETE FROM meta WHERE key = 'history_head'",
        "ALTER TABLE accesses ADD COLUMN last_at REAL NOT NULL DEFAULT 0",
        "UPDATE accesses SET last_at = coalesce(json_extract(recent, '$[#-1]'), first_at)",
        "CREATE INDEX accesses_by_last ON accesses (last_at)",
        # Chunks are indexed with more than before, so every file is read again.
        "UPDATE files SET digest = x'', mtime_ns = -1 WHERE path NOT LIKE '.aurora/reasoning/%'",
    ),
    (
        # Little-endian float16, of length 1; the model's name is in meta.
        """CREATE TABLE vectors (
            chunk_id INTEGER PRIMARY KEY REFERENCES chunks (id) ON DELETE CASCADE, vector BLOB NOT NULL
        )""",
        # The project that an answer was given in: another one's, where the user lets projects share them.
        "ALTER TABLE reasoning ADD COLUMN project TEXT NOT NULL DEFAULT ''",
    ),
    (
        # Why a file has no chunks, or how it was cut; files without chunks are read again to learn that.
        "ALTER TABLE files ADD COLUMN note TEXT NOT NULL DEFAULT ''",
        """UPDATE files SET digest = x'', mtime_ns = -1 WHERE path NOT LIKE '.aurora/reasoning/%'
           AND NOT EXISTS (SELECT 1 FROM chunks WHERE file_id = files.id)""",
        # What the last look at the whole project passed over; examples are separated by NUL.
        """CREATE TABLE left_out (
            reason TEXT PRIMARY KEY, count INTEGER NOT NULL, examples TEXT NOT NULL
        ) WITHOUT ROWID""",
    ),
    (
        # Number of files by suffix, as a JSON object.
        "ALTER TABLE left_out ADD COLUMN kinds TEXT NOT NULL DEFAULT '{}'",
        # Times of the commits, little-endian int64; the history is read again, now with renames.
        "ALTER TABLE history_files ADD COLUMN times BLOB NOT NULL DEFAULT x''",
        "DELETE FROM meta WHERE key = 'history_head'",
        # A note stands behind the text in its row; without this, all texts would be read to find the few notes.
        "CREATE INDEX files_with_note ON files (note, path) WHERE note != ''",
        # More languages are parsed, and more definitions found in each, so every file is cut again.
        "UPDATE files SET digest = x'', mtime_ns = -1 WHERE path NOT LIKE '.aurora/reasoning/%'",
    ),
    (
        # What an answer cites, with its digest: an answer whose code has changed since is not used again.
        "ALTER TABLE reasoning ADD COLUMN evidence TEXT NOT NULL DEFAULT '[]'",
    ),
)
SCHEMA_VERSION: Final = len(_STEPS)


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Brings a database to the newest schema, each step in one transaction; a second call changes nothing.

    Raises:
        StoreError: a newer Aurora wrote it.
        StoreCorruptError: the file is not a database.
    """
    try:
        version = _version(connection)
        if version == SCHEMA_VERSION:
            return
        if connection.execute("PRAGMA query_only").fetchone()[0]:
            raise StoreError(
                path,
                f"has schema {version}, this Aurora needs {SCHEMA_VERSION}; open it once where it can be written",
            )
        if version > SCHEMA_VERSION:
            raise StoreError(path, f"has schema {version}, this Aurora knows {SCHEMA_VERSION}; update Aurora")
        connection.execute("BEGIN IMMEDIATE")
        for step in range(_version(connection), SCHEMA_VERSION):
            for statement in _STEPS[step]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {step + 1}")
        connection.execute("COMMIT")
    except sqlite3.DatabaseError as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise StoreCorruptError(path, f"is damaged ({error}); run `aur mem rebuild`") from error


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
