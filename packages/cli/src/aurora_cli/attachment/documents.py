"""The events of a run and of its coordinators as JSON values, for programs that are attached to it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from aurora_cli.render.run import row_of
from aurora_spawner.control.attached import Attached, CoordinatorEnded, CoordinatorKilled, CoordinatorTook
from aurora_spawner.tasks.approvals import AGENT_GATE
from aurora_spawner.tasks.run_events import ApprovalAsked, ApprovalSettled, RunEnded, TaskEnded, TaskEvent

if TYPE_CHECKING:
    from aurora_spawner import RunEvent
    from aurora_spawner.control.attached import Attachment

__all__ = ["attachment_document", "run_event_document"]


def attachment_document(event: Attachment, run_id: str) -> dict[str, Any]:
    """Returns what becomes of the processes that work on a run or a session."""
    match event:
        case Attached():
            return {"event": "attached", "id": run_id, "state": str(event.state), "pid": event.pid}
        case CoordinatorTook():
            return {"event": "taken", "id": run_id, "pid": event.pid}
        case CoordinatorEnded():
            return {"event": "released", "id": run_id, "pid": event.pid, "state": str(event.state)}
        case CoordinatorKilled():
            return {"event": "killed", "id": run_id, "pid": event.pid}


def run_event_document(event: RunEvent) -> dict[str, Any]:
    """Returns an event of a run; `event` names its kind, and `message` is a line for people."""
    document: dict[str, Any] = {
        "event": re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower(),
        "at": event.at,
        "done": event.done,
        "total": event.total,
        "message": event.message,
    }
    if isinstance(event, TaskEvent):
        document |= {"task": event.task_id or None, "title": event.title, "agent": event.agent}
    match event:
        case TaskEnded():
            document["result"] = row_of(event.result, event.title)
        case RunEnded():
            document["state"] = str(event.state)
        case ApprovalAsked():
            question = event.question
            document |= {
                "id": event.approval,
                "kind": "question" if question.gate == AGENT_GATE else "permission",
                "subject": question.subject,
                "reason": question.reason,
                "rule": question.rule,
                "limit_s": event.limit_s,
            }
        case ApprovalSettled():
            answer = event.answer
            document |= {"id": event.approval, "approved": answer.approved if answer else None}
            document |= {"by": answer.by if answer else None, "note": answer.note if answer else ""}
    return document
