"""Reads of the journal, for people and for a resume; a reader never blocks the writer.

`load_...` reads through an open journal. The statements and the row readers are shared with the asynchronous reads in
`async_reader.py`.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.process_identity import ProcessIdentity
from aurora_spawner.errors import JournalCorruptError, SpawnerError, UnknownRunError
from aurora_spawner.journal.entries import FACT_TYPES
from aurora_spawner.journal.facts import REVIEW, WORK
from aurora_spawner.journal.sqlite_errors import translated
from aurora_spawner.storage.stored_values import Reader, count, document, path, read_fields, text
from aurora_spawner.tasks.checked import CheckedWork, CheckingWork, checking_from_text, rounds_from_text
from aurora_spawner.tasks.result import RunState, SpawnResult, TaskState, result_from_json
from aurora_spawner.tasks.returned import Returned, ReturnedFor, returns_from_text
from aurora_spawner.tasks.review import Review, reviews_from_text
from aurora_spawner.tasks.task import SpawnTask, task_from_json
from aurora_spawner.tasks.work import MergeOutcome, RunDelivery, TaskMerge, delivery_from_text, merge_from_text
from aurora_spawner.workspaces.isolation import Isolation, isolation_from_json

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from aurora_spawner.journal.facts import Fact
    from aurora_spawner.journal.store import Journal


@contextmanager
def as_written(journal: Path, place: str) -> Iterator[None]:
    """Turns the error of a malformed value into one that names file and place.

    Raises:
        JournalCorruptError: A value in it is malformed.
    """
    try:
        yield
    except JournalCorruptError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError, SpawnerError) as error:
        problem = f"{place}: {error}; it was changed from outside: see `aur audit verify`, or restore a copy"
        raise JournalCorruptError(journal, problem) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOptions:
    """The options of a run that its resume needs."""

    taskfile: Path | None = None
    """The file of its tasks."""
    limit_usd: float | None = None
    """The most that it may cost; None for no limit of its own."""
    order: str | None = None
    """`file` or `parallel`; None for the order of the file's form."""
    optional: bool = False
    """True if tasks that the file marks as optional run, too."""
    candidates: int | None = None
    """The number of candidates of tasks that say nothing about theirs."""
    candidate_agents: tuple[str, ...] = ()
    """The agents of the candidates of tasks that name no agent."""
    arguments: dict[str, str] = field(default_factory=dict)
    """The values of the file's arguments."""
    key: str | None = None
    """The name that its start was given: another start with it is this run."""
    isolation: Isolation | None = None
    """The repository whose worktrees its tasks work in; None if they work in the run's folder."""
    sandbox: str | None = None
    """`auto` or `require` if its command asked for a sandbox."""
    pool: str | None = None
    """The pool of workers that runs its attempts; None for the coordinator's machine."""
    overlaps: str = "wait"
    """`allow` if tasks that declare common files may run side by side."""
    chosen_because: str | None = None
    """The reason for the agent of tasks that name none, if one was chosen among several."""

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        return {
            "taskfile": None if self.taskfile is None else str(self.taskfile),
            "limit_usd": self.limit_usd,
            "order": self.order,
            "optional": self.optional,
            "candidates": self.candidates,
            "candidate_agents": list(self.candidate_agents),
            "arguments": self.arguments,
            "key": self.key,
            "isolation": self.isolation.to_json() if self.isolation else None,
            "sandbox": self.sandbox,
            "pool": self.pool,
            "overlaps": self.overlaps,
            "chosen_because": self.chosen_because,
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
    """The coordinator that executes it, or that died while executing it."""
    options: StoredOptions | None = None
    """None without options, and in runs of earlier versions."""
    delivery: RunDelivery | None = None
    """None until the work of its tasks was merged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """A task as the journal has it."""

    task_id: str
    position: int
    state: TaskState
    task: SpawnTask
    added_by: str | None
    """The task whose result added this one."""
    attempts: int
    started_at: float | None
    ended_at: float | None
    result: SpawnResult | None
    cancel_asked: bool
    """True if the user cancelled it; an unsettled one still has to be ended."""
    worktree: Path | None = None
    """The folder of its worktree, which may be gone; None if it never had one."""
    branch: str | None = None
    """The branch of that worktree."""
    merge: TaskMerge | None = None
    """None until its work was merged."""
    checking: CheckingWork | None = None
    """The latest work whose checks began; they may have ended."""
    checked: tuple[CheckedWork, ...] = ()
    """The checks of each attempt's work, the oldest first."""
    returned: tuple[Returned, ...] = ()
    """The times that its work came back to its agent other than for a check, the oldest first."""
    reviews: tuple[Review, ...] = ()
    """The reviews of its work, the oldest first."""

    @property
    def is_commented(self) -> bool:
        """True if the user's comments on its work have opened it again; its box may be ticked since before that."""
        return not self.state.settled and any(each.reason is ReturnedFor.COMMENTS for each in self.returned)

    @property
    def worker(self) -> str:
        """The task whose branch has its work: the candidate that was taken, or itself."""
        return self.result.worker if self.result else self.task_id

    @property
    def is_discarded(self) -> bool:
        """True if the user does not want its work."""
        return self.merge is not None and self.merge.outcome is MergeOutcome.DISCARDED


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """An attempt at a task."""

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
    role: str = WORK
    """`REVIEW` for a reviewer of the task's work."""


Statement = tuple[str, tuple[Any, ...]]
"""SQL with the values of its parameters."""

_SAME: Final = 512
"""Rows of runs, and of attempts, that are not parsed again as long as they are the same: readers look many times."""
_RUN_COLUMNS: Final = (
    "run_id, kind, state, paused, created_at, started_at, ended_at, cwd, spool, max_concurrent, default_agent,"
    " default_timeout_s, holder, options, delivery"
)


def rows_of(journal: Journal, statement: Statement) -> list[sqlite3.Row]:
    """Returns the rows of a statement, whose columns have names."""
    cursor = journal.connection.cursor()
    cursor.row_factory = sqlite3.Row
    return cursor.execute(*statement).fetchall()


def list_runs(journal: Journal, *, limit: int | None = None, kinds: Collection[str] | None = None) -> list[RunRow]:
    """Returns the runs, or those of some kinds, the newest first."""
    query = f"""
        SELECT {_RUN_COLUMNS} FROM runs WHERE ? IS NULL OR kind IN (SELECT value FROM json_each(?))
        ORDER BY created_at DESC, run_id DESC LIMIT ?
        """  # noqa: S608
    named = None if kinds is None else json.dumps([*kinds])
    with translated(journal.path):
        rows = rows_of(journal, (query, (named, named, -1 if limit is None else limit)))
    return [read_run(row, journal.path) for row in rows]


def select_run(run_id: str) -> Statement:
    """Returns the statement for one run."""
    return f"SELECT {_RUN_COLUMNS} FROM runs WHERE run_id = ?", (run_id,)  # noqa: S608


def load_run(journal: Journal, run_id: str) -> RunRow:
    """Returns one run.

    Raises:
        UnknownRunError: The journal has no such run.
    """
    with translated(journal.path):
        rows = rows_of(journal, select_run(run_id))
    if not rows:
        raise UnknownRunError(run_id, tuple(run.run_id for run in list_runs(journal, limit=3)))
    return read_run(rows[0], journal.path)


def load_tasks(journal: Journal, run_id: str, *, only: Collection[str] | None = None) -> list[TaskRow]:
    """Returns the tasks of a run, or some of them, in their order."""
    query = """
        SELECT task_id, position, state, spec AS task, attempts, started_at, ended_at, result, added_by, cancel_asked,
            worktree, branch, merge, checking, COALESCE(checked, '[]') AS checked,
            COALESCE(returned, '[]') AS returned, COALESCE(reviews, '[]') AS reviews
        FROM tasks WHERE run_id = ? AND (? IS NULL OR task_id IN (SELECT value FROM json_each(?))) ORDER BY position
        """
    named = None if only is None else json.dumps([*only])
    with translated(journal.path):
        names: dict[str, str] = {}
        rows = rows_of(journal, (query, (run_id, named, named)))
        return [_task(row, names, journal.path, run_id) for row in rows]


def select_task_state(run_id: str, task_id: str) -> Statement:
    """Returns the statement for the state of one task."""
    return "SELECT state FROM tasks WHERE run_id = ? AND task_id = ?", (run_id, task_id)


def load_task_state(journal: Journal, run_id: str, task_id: str) -> TaskState | None:
    """Returns the state of one task; None if the run has no such task."""
    with translated(journal.path):
        rows = rows_of(journal, select_task_state(run_id, task_id))
    return read_task_state(rows, journal.path, run_id)


def select_task_counts(run_id: str) -> Statement:
    """Returns the statement for the number of tasks in each state; candidates are part of their tasks."""
    query = """
        SELECT state, count(*) AS tasks FROM tasks
        WHERE run_id = ? AND json_extract(spec, '$.candidate_of') IS NULL GROUP BY state
        """
    return query, (run_id,)


def count_tasks(journal: Journal, run_id: str) -> dict[TaskState, int]:
    """Returns the number of tasks of a run in each state; states without tasks are left out."""
    with translated(journal.path):
        rows = rows_of(journal, select_task_counts(run_id))
    return read_task_counts(rows, journal.path, run_id)


def select_attempts(run_id: str, *, task_id: str | None = None, open_only: bool = False) -> Statement:
    """Returns the SQL query for the attempts of a run, or of one of its tasks."""
    query = """
        SELECT task_id, number, state, token, agent, folder, supervisor, intended_at, started_at, ended_at, reason,
            exit_code, role
        FROM attempts WHERE run_id = ? AND (NOT ? OR state <> 'ended') AND (? IS NULL OR task_id = ?)
        ORDER BY intended_at, number
        """
    return query, (run_id, open_only, task_id, task_id)


def load_attempts(
    journal: Journal, run_id: str, *, task_id: str | None = None, open_only: bool = False
) -> list[AttemptRow]:
    """Returns the attempts of a run, or of one of its tasks, the oldest first; `open_only` leaves out ended ones."""
    with translated(journal.path):
        rows = rows_of(journal, select_attempts(run_id, task_id=task_id, open_only=open_only))
    return [read_attempt(row, journal.path, run_id) for row in rows]


def count_reviewing(journal: Journal, run_id: str) -> dict[str, int]:
    """Returns the number of attempts by reviewers of each task that had one."""
    query = "SELECT task_id, count(*) AS attempts FROM attempts WHERE run_id = ? AND role = ? GROUP BY task_id"
    with translated(journal.path):
        rows = rows_of(journal, (query, (run_id, REVIEW)))
    return {row["task_id"]: row["attempts"] for row in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """An event of a run."""

    seq: int
    """Its number in the journal."""
    at: float
    task_id: str | None
    kind: str
    fact: Fact | None
    """None if a clean-up removed its content, or a newer version wrote it."""


def select_events(run_id: str, *, after: int, limit: int) -> Statement:
    """Returns the statement for the events of a run behind an event."""
    query = "SELECT seq, at, task_id, kind, payload FROM events WHERE run_id = ? AND seq > ? ORDER BY seq LIMIT ?"
    return query, (run_id, after, limit)


def load_events(journal: Journal, run_id: str, *, after: int = 0, limit: int = -1) -> list[EventRow]:
    """Returns the events of a run behind an event, the oldest first.

    Args:
        after: Number of that event; 0 for all events.
        limit: The most that are returned; -1 for all.
    """
    with translated(journal.path):
        rows = rows_of(journal, select_events(run_id, after=after, limit=limit))
    return [read_event(row, journal.path) for row in rows]


def _stored_identity(stored: object) -> ProcessIdentity:
    return ProcessIdentity.from_json(document(stored))


def _options(stored: object) -> StoredOptions:
    options = StoredOptions(**read_fields(StoredOptions, document(stored), {"Isolation": isolation_from_json}))
    if options.sandbox not in (None, "off", "auto", "require"):
        raise ValueError(f"sandbox is {options.sandbox!r}, and no mode of this version")
    return options


_RUN_READERS: Final[dict[str, Reader]] = {
    "RunState": RunState,
    "ProcessIdentity": _stored_identity,
    "StoredOptions": _options,
    "RunDelivery": delivery_from_text,
    "int": count,
}


def read_run(row: sqlite3.Row, journal: Path) -> RunRow:
    """Returns the run of a row of `select_run`.

    Raises:
        JournalCorruptError: A value of the row is malformed.
    """
    with as_written(journal, f"run {row['run_id']}"):
        return _run_of(tuple(row.keys()), tuple(row))


@lru_cache(maxsize=_SAME)
def _run_of(names: tuple[str, ...], values: tuple[object, ...]) -> RunRow:
    return RunRow(**read_fields(RunRow, dict(zip(names, values, strict=True)), _RUN_READERS))


def read_task_counts(rows: Iterable[sqlite3.Row], journal: Path, run_id: str) -> dict[TaskState, int]:
    """Returns the counts of the rows of `select_task_counts`.

    Raises:
        JournalCorruptError: A state is malformed.
    """
    with as_written(journal, f"run {run_id}: the state of its tasks"):
        return {TaskState(row["state"]): row["tasks"] for row in rows}


def read_task_state(rows: Iterable[sqlite3.Row], journal: Path, run_id: str) -> TaskState | None:
    """Returns the state of the row of `select_task_state`; None without a row.

    Raises:
        JournalCorruptError: The state is malformed.
    """
    with as_written(journal, f"run {run_id}: the state of a task"):
        return next((TaskState(row["state"]) for row in rows), None)


def _task(row: sqlite3.Row, names: dict[str, str], journal: Path, run_id: str) -> TaskRow:
    """Returns a task; each name is in memory once, however many tasks depend on it or name its agent."""
    with as_written(journal, f"run {run_id}, task {row['task_id']}"):
        spec = document(row["task"])
        task_id = spec["id"] = names.setdefault(text(row["task_id"]), row["task_id"])
        spec["depends_on"] = [names.setdefault(text(each), each) for each in spec["depends_on"]]
        for field in ("agent", "model", "prompt_format"):
            value = spec.get(field)
            if value is not None:
                spec[field] = names.setdefault(text(value), value)
        stored = {**dict(row), "task_id": task_id, "task": spec}
        return TaskRow(**read_fields(TaskRow, stored, _TASK_READERS))


def _result(stored: object) -> SpawnResult:
    return result_from_json(document(stored))


_TASK_READERS: Final[dict[str, Reader]] = {
    "TaskState": TaskState,
    "SpawnTask": task_from_json,
    "SpawnResult": _result,
    "TaskMerge": merge_from_text,
    "CheckingWork": checking_from_text,
    "tuple[CheckedWork, ...]": rounds_from_text,
    "tuple[Returned, ...]": returns_from_text,
    "tuple[Review, ...]": reviews_from_text,
    "int": count,
}
_ATTEMPT_READERS: Final[dict[str, Reader]] = {
    "ProcessIdentity": _stored_identity,
    "EndReason": EndReason,
    "Path": path,
}


def read_attempt(row: sqlite3.Row, journal: Path, run_id: str) -> AttemptRow:
    """Returns the attempt of a row of `select_attempts`.

    Raises:
        JournalCorruptError: A value of the row is malformed.
    """
    with as_written(journal, f"run {run_id}, task {row['task_id']}, attempt {row['number']}"):
        if row["state"] not in ("intended", "started", "ended"):
            raise ValueError(f"state {row['state']!a} is none of an attempt")
        return _attempt_of(tuple(row.keys()), tuple(row))


@lru_cache(maxsize=_SAME)
def _attempt_of(names: tuple[str, ...], values: tuple[object, ...]) -> AttemptRow:
    return AttemptRow(**read_fields(AttemptRow, dict(zip(names, values, strict=True)), _ATTEMPT_READERS))


def read_event(row: sqlite3.Row, journal: Path) -> EventRow:
    """Returns the event of a row of `select_events`.

    Raises:
        JournalCorruptError: A value of the row is malformed.
    """
    with as_written(journal, f"event {row['seq']}"):
        known = row["payload"] is not None and row["kind"] in FACT_TYPES
        fact = FACT_TYPES[row["kind"]](**json.loads(row["payload"])) if known else None
        return EventRow(seq=row["seq"], at=row["at"], task_id=row["task_id"], kind=row["kind"], fact=fact)
