"""The events of a run that are told outside of its terminal, and their words."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from aurora_spawner.tasks.run_events import ApprovalAsked, ProviderLeft, ProviderPaused, RunEnded, TaskEnded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_spawner import RunEvent

__all__ = ["Notification", "budget_warning", "combined", "notification_of"]

LONG_PAUSE_S: Final = 60.0
"""A provider that pauses for less is not worth a notification."""
SHOWN: Final = 10
"""The most messages that one notification joins; of more, the count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One event, or several of a kind shortly after each other.

    Attributes:
        event: its name in the configuration.
        message: one line for people; several, if it stands for several.
        task: the id of a task; "" if it is about the run.
        at: Unix time.
        count: the number of events that it stands for.
    """

    event: str
    message: str
    run: str = ""
    task: str = ""
    title: str = ""
    agent: str = ""
    at: float
    count: int = 1

    def fields(self, project: str) -> dict[str, object]:
        """Returns the fields of its document."""
        return {
            "event": self.event,
            "message": self.message,
            "project": project,
            "run": self.run,
            "task": self.task,
            "title": self.title,
            "agent": self.agent,
            "at": datetime.fromtimestamp(self.at, UTC).isoformat(timespec="seconds"),
            "count": self.count,
        }

    def document(self, project: str) -> str:
        """Returns its JSON document."""
        return json.dumps(self.fields(project), ensure_ascii=False)


def notification_of(event: RunEvent) -> Notification | None:
    """Returns what is told about an event; None for nothing."""
    if isinstance(event, RunEnded):
        message = f"{event.run_id}: {event.state.value}, {event.done} of {event.total} tasks ended"
        return Notification(event="run_ended", message=message, run=event.run_id, at=event.at)
    if isinstance(event, ApprovalAsked):
        return _about_task("approval", event)
    if isinstance(event, TaskEnded) and not event.result.success:
        # Another candidate may succeed; if none does, their task fails.
        return None if event.candidate_of else _about_task("task_failed", event)
    long_pause = isinstance(event, ProviderPaused) and event.until - event.at >= LONG_PAUSE_S
    if isinstance(event, ProviderLeft) or long_pause:
        return Notification(event="provider_stopped", message=event.message, run=event.run_id, at=event.at)
    return None


def _about_task(name: str, event: ApprovalAsked | TaskEnded) -> Notification:
    return Notification(
        event=name,
        message=f"{f'{event.task_id} {event.title}'.strip() or event.run_id}: {event.message}",
        run=event.run_id,
        task=event.task_id,
        title=event.title,
        agent=event.agent,
        at=event.at,
    )


def budget_warning(message: str, *, at: float) -> Notification:
    """Returns a warning that a budget is nearly used up."""
    return Notification(event="budget_warning", message=message, at=at)


def combined(notifications: Sequence[Notification]) -> Notification:
    """Joins notifications of one kind into one."""
    if len(notifications) == 1:
        return notifications[0]
    lines = [each.message for each in notifications[:SHOWN]]
    if len(notifications) > SHOWN:
        lines.append(f"and {len(notifications) - SHOWN} more")
    return replace(notifications[-1], message="\n".join(lines), task="", title="", agent="", count=len(notifications))
