"""The state of a run as its display shows it: running tasks, and the number of ended tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_cli.render.approvals import asked_line
from aurora_cli.render.words import one_line
from aurora_spawner.tasks.run_events import ApprovalAsked, RunStarted, TaskEnded, TaskEvent, TaskStarted

if TYPE_CHECKING:
    from aurora_spawner import RunEvent, SpawnResult

__all__ = ["Board", "RunningTask", "line_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningTask:
    """A running task; `since` is the Unix time of its start."""

    task_id: str
    title: str
    agent: str
    since: float


class Board:
    """The state of a run, updated by its events.

    Attributes:
        running: by task id, in the order in which they started.
        done: number of ended tasks, those of earlier executions included.
        total: number of tasks; it can grow.
    """

    def __init__(self) -> None:
        self.running: dict[str, RunningTask] = {}
        self.done = 0
        self.total = 0

    def update(self, event: RunEvent) -> None:
        """Applies one event."""
        self.total = max(self.total, event.total)
        match event:
            case RunStarted():
                self.done = event.done
            case TaskStarted():
                self.running[event.task_id] = RunningTask(
                    task_id=event.task_id, title=event.title, agent=event.agent, since=event.at
                )
            case TaskEnded():
                self.running.pop(event.task_id, None)
                self.done += 1  # the event's own count may be ahead: one end can settle several tasks
            case _:
                pass


def line_of(event: RunEvent, board: Board) -> str | None:
    """Returns the line for an event that the board has applied; None for a routine event."""
    if isinstance(event, TaskEnded):
        return f"[{board.done}/{board.total}] {_name(event)}: {_end(event.result)}"
    if isinstance(event, ApprovalAsked):
        return f"{_name(event)}: {asked_line(event)}"
    if not event.message:
        return None
    return (
        f"{_name(event)}: {one_line(event.message)}" if isinstance(event, TaskEvent) else one_line(event.message, 300)
    )


def _name(event: TaskEvent) -> str:
    return f"{one_line(event.task_id)} {one_line(event.title, 80)}".strip() or "the merge"


def _end(result: SpawnResult) -> str:
    time = f" ({result.execution_time:.1f} s)" if result.started_at is not None else ""
    if not result.success:
        reason = f": {one_line(result.error, 300)}" if result.error else ""
        return f"{result.state.value}{time}{reason}"
    proof = result.verification
    ran = f": {one_line(proof.ran, 300)}" if result.checked or result.review else ""
    chosen = f"; {one_line(result.choice.why, 400)}" if result.choice else ""
    return f"{result.state.value}{time}, {proof.level}{ran}{chosen}"
