"""What there is to see of a run at a moment: who works on what, and how many tasks ended how."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_cli.render.words import one_line

if TYPE_CHECKING:
    from aurora_spawner import RunEvent, SpawnResult

__all__ = ["Board", "RunningTask", "ended_line"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningTask:
    """A task that an agent works on; `since` is Unix time."""

    task_id: str
    title: str
    agent: str
    since: float


class Board:
    """Follows a run by its events.

    Attributes:
        running: by task id, in the order in which they started.
        ended: how many tasks ended in each state.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.running: dict[str, RunningTask] = {}
        self.ended: Counter[str] = Counter()

    @property
    def done(self) -> int:
        """How many tasks have ended, in whatever state."""
        return self.ended.total()

    def take(self, event: RunEvent) -> None:
        """Follow one event."""
        if event.task_id is None:
            return
        if event.kind == "task_started":
            self.running[event.task_id] = RunningTask(
                task_id=event.task_id, title=event.title or "", agent=event.agent or "", since=event.at
            )
        elif event.kind == "task_ended" and event.result is not None:
            self.running.pop(event.task_id, None)
            self.ended[event.result.state.value] += 1


def ended_line(position: int, total: int, title: str, result: SpawnResult) -> str:
    """Write a task's end: `[3/50] 1.2 Read the parser: succeeded (0.1 s)`."""
    time = f" ({result.execution_time:.1f} s)" if result.started_at is not None else ""
    reason = f": {one_line(result.error, 200)}" if result.error and not result.success else ""
    return (
        f"[{position}/{total}] {one_line(result.task_id)} {one_line(title, 80)}: {result.state.value}{time}{reason}"
    )
