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
    from aurora_spawner.tasks.work import TaskMerge

__all__ = ["Checkboxes"]

UPDATE_EVERY_S: Final = 0.5


class Checkboxes:
    """Ticks boxes as tasks succeed, several at a time: a large file is not rewritten for each task.

    The box of a task with a worktree is ticked when its work is merged. That of a task whose own checks did not run,
    because the user does not trust them, stays open: else the checks could not be had after `aur trust`.

    Attributes:
        notices: a sentence for each box that could not be ticked, and one for those that wait for their checks.
    """

    def __init__(self, file: TaskFile, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._commands = {line.id: frozenset(line.task.commands) for line in file.lines}
        self._clock = clock
        self._waiting: set[str] = set()
        self._next = clock() + UPDATE_EVERY_S
        self.notices: list[str] = []

    def follow(self, event: RunEvent) -> None:
        """Receives one event of the run."""
        if isinstance(event, TaskEnded) and self._is_done(event.task_id, event.result):
            self._waiting.add(event.task_id)
        if self._waiting and self._clock() >= self._next:
            self.flush()

    def finish(self, report: RunReport) -> None:
        """Ticks all remaining boxes, also those that an earlier execution finished and had no time to tick."""
        merged = report.merge.tasks if report.merge else {}
        for task_id, result in report.results.items():
            merge = merged.get(result.worker)
            if self._is_done(task_id, result, merge):
                self._waiting.add(task_id)
        self.flush()
        unproven = [
            each for each, result in report.results.items() if result.success and self._unproven(each, result)
        ]
        if unproven:
            which = ", ".join(unproven)
            self.notices.append(
                f"{self._file.path}: open until their checks have run: {which}; trust them, then spawn again"
            )

    def _is_done(self, task_id: str, result: SpawnResult, merge: TaskMerge | None = None) -> bool:
        is_there = not _is_to_merge(result) or (merge is not None and merge.outcome is MergeOutcome.MERGED)
        return result.success and is_there and not self._unproven(task_id, result)

    def _unproven(self, task_id: str, result: SpawnResult) -> bool:
        """Returns True if commands that the task itself names did not run on its work."""
        ran = frozenset(run.command for run in result.checked.runs) if result.checked else frozenset()
        return not self._commands.get(task_id, frozenset()) <= ran

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
