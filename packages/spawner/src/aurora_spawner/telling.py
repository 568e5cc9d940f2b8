"""Let the watcher of a run know what happens."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aurora_spawner.result import RunEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_spawner.roster import Roster
    from aurora_spawner.scheduler import Scheduler


@dataclass(frozen=True, slots=True, kw_only=True)
class Teller:
    """Called with each thing that happens; adds how far the run is, and who has the task."""

    on_event: Callable[[RunEvent], None] | None
    run_id: str
    roster: Roster
    scheduler: Scheduler
    agent_of: Callable[[str], str]

    def __call__(self, kind: str, task_id: str | None = None, **more: Any) -> None:
        """Tell it, with more fields of a `RunEvent`."""
        if self.on_event is None:
            return
        if task_id is not None:
            more = {
                "task_id": task_id,
                "title": self.roster.tasks[task_id].headline,
                "agent": self.agent_of(task_id),
                "state": self.scheduler.states[task_id],
                **more,
            }
        done, total = self.scheduler.settled, len(self.roster.tasks)
        self.on_event(RunEvent(kind=kind, run_id=self.run_id, at=time.time(), done=done, total=total, **more))
