"""What there is to see of a run at a moment: who works on what, and how many tasks ended how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_cli.render.words import one_line

if TYPE_CHECKING:
    from aurora_spawner import RunEvent, SpawnResult

__all__ = ["Board", "RunningTask", "line_of"]

_RUN_WORDS: Final = {"run_paused": "paused: what runs goes on, nothing else starts", "run_unpaused": "going on"}


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
        done: how many tasks have ended, those of an earlier execution included.
        total: how many there are; a run may grow.
    """

    def __init__(self) -> None:
        self.running: dict[str, RunningTask] = {}
        self.done = 0
        self.total = 0

    def take(self, event: RunEvent) -> None:
        """Follow one event."""
        self.total = max(self.total, event.total)
        if event.kind == "run_started":
            self.done = event.done
        if event.task_id is None:
            return
        if event.kind == "task_started":
            self.running[event.task_id] = RunningTask(
                task_id=event.task_id, title=event.title or "", agent=event.agent or "", since=event.at
            )
        elif event.kind == "task_ended":
            self.running.pop(event.task_id, None)
            self.done += 1  # the event's own count may be ahead: one end can settle several tasks


def line_of(event: RunEvent, board: Board) -> str | None:
    """Write what a person should read of an event; the board has taken it already. None where it is routine."""
    if event.kind == "task_ended" and event.result is not None:
        return f"[{board.done}/{board.total}] {_name(event)}: {_end(event.result)}"
    if event.task_id is not None:
        return f"{_name(event)}: {one_line(event.message)}" if event.message else None
    return one_line(event.message, 300) if event.message else _RUN_WORDS.get(event.kind)


def _name(event: RunEvent) -> str:
    return f"{one_line(event.task_id or '')} {one_line(event.title or '', 80)}"


def _end(result: SpawnResult) -> str:
    time = f" ({result.execution_time:.1f} s)" if result.started_at is not None else ""
    reason = f": {one_line(result.error, 300)}" if result.error and not result.success else ""
    return f"{result.state.value}{time}{reason}"
