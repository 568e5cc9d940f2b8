"""Two runs compared, task by task: states, attempts, time, cost, work and answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from aurora_spawner.control.lookup import open_journal
from aurora_spawner.control.timeline import SpanKind, timeline_of
from aurora_spawner.journal.views import as_written, load_events, load_run, load_tasks
from aurora_spawner.replay.simulation import figures_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from aurora_spawner.control.timeline import TaskTimeline
    from aurora_spawner.journal.views import TaskRow


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSide:
    """One task as one run has it."""

    state: str
    agent: str
    attempts: int
    seconds: float
    """The time of all its attempts, with checks and reviews."""
    cost_usd: float | None
    """Of the last attempt, as its result has it; None if unknown."""
    tokens: int | None
    """Of the last attempt; None if unknown."""
    commit: str | None
    """The commit of its work; None without any."""
    files: int | None
    """The number of files that it changed; None without worktrees."""
    insertions: int | None
    deletions: int | None
    error: str | None
    answer_length: int
    """In characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskComparison:
    """One task in two runs."""

    task_id: str
    title: str
    first: TaskSide | None
    """None if only the second run has it."""
    second: TaskSide | None
    same_task: bool
    """True if both runs were asked for the same."""
    same_answer: bool | None
    """None if one of them has no answer."""

    @property
    def differs(self) -> bool:
        """True if it came out otherwise; times, costs, tokens, commit names and words of errors do not count."""
        if self.first is None or self.second is None or not self.same_task:
            return True
        return _outcome(self.first) != _outcome(self.second) or self.same_answer is False

    def to_dict(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        return {**asdict(self), "differs": self.differs}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTotals:
    """A run in sum."""

    run_id: str
    state: str
    seconds: float
    """As in `Figures`: a later merge of its work takes no time of it."""
    attempts: int
    cost_usd: float | None
    """Of the last attempts; None if that of one is unknown."""
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunComparison:
    """Two runs compared."""

    first: RunTotals
    second: RunTotals
    tasks: tuple[TaskComparison, ...]
    """In the order of the first run; those that only the second has come last."""

    @property
    def differing(self) -> tuple[TaskComparison, ...]:
        """The tasks that came out otherwise."""
        return tuple(task for task in self.tasks if task.differs)

    def to_dict(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        return {
            "first": asdict(self.first),
            "second": asdict(self.second),
            "differing": len(self.differing),
            "tasks": [task.to_dict() for task in self.tasks],
        }


def compare_runs(journal: Path, first: str, second: str) -> RunComparison:
    """Compares two runs of one journal.

    Raises:
        UnknownRunError: The journal has no such run.
        JournalCorruptError: An event or a row is malformed.
    """
    (totals, before), (other_totals, after) = _read(journal, first), _read(journal, second)
    order = dict.fromkeys([*before, *after])
    tasks = tuple(_compared(task_id, before.get(task_id), after.get(task_id)) for task_id in order)
    return RunComparison(first=totals, second=other_totals, tasks=tasks)


def _read(journal: Path, run_id: str) -> tuple[RunTotals, Mapping[str, tuple[TaskRow, TaskSide]]]:
    with open_journal(journal, run_id) as store:
        run, rows, events = load_run(store, run_id), load_tasks(store, run_id), load_events(store, run_id)
        with as_written(store.path, f"run {run_id}: its events"):
            timeline = timeline_of(run, rows, events, now=events[-1].at if events else run.created_at)
    times = {task.task_id: task for task in timeline.tasks}
    sides = {row.task_id: (row, _side(row, times[row.task_id])) for row in rows}
    own = [side for row, side in sides.values() if not row.task.choice_of]
    totals = RunTotals(
        run_id=run_id,
        state=timeline.state,
        seconds=figures_of(timeline).seconds,
        attempts=sum(side.attempts for side in own),
        cost_usd=_sum(side.cost_usd for side in own if side.attempts),
        tokens=sum(side.tokens or 0 for side in own),
    )
    return totals, sides


def _sum(costs: Iterable[float | None]) -> float | None:
    """Returns a sum; None if a part is unknown, or if there is no part."""
    known = list(costs)
    return None if not known or None in known else sum(cost for cost in known if cost is not None)


def _side(row: TaskRow, timeline: TaskTimeline) -> TaskSide:
    result = row.result
    work, usage = (result.work, result.usage) if result else (None, None)
    busy = (SpanKind.ATTEMPT, SpanKind.CHECK, SpanKind.REVIEW)
    return TaskSide(
        state=str(row.state),
        agent=timeline.agent,
        attempts=timeline.attempts,
        seconds=sum(timeline.seconds_of(kind) for kind in busy),
        cost_usd=usage.cost_usd if usage else None,
        tokens=usage.total_tokens if usage else None,
        commit=work.commit if work else None,
        files=work.files if work else None,
        insertions=work.insertions if work else None,
        deletions=work.deletions if work else None,
        error=result.error if result else None,
        answer_length=len(result.shown) if result else 0,
    )


def _compared(
    task_id: str, first: tuple[TaskRow, TaskSide] | None, second: tuple[TaskRow, TaskSide] | None
) -> TaskComparison:
    rows = [each[0] for each in (first, second) if each is not None]
    results = [row.result for row in rows if row.result is not None and row.result.success]
    answers = [result.shown.strip() for result in results]
    return TaskComparison(
        task_id=task_id,
        title=rows[0].task.headline,
        first=first[1] if first else None,
        second=second[1] if second else None,
        same_task=len({row.task.content_hash for row in rows}) == 1,
        same_answer=answers[0] == answers[1] if len(answers) == 2 else None,
    )


def _outcome(side: TaskSide) -> tuple[object, ...]:
    return side.state, side.agent, side.attempts, side.files, side.insertions, side.deletions
