"""The tables of the journal, as numbered migrations; a released migration is never edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

APPLICATION_ID: Final = 0x41555252
"""Marks the file as a journal ("AURR")."""

_FIRST: Final = (
    """
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY,
        at REAL NOT NULL,
        run_id TEXT NOT NULL,
        task_id TEXT,
        kind TEXT NOT NULL,
        payload TEXT,
        payload_hash BLOB,
        hash BLOB NOT NULL
    )
    """,
    "CREATE INDEX events_of_run ON events (run_id, seq)",
    """
    CREATE TABLE runs (
        run_id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        state TEXT NOT NULL,
        paused INTEGER NOT NULL DEFAULT 0,
        created_at REAL NOT NULL,
        started_at REAL,
        ended_at REAL,
        cwd TEXT NOT NULL,
        spool TEXT NOT NULL,
        max_concurrent INTEGER NOT NULL,
        default_agent TEXT NOT NULL,
        default_timeout_s REAL,
        lease TEXT,
        holder TEXT
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE tasks (
        run_id TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
        task_id TEXT NOT NULL,
        position INTEGER NOT NULL,
        state TEXT NOT NULL,
        content_hash TEXT NOT NULL,
        spec TEXT NOT NULL,
        added_by TEXT,
        attempts INTEGER NOT NULL DEFAULT 0,
        started_at REAL,
        ended_at REAL,
        result TEXT,
        PRIMARY KEY (run_id, task_id)
    )
    """,
    """
    CREATE TABLE attempts (
        run_id TEXT NOT NULL,
        task_id TEXT NOT NULL,
        number INTEGER NOT NULL,
        state TEXT NOT NULL,
        token TEXT NOT NULL,
        agent TEXT NOT NULL,
        folder TEXT NOT NULL,
        supervisor TEXT,
        intended_at REAL NOT NULL,
        started_at REAL,
        ended_at REAL,
        reason TEXT,
        exit_code INTEGER,
        PRIMARY KEY (run_id, task_id, number),
        FOREIGN KEY (run_id, task_id) REFERENCES tasks ON DELETE CASCADE
    ) WITHOUT ROWID
    """,
    f"PRAGMA application_id = {APPLICATION_ID}",
)

_RECOVERY: Final = (
    """
    CREATE TABLE recoveries (
        run_id TEXT NOT NULL,
        task_id TEXT NOT NULL,
        state TEXT NOT NULL,
        agent TEXT NOT NULL,
        due REAL,
        changes TEXT NOT NULL,
        PRIMARY KEY (run_id, task_id),
        FOREIGN KEY (run_id, task_id) REFERENCES tasks ON DELETE CASCADE
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE breakers (
        run_id TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
        agent TEXT NOT NULL,
        at REAL NOT NULL,
        breaker TEXT NOT NULL,
        PRIMARY KEY (run_id, agent)
    ) WITHOUT ROWID
    """,
)

_CANCELLING: Final = ("ALTER TABLE tasks ADD COLUMN cancel_asked INTEGER NOT NULL DEFAULT 0",)

_OPTIONS: Final = ("ALTER TABLE runs ADD COLUMN options TEXT",)

_WORK: Final = (
    "ALTER TABLE tasks ADD COLUMN worktree TEXT",
    "ALTER TABLE tasks ADD COLUMN branch TEXT",
    "ALTER TABLE tasks ADD COLUMN merge TEXT",
    "ALTER TABLE runs ADD COLUMN delivery TEXT",
)

_CHECKS: Final = (
    "ALTER TABLE tasks ADD COLUMN checking TEXT",
    "ALTER TABLE tasks ADD COLUMN checked TEXT",
)

_REVIEWS: Final = (
    "ALTER TABLE tasks ADD COLUMN returned TEXT",
    "ALTER TABLE tasks ADD COLUMN reviews TEXT",
    "ALTER TABLE attempts ADD COLUMN role TEXT NOT NULL DEFAULT 'work'",
)

_APPROVALS: Final = (
    """
    CREATE TABLE approvals (
        run_id TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
        approval TEXT NOT NULL,
        task_id TEXT NOT NULL,
        number INTEGER NOT NULL,
        agent TEXT NOT NULL,
        gate TEXT NOT NULL,
        subject TEXT NOT NULL,
        rule TEXT NOT NULL,
        reason TEXT NOT NULL,
        shape TEXT NOT NULL,
        limit_s REAL,
        asked_at REAL NOT NULL,
        state TEXT NOT NULL,
        answered_at REAL,
        answered_by TEXT,
        note TEXT NOT NULL DEFAULT '',
        granted INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (run_id, approval)
    ) WITHOUT ROWID
    """,
)

_USERS: Final = ("ALTER TABLE approvals ADD COLUMN answered_user TEXT NOT NULL DEFAULT ''",)

MIGRATIONS: Final = (_FIRST, _RECOVERY, _CANCELLING, _OPTIONS, _WORK, _CHECKS, _REVIEWS, _APPROVALS, _USERS)


def migrate(connection: sqlite3.Connection) -> None:
    """Applies the missing migrations, each in a transaction of its own; a second call changes nothing."""
    while (version := _version(connection)) < len(MIGRATIONS):
        connection.execute("BEGIN IMMEDIATE")
        try:
            if _version(connection) == version:  # another process may have been faster
                for statement in MIGRATIONS[version]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {version + 1}")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
