"""A task file as it was read: tasks, groups, and a note about every box that is neither."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.tasks.task import SpawnTask


Order = Literal["file", "parallel"]
ORDERS: Final[tuple[Order, ...]] = ("file", "parallel")


class LineState(Enum):
    """Whether a task is to run."""

    OPEN = "open"
    DONE = "done"
    HELD = "held"
    """Its box, or its group's, is neither open nor done."""
    WAITING = "waiting"
    """It depends on a task that is not run."""
    OPTIONAL = "optional"
    """It is optional, and optional tasks are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLine:
    """A task as it stands in the file."""

    id: str
    """Its number in the file, with its heading where several sections use that number; else its position."""
    title: str
    """Its text after the number, without settings and marks."""
    line: int
    """Counted from 1."""
    state: LineState
    task: SpawnTask
    numbered: bool = True
    """The id stands in the file; others are positions, which move when lines are added."""

    @property
    def done(self) -> bool:
        """Its box is ticked."""
        return self.state is LineState.DONE


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLine:
    """A box with others below it: no task of its own, done when they are."""

    id: str
    title: str
    line: int
    done: bool
    """Its box is ticked."""
    held: bool
    """Its box is neither open nor done."""
    members: tuple[str, ...]
    """Ids of the tasks in it, those of its groups included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A remark about a line, or lines, for the person who runs the file."""

    line: int
    text: str
    last: int | None = None
    """The last of several lines."""

    def __str__(self) -> str:
        place = f"lines {self.line} to {self.last}" if self.last else f"line {self.line}"
        return f"{place}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFile:
    """A task file that was read and whose graph is sound."""

    path: Path
    lines: tuple[TaskLine, ...]
    form: str = "plain list"
    """The kind of task file that it is, by name."""
    order: str = "all at once"
    """In which order its tasks run unless they say what they depend on."""
    chosen_order: Order | None = None
    """The order that it was read for, if not its form's own."""
    optional: bool = False
    """Optional tasks are to run."""
    groups: tuple[GroupLine, ...] = ()
    notes: tuple[Note, ...] = ()
    """In the order of the file: what is not run and why, what is nearly a setting."""

    @property
    def tasks(self) -> tuple[SpawnTask, ...]:
        """The tasks to run; dependencies on those that are done or left out are dropped."""
        wanted = {line.id for line in self.lines if line.state is LineState.OPEN}
        return tuple(_depending_on(line.task, wanted) for line in self.lines if line.state is LineState.OPEN)

    @property
    def done(self) -> tuple[str, ...]:
        """Ids of the tasks that are ticked."""
        return self.in_state(LineState.DONE)

    @property
    def not_run(self) -> tuple[str, ...]:
        """Ids of the tasks that are not done and cannot run: a run of the others leaves something undone."""
        return self.in_state(LineState.HELD, LineState.WAITING)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Ids of the optional tasks that are left out."""
        return self.in_state(LineState.OPTIONAL)

    def in_state(self, *states: LineState) -> tuple[str, ...]:
        """Ids of the tasks in one of these states."""
        return tuple(line.id for line in self.lines if line.state in states)

    def line_of(self, task_id: str) -> int | None:
        """Where a task stands, counted from 1."""
        return next((line.line for line in self.lines if line.id == task_id), None)


def _depending_on(task: SpawnTask, wanted: set[str]) -> SpawnTask:
    if wanted.issuperset(task.depends_on):
        return task
    return replace(
        task,
        depends_on=tuple(each for each in task.depends_on if each in wanted),
        order_only=tuple(each for each in task.order_only if each in wanted),
    )
