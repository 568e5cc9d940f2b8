"""What the journal knows, read for people and for a resume; readers never block the writer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aurora_spawner.errors import UnknownRunError
from aurora_spawner.identity import ProcessIdentity
from aurora_spawner.journal.store import translated
from aurora_spawner.result import RunState, SpawnResult, TaskState, result_from_json
from aurora_spawner.task import SpawnTask, task_from_json

if TYPE_CHECKING:
    from aurora_spawner.journal.store import Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A run as the journal has it."""

    run_id: str
    kind: str
    state: RunState
    paused: bool
    created_at: float
    started_at: float | None
    ended_at: float | None
    cwd: Path
    spool: Path
    max_concurrent: int
    default_agent: str
    default_timeout_s: float | None
    holder: ProcessIdentity | None
    """The coordinator that works on it, or that died doing so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """A task as the journal has it."""

    task_id: str
    position: int
    state: TaskState
    task: SpawnTask
    added_by: str | None
    """The task whose result asked for this one."""
    attempts: int
    started_at: float | None
    ended_at: float | None
    result: SpawnResult | None
    cancel_asked: bool
    """The user wants it ended; where it is not settled, nobody has come to do so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One attempt at a task."""

    task_id: str
    number: int
    state: str
    """intended, started or ended."""
    token: str
    agent: str
    folder: Path
    supervisor: ProcessIdentity | None
    intended_at: float
    started_at: float | None
    ended_at: float | None
    reason: str | None
    exit_code: int | None


_RUN_COLUMNS = (
    "run_id, kind, state, paused, created_at, started_at, ended_at, cwd, spool, max_concurrent, default_agent,"
    " default_timeout_s, holder"
)


def list_runs(journal: Journal, *, limit: int | None = None) -> list[RunRow]:
    """Runs, the newest first."""
    with translated(journal.path):
        rows = journal.connection.execute(
            f"SELECT {_RUN_COLUMNS} FROM runs ORDER BY created_at DESC, run_id DESC LIMIT ?",  # noqa: S608
            (-1 if limit is None else limit,),
        )
        return [_run(row) for row in rows]


def load_run(journal: Journal, run_id: str) -> RunRow:
    """One run.

    Raises:
        UnknownRunError: There is none of that name.
    """
    with translated(journal.path):
        row = journal.connection.execute(
            f"SELECT {_RUN_COLUMNS} FROM runs WHERE run_id = ?",  # noqa: S608
            (run_id,),
        ).fetchone()
    if row is None:
        raise UnknownRunError(run_id, tuple(run.run_id for run in list_runs(journal, limit=3)))
    return _run(row)


def load_tasks(journal: Journal, run_id: str) -> list[TaskRow]:
    """The tasks of a run in their order."""
    with translated(journal.path):
        rows = journal.connection.execute(
            "SELECT task_id, position, state, spec, attempts, started_at, ended_at, result, added_by,"
            " cancel_asked"
            " FROM tasks WHERE run_id = ? ORDER BY position",
            (run_id,),
        )
        names: dict[str, str] = {}
        return [_task(row, names) for row in rows]


def count_tasks(journal: Journal, run_id: str) -> dict[TaskState, int]:
    """How many tasks of a run are in each state; states without tasks are left out."""
    with translated(journal.path):
        rows = journal.connection.execute(
            "SELECT state, count(*) FROM tasks WHERE run_id = ? GROUP BY state", (run_id,)
        )
        return {TaskState(state): count for state, count in rows}


def load_attempts(
    journal: Journal, run_id: str, *, task_id: str | None = None, open_only: bool = False
) -> list[AttemptRow]:
    """The attempts of a run, or of one of its tasks, as they came; `open_only` leaves out those that have ended."""
    with translated(journal.path):
        rows = journal.connection.execute(
            """
            SELECT task_id, number, state, token, agent, folder, supervisor, intended_at, started_at, ended_at,
                reason, exit_code
            FROM attempts WHERE run_id = ? AND (NOT ? OR state <> 'ended')
                AND (? IS NULL OR task_id = ?)
            ORDER BY intended_at, number
            """,
            (run_id, open_only, task_id, task_id),
        )
        return [_attempt(row) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryRow:
    """The recovery of a task as the journal has it."""

    task_id: str
    state: str
    agent: str
    due: float | None
    """When it may be retried, Unix time, where it waits for that."""
    changes: list[dict[str, Any]]
    """Its changes of state since it began, or was opened again."""


def load_recoveries(journal: Journal, run_id: str, *, open_only: bool = False) -> list[RecoveryRow]:
    """The recovery of every task of a run that has begun, in their order; `open_only` leaves out settled tasks."""
    with translated(journal.path):
        rows = journal.connection.execute(
            """
            SELECT recoveries.task_id, recoveries.state, recoveries.agent, due, changes
            FROM recoveries JOIN tasks USING (run_id, task_id)
            WHERE run_id = ? AND (NOT ? OR tasks.state IN ('pending', 'running')) ORDER BY position
            """,
            (run_id, open_only),
        )
        return [
            RecoveryRow(task_id=task_id, state=state, agent=agent, due=due, changes=json.loads(changes))
            for task_id, state, agent, due, changes in rows
        ]


def load_breakers(journal: Journal) -> list[tuple[str, dict[str, Any]]]:
    """The circuit breaker of every agent as the last run that moved it left it, with that run."""
    with translated(journal.path):
        rows = journal.connection.execute(
            "SELECT run_id, breaker, max(at) FROM breakers GROUP BY agent ORDER BY agent"
        )
        return [(run_id, json.loads(breaker)) for run_id, breaker, _at in rows]


def load_durations(journal: Journal, *, newest: int) -> list[tuple[str, float]]:
    """Agent and duration in seconds of the newest tasks that succeeded, of all runs."""
    with translated(journal.path):
        return journal.connection.execute(
            """
            SELECT json_extract(result, '$.agent'), json_extract(result, '$.execution_time') FROM tasks
            WHERE state = 'succeeded' ORDER BY ended_at DESC LIMIT ?
            """,
            (newest,),
        ).fetchall()


def load_failures(journal: Journal, *, newest: int) -> list[list[dict[str, Any]]]:
    """The changes of state of the newest tasks of which something failed, of all runs."""
    with translated(journal.path):
        rows = journal.connection.execute(
            """
            SELECT changes FROM recoveries JOIN tasks USING (run_id, task_id)
            WHERE json_array_length(changes) > 2 OR recoveries.state = 'failed' ORDER BY ended_at DESC LIMIT ?
            """,
            (newest,),
        )
        return [json.loads(changes) for (changes,) in rows]


def _identity(stored: str | None) -> ProcessIdentity | None:
    return ProcessIdentity(**json.loads(stored)) if stored else None


def _run(row: tuple[Any, ...]) -> RunRow:
    return RunRow(
        run_id=row[0],
        kind=row[1],
        state=RunState(row[2]),
        paused=bool(row[3]),
        created_at=row[4],
        started_at=row[5],
        ended_at=row[6],
        cwd=Path(row[7]),
        spool=Path(row[8]),
        max_concurrent=row[9],
        default_agent=row[10],
        default_timeout_s=row[11],
        holder=_identity(row[12]),
    )


def _task(row: tuple[Any, ...], names: dict[str, str]) -> TaskRow:
    """A task; a name stands once in memory, however many tasks depend on it or name its agent."""
    spec = json.loads(row[3])
    spec.pop("content_hash")
    task_id = spec["id"] = names.setdefault(row[0], row[0])
    spec["depends_on"] = [names.setdefault(each, each) for each in spec["depends_on"]]
    for field in ("agent", "model", "prompt_format"):
        value = spec.get(field)
        if value is not None:
            spec[field] = names.setdefault(value, value)
    return TaskRow(
        task_id=task_id,
        position=row[1],
        state=TaskState(row[2]),
        task=task_from_json(spec),
        attempts=row[4],
        started_at=row[5],
        ended_at=row[6],
        result=result_from_json(json.loads(row[7])) if row[7] else None,
        added_by=row[8],
        cancel_asked=bool(row[9]),
    )


def _attempt(row: tuple[Any, ...]) -> AttemptRow:
    return AttemptRow(
        task_id=row[0],
        number=row[1],
        state=row[2],
        token=row[3],
        agent=row[4],
        folder=Path(row[5]),
        supervisor=_identity(row[6]),
        intended_at=row[7],
        started_at=row[8],
        ended_at=row[9],
        reason=row[10],
        exit_code=row[11],
    )
