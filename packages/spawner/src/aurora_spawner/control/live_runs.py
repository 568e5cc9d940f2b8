"""The runs of a journal for a view that is drawn again and again: each look reads what has changed since the last."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from aurora_spawner.control.audit import check_not_gone
from aurora_spawner.control.log_tail import LogTail
from aurora_spawner.control.logs import last_begun
from aurora_spawner.control.status import RunStatus, ask_for_waits, coordinator_pid, status_of
from aurora_spawner.errors import UnknownRunError
from aurora_spawner.journal.approval_views import load_approvals
from aurora_spawner.journal.change_views import file_version, load_changes, load_foreseen
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import count_tasks, list_runs, load_attempts, load_run, load_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from pathlib import Path

    from aurora_spawner.control.log_tail import TailPiece
    from aurora_spawner.journal.approval_views import ApprovalRow
    from aurora_spawner.journal.change_views import ForeseenConflict
    from aurora_spawner.journal.views import AttemptRow, RunRow, TaskRow
    from aurora_spawner.tasks.result import TaskState

__all__ = ["LiveRun", "LiveRuns", "RunDetail"]

RECENT: Final = 30
"""The number of the newest runs that each look reads; of older ones those that have not ended."""
ALL_RUNS_S: Final = 60.0
"""The time between two looks at all runs: one that ended long ago may be resumed."""
WAITS_S: Final = 2.0
"""The time between two requests to a coordinator for what only it knows."""
SLOW_WAITS_S: Final = 10.0
"""The same for a coordinator that took long to answer, as a stopped one does."""
_SLOW_S: Final = 0.5
LAST_LINE_BYTES: Final = 8 << 10
"""The end of an agent's output in which its last line is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRun:
    """A run and its status at one moment."""

    run: RunRow
    status: RunStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetail:
    """The tasks of one run; rows that have not changed are the same objects as in the look before."""

    run_id: str
    tasks: tuple[TaskRow, ...]
    conflicts: tuple[ForeseenConflict, ...]
    """Conflicts that were foreseen and are not over."""


class LiveRuns:
    """A journal whose runs are looked at; one thread at a time may use it.

    The journal may be made, lost or replaced meanwhile. Nothing is made.
    """

    def __init__(self, path: Path, *, also: str | None = None, clock: Callable[[], float] = time.time) -> None:
        """Prepares for looks; nothing is read yet.

        Args:
            also: A run that each look has, however old it is.
        """
        self.path = path
        self._also = also
        self._clock = clock
        self._store: Journal | None = None
        self._seen: tuple[object, int] = (None, -1)
        """The connection and its version at the last look."""
        self._all_at = float("-inf")
        self._unfinished: tuple[str, ...] = ()
        self._counts: dict[str, tuple[RunRow, Mapping[TaskState, int]]] = {}
        self._waits: dict[str, tuple[float, Mapping[str, Any]]] = {}
        self._tasks = _TasksOfRun()
        self._open_attempts: dict[str, dict[str, list[AttemptRow]]] = {}
        """By run and task, of the last look."""
        self._tails: dict[str, tuple[LogTail, str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the journal."""
        if self._store is not None:
            self._store.close()
            self._store = None

    @property
    def is_missing(self) -> bool:
        """True if the file of the open journal was removed; what is read is the state that it had."""
        return self._store is not None and not self.path.exists()

    def has_changed(self) -> bool:
        """Returns True if something was written since the last look, or the file is another; costs next to nothing.

        Raises:
            JournalError: The journal cannot be read.
        """
        store = self._opened()
        return store is not None and (store.connection, file_version(store)) != self._seen

    def look(self) -> tuple[LiveRun, ...]:
        """Returns the newest runs, and of the older ones those that have not ended; the newest first.

        Raises:
            UnknownRunError: The journal does not have the run that each look should have.
            JournalError: The journal cannot be read, or is gone.
        """
        store = self._opened()
        if store is None:
            check_not_gone(self.path)
            if self._also is not None:
                raise UnknownRunError(self._also)
            return ()
        self._seen = (store.connection, file_version(store))
        asked: dict[str, list[ApprovalRow]] = {}
        for each in load_approvals(store, open_only=True):
            asked.setdefault(each.run_id, []).append(each)
        self._open_attempts.clear()
        return tuple(self._live(store, run, asked.get(run.run_id, ())) for run in self._runs(store))

    def detail(self, run_id: str) -> RunDetail | None:
        """Returns the tasks of one run; None if there is no journal, or the run is gone from it.

        Raises:
            JournalError: The journal cannot be read.
        """
        store = self._opened()
        return None if store is None else self._tasks.read(store, run_id)

    def tail(self, run_id: str, task_id: str, tail: LogTail) -> TailPiece | None:
        """Returns what a task has printed since the last read; None before its first attempt.

        Raises:
            JournalError, AttemptRecordError: The journal, or the output, cannot be read.
        """
        attempt = self._attempt(run_id, task_id)
        return None if attempt is None else tail.read(attempt)

    def last_lines(self, run_id: str, task_ids: Collection[str]) -> dict[str, str]:
        """Returns the last line that the agent of each task has printed; errors as `tail`."""
        wanted = {f"{run_id}/{task_id}": task_id for task_id in task_ids}
        self._tails = {key: tail for key, tail in self._tails.items() if key in wanted}
        lines: dict[str, str] = {}
        begun = self._open_attempts.get(run_id, {})
        for key, task_id in wanted.items():
            tail, line = self._tails.get(key, (LogTail(limit_bytes=LAST_LINE_BYTES), ""))
            attempt = last_begun(begun.get(task_id, ())) or self._attempt(run_id, task_id)
            piece = None if attempt is None else tail.read(attempt)
            if piece is not None and piece.content:
                line = _last_line(piece.content) or line
            self._tails[key] = (tail, line)
            lines[task_id] = line
        return lines

    def _attempt(self, run_id: str, task_id: str) -> AttemptRow | None:
        store = self._opened()
        return None if store is None else last_begun(load_attempts(store, run_id, task_id=task_id))

    def _opened(self) -> Journal | None:
        if self._store is not None:
            self._store.follow_file()
        elif self.path.exists():
            self._store = Journal(self.path, make=False)
        return self._store

    def _runs(self, store: Journal) -> Iterable[RunRow]:
        now = self._clock()
        if now - self._all_at >= ALL_RUNS_S:
            self._all_at = now
            found = list_runs(store)
            self._unfinished = tuple(each.run_id for each in found[RECENT:] if _is_unfinished(each))
        recent = list_runs(store, limit=RECENT)
        known = {each.run_id for each in recent}
        older = [_run_or_none(store, each) for each in self._unfinished if each not in known | {self._also}]
        also = [load_run(store, self._also)] if self._also is not None and self._also not in known else []
        return [*recent, *filter(None, older), *also]

    def _live(self, store: Journal, run: RunRow, asked: Collection[ApprovalRow]) -> LiveRun:
        pid = coordinator_pid(run)
        if pid is None and not run.state.settled:  # it may have ended its run between the read and the look
            run = load_run(store, run.run_id)
            pid = coordinator_pid(run)
        attempts = load_attempts(store, run.run_id, open_only=True) if _is_unfinished(run) else []
        by_task: dict[str, list[AttemptRow]] = {}
        for each in attempts:
            by_task.setdefault(each.task_id, []).append(each)
        self._open_attempts[run.run_id] = by_task
        waits = self._waits_of(run, pid)
        status = status_of(run, self._count(store, run, pid), attempts, waits, pid=pid, approvals=tuple(asked))
        return LiveRun(run=run, status=status)

    def _count(self, store: Journal, run: RunRow, pid: int | None) -> Mapping[TaskState, int]:
        """Returns the number of tasks in each state; that of a run on which no process works changes with the run."""
        before = self._counts.get(run.run_id)
        if pid is None and before is not None and before[0] == run:
            return before[1]
        counts = count_tasks(store, run.run_id)
        self._counts[run.run_id] = (run, counts)
        return counts

    def _waits_of(self, run: RunRow, pid: int | None) -> Mapping[str, Any]:
        if pid is None:
            self._waits.pop(run.run_id, None)
            return {}
        due, waits = self._waits.get(run.run_id, (0.0, {}))
        begin = time.monotonic()
        if begin >= due:
            waits = ask_for_waits(run, pid)
            end = time.monotonic()
            pause_s = SLOW_WAITS_S if end - begin > _SLOW_S else WAITS_S
            self._waits[run.run_id] = (end + pause_s, waits)
        return waits


class _TasksOfRun:
    """The tasks of one run as last read."""

    def __init__(self) -> None:
        self._of: tuple[object, str] = (None, "")
        """The connection and the run that the rest is of."""
        self._last = 0
        self._rows: dict[str, TaskRow] = {}
        self._conflicts: tuple[ForeseenConflict, ...] = ()

    def read(self, store: Journal, run_id: str) -> RunDetail | None:
        """Reads the tasks that have changed; None if the run is gone."""
        if _run_or_none(store, run_id) is None:
            return None
        if self._of != (store.connection, run_id):
            self._of, self._last, self._rows, self._conflicts = (store.connection, run_id), 0, {}, ()
        changes = load_changes(store, run_id, after=self._last)
        if changes.all_tasks:
            self._rows = {row.task_id: row for row in load_tasks(store, run_id)}
        elif changes.tasks:
            self._rows |= {row.task_id: row for row in load_tasks(store, run_id, only=changes.tasks)}
        if changes.conflicts:
            self._conflicts = load_foreseen(store, run_id)
        self._last = changes.last
        return RunDetail(run_id=run_id, tasks=tuple(self._rows.values()), conflicts=self._conflicts)


def _run_or_none(store: Journal, run_id: str) -> RunRow | None:
    """Returns a run; None if it was removed meanwhile."""
    try:
        return load_run(store, run_id)
    except UnknownRunError:
        return None


def _is_unfinished(run: RunRow) -> bool:
    return run.holder is not None or not run.state.settled


def _last_line(content: bytes) -> str:
    """Returns the last line with text in it."""
    lines = (line.strip() for line in reversed(content.splitlines()))
    return next((line.decode(errors="replace") for line in lines if line), "")
