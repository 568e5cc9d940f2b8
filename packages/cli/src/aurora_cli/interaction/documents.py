"""The events of a session as JSON values, one object an event."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from aurora_spawner.conversations.session_events import (
    AgentReady,
    AgentSwitched,
    Answered,
    Asked,
    DefaultTaken,
    SessionNotice,
    Spoke,
    TurnBegan,
    TurnOver,
    UsedTool,
)
from aurora_spawner.tasks.approvals import AGENT_GATE

__all__ = ["event_document"]


@singledispatch
def event_document(event: object) -> dict[str, Any]:
    """Returns an event of a session as JSON values; `event` names its kind."""
    raise TypeError(f"{event!r} is no event of a session")


@event_document.register
def _(event: AgentReady) -> dict[str, Any]:
    return {"event": "ready", "agent": event.agent, "transport": event.words or None, "how": event.how}


@event_document.register
def _(event: AgentSwitched) -> dict[str, Any]:
    return {"event": "switched", "agent": event.agent}


@event_document.register
def _(event: TurnBegan) -> dict[str, Any]:
    turn = event.turn
    return {
        "event": "turn",
        "turn": turn.number,
        "agent": turn.agent,
        "text": turn.text,
        "elsewhere": event.elsewhere,
    }


@event_document.register
def _(event: Spoke) -> dict[str, Any]:
    return {"event": "text", "turn": event.turn, "text": event.text}


@event_document.register
def _(event: UsedTool) -> dict[str, Any]:
    return {"event": "tool", "turn": event.turn, "name": event.name, "about": event.about}


@event_document.register
def _(event: Asked) -> dict[str, Any]:
    question = event.question
    kind = "question" if question.gate == AGENT_GATE else "permission"
    return {
        "event": kind,
        "id": event.approval,
        "subject": question.subject,
        "reason": question.reason,
        "rule": question.rule,
        "limit_s": event.limit_s,
    }


@event_document.register
def _(event: Answered) -> dict[str, Any]:
    answer = event.answer
    if answer is None:
        return {"event": "withdrawn", "id": event.approval}
    return {
        "event": "answered",
        "id": event.approval,
        "approved": answer.approved,
        "by": answer.by,
        "note": answer.note,
    }


@event_document.register
def _(event: DefaultTaken) -> dict[str, Any]:
    return {"event": "default", "turn": event.turn, "subject": event.subject, "answer": event.answer}


@event_document.register
def _(event: SessionNotice) -> dict[str, Any]:
    return {"event": "notice", "text": event.text}


@event_document.register
def _(event: TurnOver) -> dict[str, Any]:
    turn = event.turn
    return {
        "event": "turn_over",
        "turn": turn.number,
        "state": turn.state.value,
        "problem": turn.problem,
        "usage": turn.usage.to_json() if turn.usage else None,
    }
