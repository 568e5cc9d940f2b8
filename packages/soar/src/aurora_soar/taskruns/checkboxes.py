"""Checkboxes of a task file, ticked while its run is in progress."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from aurora_spawner import tick
from aurora_spawner.errors import TaskFileError
from aurora_spawner.tasks.run_events import TaskEnded
from aurora_spawner.tasks.work import MergeOutcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_spawner import RunEvent, RunReport, SpawnResult
    from aurora_spawner.taskfiles.model import TaskFile

__all__ = ["Checkboxes"]

UPDATE_EVERY_S: Final = 0.5


class Checkboxes:
    """Ticks boxes as tasks succeed, several at a time: a large file is not rewritten for each task.

    The box of a task with a worktree is ticked when its work is merged.

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
        if isinstance(event, TaskEnded) and event.result.success and not _is_to_merge(event.result):
            self._waiting.add(event.task_id)
        if self._waiting and self._clock() >= self._next:
            self.flush()

    def finish(self, report: RunReport) -> None:
        """Ticks all remaining boxes, also those that an earlier execution finished and had no time to tick."""
        merged = report.merge.tasks if report.merge else {}
        for task_id, result in report.results.items():
            merge = merged.get(result.worker)
            if result.success and (not _is_to_merge(result) or (merge and merge.outcome is MergeOutcome.MERGED)):
                self._waiting.add(task_id)
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


def _is_to_merge(result: SpawnResult) -> bool:
    return result.work is not None and result.work.commit is not None
