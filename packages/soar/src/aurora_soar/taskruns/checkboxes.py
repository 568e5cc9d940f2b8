"""Checkboxes of a task file, ticked while its run is in progress."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from aurora_spawner import tick
from aurora_spawner.errors import TaskFileError
from aurora_spawner.tasks.run_events import TaskEnded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aurora_spawner import RunEvent, SpawnResult
    from aurora_spawner.taskfiles.model import TaskFile

__all__ = ["Checkboxes"]

UPDATE_EVERY_S: Final = 0.5


class Checkboxes:
    """Ticks boxes as tasks succeed, several at a time: a large file is not rewritten for each task.

    Attributes:
        notices: a sentence for each box that could not be ticked.
    """

    def __init__(self, file: TaskFile, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._clock = clock
        self._waiting: set[str] = set()
        self._next = clock() + UPDATE_EVERY_S
        self.notices: list[str] = []

    def follow(self, event: RunEvent) -> None:
        """Receives one event of the run."""
        if isinstance(event, TaskEnded) and event.result.success:
            self._waiting.add(event.task_id)
        if self._waiting and self._clock() >= self._next:
            self.flush()

    def finish(self, results: Mapping[str, SpawnResult]) -> None:
        """Ticks all remaining boxes, also those that an earlier execution finished and had no time to tick."""
        self._waiting.update(task_id for task_id, result in results.items() if result.success)
        self.flush()

    def flush(self) -> None:
        """Ticks the waiting boxes. A file that cannot be read or written becomes a notice, not the end of the run."""
        started = self._clock()
        finished, self._waiting = self._waiting, set()
        try:
            if finished:
                self.notices.extend(tick(self._file, finished).left_alone)
        except TaskFileError as error:
            self.notices.append(str(error))
        took = self._clock() - started
        self._next = self._clock() + max(UPDATE_EVERY_S, 20 * took)
