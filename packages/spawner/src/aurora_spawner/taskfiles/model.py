"""The model of a task file: tasks, groups, and a note about every other box."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aurora_spawner.tasks.task import SpawnTask


Order = Literal["file", "parallel"]
ORDERS: Final[tuple[Order, ...]] = ("file", "parallel")


class LineState(Enum):
    """The state of a task in its file."""

    OPEN = "open"
    DONE = "done"
    HELD = "held"
    """The box of the task or of its group is neither open nor done."""
    WAITING = "waiting"
    """The task depends on a task that does not run."""
    OPTIONAL = "optional"
    """The task is optional, and optional tasks are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLine:
    """A task of the file."""

    id: str
    """Its number in the file, with its heading if several sections use that number; else its position."""
    title: str
    """The text after the number, without settings and marks."""
    line: int
    """The line, counted from 1; 0 for a task that comes from no file."""
    state: LineState
    task: SpawnTask
    numbered: bool = True
    """True if the file contains the id; other ids are positions, which change when lines are added."""

    @property
    def done(self) -> bool:
        """Its box is ticked."""
        return self.state is LineState.DONE


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLine:
    """A group: a box with boxes below it, which is not a task itself and is done when they are."""

    id: str
    title: str
    line: int
    done: bool
    """Its box is ticked."""
    held: bool
    """True if its box is neither open nor done."""
    members: tuple[str, ...]
    """The ids of its tasks, nested groups included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A message about one or more lines, for the user who runs the file."""

    line: int
    text: str
    last: int | None = None
    """The last of several lines."""

    def __str__(self) -> str:
        place = f"lines {self.line} to {self.last}" if self.last else f"line {self.line}"
        return f"{place}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFile:
    """A task file with a valid graph."""

    path: Path
    lines: tuple[TaskLine, ...]
    form: str = "plain list"
    """The name of its form."""
    order: str = "all at once"
    """The order of tasks that name no dependencies."""
    chosen_order: Order | None = None
    """The order that replaces the form's own; None keeps the form's."""
    optional: bool = False
    """True if optional tasks run."""
    candidates: int | None = None
    """The number of candidates of tasks that say nothing about theirs."""
    candidate_agents: tuple[str, ...] = ()
    """The agents of the candidates of tasks that name no agent."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    """The values of its arguments, `{{name}}`, by name."""
    written_commands: tuple[str, ...] = ()
    """The commands of its tasks as the file has them, if arguments were given values."""
    groups: tuple[GroupLine, ...] = ()
    notes: tuple[Note, ...] = ()
    """Notes in the order of the file: boxes that do not run, and near misses of settings."""

    @property
    def tasks(self) -> tuple[SpawnTask, ...]:
        """The tasks to run, without dependencies on tasks that are done or left out."""
        wanted = {line.id for line in self.lines if line.state is LineState.OPEN}
        return tuple(_depending_on(line.task, wanted) for line in self.lines if line.state is LineState.OPEN)

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands that its tasks name, each once, as the file has them."""
        found = dict.fromkeys(command for line in self.lines for command in line.task.commands)
        return self.written_commands or tuple(found)

    @property
    def done(self) -> tuple[str, ...]:
        """The ids of the ticked tasks."""
        return self.in_state(LineState.DONE)

    @property
    def not_run(self) -> tuple[str, ...]:
        """The ids of the tasks that are not done and cannot run: a run of the others leaves them undone."""
        return self.in_state(LineState.HELD, LineState.WAITING)

    @property
    def left_out(self) -> tuple[str, ...]:
        """The ids of the optional tasks that are left out."""
        return self.in_state(LineState.OPTIONAL)

    def with_candidates(self, count: int | None, agents: tuple[str, ...]) -> TaskFile:
        """Returns the file with candidates for each task that says nothing about them.

        Args:
            count: How many; None for one of each agent.
            agents: In turn; tasks that name an agent keep it.

        Raises:
            TaskError: A value is out of bounds.
        """
        if count is None and not agents:
            return self
        lines = tuple(replace(line, task=_with_candidates(line.task, count, agents)) for line in self.lines)
        return replace(self, lines=lines, candidates=count, candidate_agents=agents)

    def in_state(self, *states: LineState) -> tuple[str, ...]:
        """Returns the ids of the tasks in one of these states."""
        return tuple(line.id for line in self.lines if line.state in states)

    def line_of(self, task_id: str) -> int | None:
        """Returns a task's line, counted from 1; None if the file does not have the task."""
        return next((line.line for line in self.lines if line.id == task_id), None)


def _with_candidates(task: SpawnTask, count: int | None, agents: tuple[str, ...]) -> SpawnTask:
    if task.candidates is not None or task.agents:
        return task
    return replace(task, candidates=count, agents=() if task.agent else agents)


def _depending_on(task: SpawnTask, wanted: set[str]) -> SpawnTask:
    if wanted.issuperset(task.depends_on):
        return task
    return replace(
        task,
        depends_on=tuple(each for each in task.depends_on if each in wanted),
        order_only=tuple(each for each in task.order_only if each in wanted),
    )
