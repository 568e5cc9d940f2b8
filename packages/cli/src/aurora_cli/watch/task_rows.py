"""The rows of a run's tasks, made when they are drawn: of 1,000 tasks, those on the screen. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final, overload

from aurora_cli.render.pictures.layout import columns_of
from aurora_cli.render.words import one_line
from aurora_cli.watch.view import Row, Tone, state_of
from aurora_spawner.control.file_claims import awaited, file_holders
from aurora_spawner.gates.masking import masked
from aurora_spawner.tasks.result import TaskState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_cli.watch.facts import Facts
    from aurora_spawner.control.live_runs import LiveRun
    from aurora_spawner.control.status import RunningTask
    from aurora_spawner.journal.views import TaskRow

__all__ = ["Filter", "TaskRows"]

_MARKS: Final[Mapping[TaskState, tuple[str, Tone]]] = {
    TaskState.PENDING: ("○", Tone.FAINT),
    TaskState.RUNNING: ("●", Tone.BUSY),
    TaskState.SUCCEEDED: ("✓", Tone.GOOD),
    TaskState.FAILED: ("✗", Tone.BAD),
    TaskState.SKIPPED: ("-", Tone.WAITS),
    TaskState.CANCELLED: ("-", Tone.WAITS),
}
_DEEPEST: Final = 6
"""The deepest level that is indented: the names need the room."""
_NAMED: Final = 3


class Filter(StrEnum):
    """The tasks that are listed."""

    ALL = "all"
    ACTIVE = "active"
    """Those that run or wait for the user."""
    FAILED = "failed"

    @property
    def following(self) -> Filter:
        """The next one, round and round."""
        each = list(Filter)
        return each[(each.index(self) + 1) % len(each)]


class TaskRows(Sequence[Row]):
    """The rows of the tasks of the selected run; the depth in the graph of the tasks is the indentation.

    Attributes:
        rows: the tasks that are listed.
    """

    def __init__(self, facts: Facts, shown: Filter = Filter.ALL) -> None:
        self._facts = facts
        self._all: Sequence[TaskRow] = facts.detail.tasks if facts.detail else ()
        live = facts.selected
        self._running = {each.task: each for each in live.status.running} if live else {}
        self._asking = {each.task_id: each for each in live.status.approvals} if live else {}
        is_all = shown is Filter.ALL
        self.rows = [*self._all] if is_all else [each for each in self._all if self._is_shown(each, shown)]

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self._row(each) for each in self.rows[index]]
        return self._row(self.rows[index])

    def key_at(self, index: int) -> str:
        """Returns the id of a task without making its row."""
        return self.rows[index].task_id

    def places_of_change(self, before: TaskRows | None) -> Sequence[int]:
        """Returns the places of the rows that may be others than in `before`, which lists the same tasks or fewer.

        They are few, and cheaper to find than rows are to make.
        """
        if before is None or self.surroundings != before.surroundings or self.levels is not before.levels:
            return range(len(self.rows))
        both = list(enumerate(zip(self.rows, before.rows, strict=True)))
        found = {place for place, (row, old) in both if row is not old}
        if any(self.rows[place].state is not before.rows[place].state for place in found):
            found |= {place for place, (row, _) in both if row.task.depends_on}
        moving = self.moving | before.moving
        return sorted(found | {place for place, (row, _) in both if row.task_id in moving})

    def first_active(self) -> int:
        """Returns the place of the first task that runs or waits for the user; 0 without one."""
        places = (place for place, each in enumerate(self.rows) if self._is_shown(each, Filter.ACTIVE))
        return next(places, 0)

    @cached_property
    def levels(self) -> Mapping[str, int]:
        """The level of each task in the graph."""
        return _levels_of(tuple((each.task_id, each.task.depends_on) for each in self._all))

    @cached_property
    def _states(self) -> Mapping[str, TaskState]:
        return {each.task_id: each.state for each in self._all}

    @cached_property
    def moving(self) -> frozenset[str]:
        """The tasks whose rows always move: those that run, ask, or wait for what only the coordinator knows."""
        live = self._facts.selected
        waiting = live.status.waiting_for if live else {}
        running = (each.task_id for each in self.rows if each.state is TaskState.RUNNING)
        return frozenset(running) | self._asking.keys() | self._running.keys() | waiting.keys()

    @cached_property
    def surroundings(self) -> tuple[object, ...]:
        """All that a task that waits to start may wait for, apart from other tasks."""
        live = self._facts.selected
        assert live is not None
        holders = tuple((each.task_id, each.task.files) for each in self._holders)
        return (live.run.default_agent, live.status.pid is None, state_of(live), bool(live.status.providers), holders)

    @cached_property
    def _holders(self) -> list[TaskRow]:
        return file_holders(self._all)

    def _is_shown(self, row: TaskRow, shown: Filter) -> bool:
        if shown is Filter.FAILED:
            return row.state in (TaskState.FAILED, TaskState.SKIPPED, TaskState.CANCELLED)
        return row.state is TaskState.RUNNING or row.task_id in self._asking

    def _row(self, row: TaskRow) -> Row:
        live = self._facts.selected
        assert live is not None
        mark, tone = _MARKS[row.state]
        if row.task_id in self._asking:
            mark, tone = "?", Tone.WAITS
        running = self._running.get(row.task_id)
        agent = running.agent if running else _agent_of(row, live)
        name = _name_of(row.task_id, row.task.headline, min(self.levels[row.task_id], _DEEPEST))
        return Row(key=row.task_id, cells=(mark, name, _called(agent), self._now(row, running, live)), tone=tone)

    def _now(self, row: TaskRow, running: RunningTask | None, live: LiveRun) -> str:
        """Returns what a task does now, what it waits for, or what came of it."""
        if row.task_id in self._asking:
            return f"asks you: {one_line(masked(self._asking[row.task_id].subject), 120)}"
        if row.state is TaskState.PENDING:
            return self._waits_for(row, live)
        if row.state is TaskState.RUNNING:
            return self._does(row, running, live)
        return _outcome(row)

    def _does(self, row: TaskRow, running: RunningTask | None, live: LiveRun) -> str:
        if row.cancel_asked:
            return "is being cancelled"
        checked = {each.number for each in row.checked}
        if row.checking is not None and row.checking.number not in checked:
            return "its checks run"
        if running is None:
            return "waits for its next attempt" if row.attempts else "its worktree is made ready"
        if running.ended:
            return "ended, not yet collected"
        attempt = f"attempt {running.attempt}" if running.attempt > 1 else ""
        since = f"{max(0.0, self._facts.at - running.since):.0f} s" if running.since else "starts"
        quiet = live.status.waiting_for.get(row.task_id, "")
        doing = quiet or self._facts.last_lines.get(row.task_id, "")
        return " · ".join(filter(None, (attempt, since, one_line(masked(doing), 160))))

    def _waits_for(self, row: TaskRow, live: LiveRun) -> str:
        if row.cancel_asked:
            return "is being cancelled"
        if held := live.status.waiting_for.get(row.task_id):
            return one_line(held)
        open_needs = [each for each in row.task.depends_on if not self._is_over(each)]
        if open_needs:
            more = f" and {len(open_needs) - _NAMED} more" if len(open_needs) > _NAMED else ""
            return f"waits for {', '.join(map(one_line, open_needs[:_NAMED]))}{more}"
        if live.status.pid is None:
            return "waits for a resume of the run"
        if (holder := awaited(row, self._holders, live.run)) is not None:
            return f"waits for {one_line(holder.task_id)}, which has claimed {one_line(', '.join(holder.files), 80)}"
        return _waits_in_line(row, live)

    def _is_over(self, task_id: str) -> bool:
        state = self._states.get(task_id)
        return state is None or state.settled


def _waits_in_line(row: TaskRow, live: LiveRun) -> str:
    """Returns what a task waits for that could start as far as other tasks go."""
    if state_of(live) == "paused":
        return "the run is paused"
    if row.attempts:
        return f"waits for attempt {row.attempts + 1}"
    return "waits for a slot, its provider or the budget" if live.status.providers else "waits for a slot"


def _outcome(row: TaskRow) -> str:
    result = row.result
    if result is None:
        return str(row.state)
    seconds = f"{result.execution_time:.1f} s" if result.started_at else ""
    if result.success:
        return " · ".join(filter(None, (seconds, one_line(str(result.verification.level), 60))))
    return " · ".join(filter(None, (str(row.state), seconds, one_line(masked(result.error or ""), 160))))


def _agent_of(row: TaskRow, live: LiveRun) -> str:
    if row.result is not None and row.result.agent:
        return row.result.agent
    return row.task.agent or live.run.default_agent


@lru_cache(maxsize=4_096)
def _name_of(task_id: str, headline: str, level: int) -> str:
    """Returns what a row calls a task; it never changes, and a view of all tasks asks for it again and again."""
    return f"{'  ' * level}{one_line(task_id)} {one_line(masked(headline), 80)}"


@lru_cache(maxsize=64)
def _called(agent: str) -> str:
    return f"@{one_line(agent, 20)}"


@lru_cache(maxsize=2)
def _levels_of(graph: tuple[tuple[str, tuple[str, ...]], ...]) -> dict[str, int]:
    """Returns the level of each task in the graph; it changes seldom and is asked for at each look."""
    return {task: level for level, column in enumerate(columns_of(dict(graph))) for task in column}
