"""The events of a run on their way to its watcher."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aurora_spawner.tasks.approvals import WHOLE_RUN
from aurora_spawner.tasks.run_events import TaskEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_spawner.runs.run_tasks import RunTasks
    from aurora_spawner.runs.scheduler import Scheduler
    from aurora_spawner.tasks.run_events import RunEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifier:
    """Hands each event on with the time, the progress of the run, and the agent that has the task."""

    on_event: Callable[[RunEvent], None] | None
    run_id: str
    tasks: RunTasks
    scheduler: Scheduler
    agent_of: Callable[[str], str]

    @property
    def watched(self) -> bool:
        """True if there is a watcher."""
        return self.on_event is not None

    def emit(self, event: RunEvent) -> None:
        """Completes an event and hands it on."""
        if self.on_event is None:
            return
        done, total = self.scheduler.settled, len(self.tasks.tasks)
        complete: RunEvent = replace(event, run_id=self.run_id, at=time.time(), done=done, total=total)
        if isinstance(complete, TaskEvent) and complete.task_id != WHOLE_RUN:
            task = self.tasks.tasks[complete.task_id]
            agent = self.agent_of(complete.task_id)
            complete = replace(complete, title=task.headline, agent=agent, candidate_of=task.candidate_of)
        self.on_event(complete)
