"""Reads of what recovery has left in the journal: of the tasks of a run, and of earlier runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aurora_spawner.journal.sqlite_errors import translated
from aurora_spawner.journal.views import as_written, rows_of
from aurora_spawner.storage.stored_values import document, documents, number, read_fields, text

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from aurora_spawner.journal.store import Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryRow:
    """The recovery of a task as the journal has it."""

    task_id: str
    state: str
    agent: str
    due: float | None
    """The time from which it may be retried, Unix time; None if it does not wait for a retry."""
    changes: list[dict[str, Any]]
    """Its changes of state since it started, or was reopened."""


def load_recoveries(journal: Journal, run_id: str, *, open_only: bool = False) -> list[RecoveryRow]:
    """Returns the recovery of every started task of a run, in their order; `open_only` leaves out settled tasks."""
    query = """
        SELECT recoveries.task_id AS task_id, recoveries.state AS state, recoveries.agent AS agent, due, changes
        FROM recoveries JOIN tasks USING (run_id, task_id)
        WHERE run_id = ? AND (NOT ? OR tasks.state IN ('pending', 'running')) ORDER BY position
        """
    with translated(journal.path):
        rows = rows_of(journal, (query, (run_id, open_only)))
    return [_recovery(row, journal.path, run_id) for row in rows]


def load_breakers(journal: Journal) -> list[tuple[str, dict[str, Any]]]:
    """Returns the latest circuit breaker of every agent, with the run that changed it."""
    query = "SELECT run_id, breaker, max(at) FROM breakers GROUP BY agent ORDER BY agent"
    with translated(journal.path):
        rows = rows_of(journal, (query, ()))
    return [_breaker(row, journal.path) for row in rows]


def load_durations(journal: Journal, *, newest: int) -> list[tuple[str, float]]:
    """Returns agent and duration in seconds of the newest tasks that succeeded, of all runs."""
    query = """
        SELECT json_extract(result, '$.agent') AS agent, json_extract(result, '$.execution_time') AS duration_s
        FROM tasks WHERE state = 'succeeded' ORDER BY ended_at DESC LIMIT ?
        """
    with translated(journal.path):
        rows = rows_of(journal, (query, (newest,)))
    with as_written(journal.path, "the durations of tasks"):
        return [(text(row["agent"]), number(row["duration_s"])) for row in rows]


def load_failures(journal: Journal, *, newest: int) -> list[list[dict[str, Any]]]:
    """Returns the changes of state of the newest tasks with a failure, of all runs."""
    query = """
        SELECT changes FROM recoveries JOIN tasks USING (run_id, task_id)
        WHERE json_array_length(changes) > 2 OR recoveries.state = 'failed' ORDER BY ended_at DESC LIMIT ?
        """
    with translated(journal.path):
        rows = rows_of(journal, (query, (newest,)))
    with as_written(journal.path, "the recovery of tasks"):
        return [documents(row["changes"]) for row in rows]


def _recovery(row: sqlite3.Row, journal: Path, run_id: str) -> RecoveryRow:
    with as_written(journal, f"run {run_id}, task {row['task_id']}: its recovery"):
        return RecoveryRow(**read_fields(RecoveryRow, dict(row), {"list[dict[str, Any]]": documents}))


def _breaker(row: sqlite3.Row, journal: Path) -> tuple[str, dict[str, Any]]:
    with as_written(journal, f"run {row['run_id']}: a circuit breaker"):
        return text(row["run_id"]), document(row["breaker"])
