"""What the journal knows, read for people and for a resume; readers never block the writer."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.process_identity import ProcessIdentity
from aurora_spawner.errors import JournalCorruptError, SpawnerError, UnknownRunError
from aurora_spawner.journal.store import translated
from aurora_spawner.storage.stored_values import Reader, count, document, documents, number, path, read_fields, text
from aurora_spawner.tasks.result import RunState, SpawnResult, TaskState, result_from_json
from aurora_spawner.tasks.task import SpawnTask, task_from_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from aurora_spawner.journal.store import Journal


@contextmanager
def as_written(journal: Path, place: str) -> Iterator[None]:
    """Turns a value that nobody wrote so into an error that names file and place.

    Raises:
        JournalCorruptError: A value in it is not what was written.
    """
    try:
        yield
    except JournalCorruptError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError, SpawnerError) as error:
        problem = f"{place}: {error}; it was changed from outside: see `aur audit verify`, or restore a copy"
        raise JournalCorruptError(journal, problem) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What a run was asked for that its resume has to know."""

    taskfile: Path | None = None
    """Where its tasks come from."""
    limit_usd: float | None = None
    """What it may cost at most; None for no limit of its own."""
    order: str | None = None
    """`file` or `parallel`, if the file's tasks were to run in another order than its form has."""
    optional: bool = False
    """Tasks that the file marks as optional run, too."""

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return {
            "taskfile": None if self.taskfile is None else str(self.taskfile),
            "limit_usd": self.limit_usd,
            "order": self.order,
            "optional": self.optional,
        }


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
    options: RunOptions | None = None
    """None where nothing was asked for, and in runs of earlier versions."""


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
    reason: EndReason | None
    exit_code: int | None


_RUN_COLUMNS: Final = (
    "run_id, kind, state, paused, created_at, started_at, ended_at, cwd, spool, max_concurrent, default_agent,"
    " default_timeout_s, holder, options"
)


def list_runs(journal: Journal, *, limit: int | None = None) -> list[RunRow]:
    """Runs, the newest first."""
    with translated(journal.path):
        rows = journal.connection.execute(
            f"SELECT {_RUN_COLUMNS} FROM runs ORDER BY created_at DESC, run_id DESC LIMIT ?",  # noqa: S608
            (-1 if limit is None else limit,),
        )
        return [_run(row, journal.path) for row in rows]


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
    return _run(row, journal.path)


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
        return [_task(row, names, journal.path, run_id) for row in rows]


def count_tasks(journal: Journal, run_id: str) -> dict[TaskState, int]:
    """How many tasks of a run are in each state; states without tasks are left out."""
    with translated(journal.path):
        rows = journal.connection.execute(
            "SELECT state, count(*) FROM tasks WHERE run_id = ? GROUP BY state", (run_id,)
        )
        with as_written(journal.path, f"run {run_id}: the state of its tasks"):
            return {TaskState(state): many for state, many in rows}


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
        return [_attempt(row, journal.path, run_id) for row in rows]


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
        return [_recovery(row, journal.path, run_id) for row in rows]


def load_breakers(journal: Journal) -> list[tuple[str, dict[str, Any]]]:
    """The circuit breaker of every agent as the last run that moved it left it, with that run."""
    with translated(journal.path):
        rows = journal.connection.execute(
            "SELECT run_id, breaker, max(at) FROM breakers GROUP BY agent ORDER BY agent"
        )
        return [_breaker(row, journal.path) for row in rows]


def load_durations(journal: Journal, *, newest: int) -> list[tuple[str, float]]:
    """Agent and duration in seconds of the newest tasks that succeeded, of all runs."""
    with translated(journal.path):
        rows = journal.connection.execute(
            """
            SELECT json_extract(result, '$.agent'), json_extract(result, '$.execution_time') FROM tasks
            WHERE state = 'succeeded' ORDER BY ended_at DESC LIMIT ?
            """,
            (newest,),
        )
        with as_written(journal.path, "the durations of tasks"):
            return [(text(agent), number(took)) for agent, took in rows]


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
        with as_written(journal.path, "the recovery of tasks"):
            return [documents(changes) for (changes,) in rows]


def _stored_identity(stored: object) -> ProcessIdentity:
    return ProcessIdentity.from_json(document(stored))


def _options(stored: object) -> RunOptions:
    return RunOptions(**read_fields(RunOptions, document(stored)))


_RUN_READERS: Final[dict[str, Reader]] = {
    "RunState": RunState,
    "ProcessIdentity": _stored_identity,
    "RunOptions": _options,
    "int": count,
}


def _named(columns: str, row: tuple[Any, ...]) -> Mapping[str, Any]:
    return dict(zip(columns.split(", "), row, strict=True))


def _run(row: tuple[Any, ...], journal: Path) -> RunRow:
    with as_written(journal, f"run {row[0]}"):
        return RunRow(**read_fields(RunRow, _named(_RUN_COLUMNS, row), _RUN_READERS))


def _task(row: tuple[Any, ...], names: dict[str, str], journal: Path, run_id: str) -> TaskRow:
    """A task; a name stands once in memory, however many tasks depend on it or name its agent."""
    with as_written(journal, f"run {run_id}, task {row[0]}"):
        spec = document(row[3])
        task_id = spec["id"] = names.setdefault(text(row[0]), row[0])
        spec["depends_on"] = [names.setdefault(text(each), each) for each in spec["depends_on"]]
        for field in ("agent", "model", "prompt_format"):
            value = spec.get(field)
            if value is not None:
                spec[field] = names.setdefault(text(value), value)
        columns = "task_id, position, state, task, attempts, started_at, ended_at, result, added_by, cancel_asked"
        return TaskRow(
            **read_fields(TaskRow, {**_named(columns, row), "task_id": task_id, "task": spec}, _TASK_READERS)
        )


def _result(stored: object) -> SpawnResult:
    return result_from_json(document(stored))


_TASK_READERS: Final[dict[str, Reader]] = {
    "TaskState": TaskState,
    "SpawnTask": task_from_json,
    "SpawnResult": _result,
    "int": count,
}


_ATTEMPT_READERS: Final[dict[str, Reader]] = {
    "ProcessIdentity": _stored_identity,
    "EndReason": EndReason,
    "Path": path,
}


def _attempt(row: tuple[Any, ...], journal: Path, run_id: str) -> AttemptRow:
    with as_written(journal, f"run {run_id}, task {row[0]}, attempt {row[1]}"):
        columns = (
            "task_id, number, state, token, agent, folder, supervisor, intended_at, started_at, ended_at, reason,"
            " exit_code"
        )
        if row[2] not in ("intended", "started", "ended"):
            raise ValueError(f"state {row[2]!a} is none of an attempt")
        return AttemptRow(**read_fields(AttemptRow, _named(columns, row), _ATTEMPT_READERS))


def _recovery(row: tuple[Any, ...], journal: Path, run_id: str) -> RecoveryRow:
    with as_written(journal, f"run {run_id}, task {row[0]}: its recovery"):
        columns = "task_id, state, agent, due, changes"
        return RecoveryRow(**read_fields(RecoveryRow, _named(columns, row), {"list[dict[str, Any]]": documents}))


def _breaker(row: tuple[Any, ...], journal: Path) -> tuple[str, dict[str, Any]]:
    with as_written(journal, f"run {row[0]}: a circuit breaker"):
        return text(row[0]), document(row[1])
