"""The protocol of Aurora's own for programs that are talked with: JSON objects, one a line; see docs/interact.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.backends.dialects.base import Dialect
from aurora_spawner.backends.events import (
    AgentEvent,
    Failed,
    PermissionAsked,
    QuestionAsked,
    SessionStarted,
    Succeeded,
    Text,
    ToolCall,
    ToolResult,
    UsageReported,
)
from aurora_spawner.backends.failures import MESSAGE_LENGTH
from aurora_spawner.tasks.failure import ReportedFailure
from aurora_spawner.tasks.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aurora_spawner.backends.dialects.base import Readers
    from aurora_spawner.backends.fields import Fields

PROTOCOL: Final = 1


def _session(event: Fields) -> Iterator[AgentEvent]:
    yield SessionStarted(id=event.text("id"), model=event.text("model") or None)


def _text(event: Fields) -> Iterator[AgentEvent]:
    if event.text("text"):
        yield Text(text=event.text("text"), continues=not event.is_true("new"))


def _tool(event: Fields) -> Iterator[AgentEvent]:
    yield ToolCall(name=event.text("name"), id=event.text("id"), about=event.text("about"))


def _tool_result(event: Fields) -> Iterator[AgentEvent]:
    yield ToolResult(id=event.text("id"), ok=event.raw.get("ok") is not False)


def _permission(event: Fields) -> Iterator[AgentEvent]:
    yield PermissionAsked(id=event.text("id"), tool=event.text("tool"), given=event.fields("input").raw)


def _question(event: Fields) -> Iterator[AgentEvent]:
    given = event.raw.get("choices")
    choices = tuple(each for each in given if isinstance(each, str)) if isinstance(given, list) else ()
    yield QuestionAsked(
        id=event.text("id"), text=event.text("text"), default=event.text("default") or None, choices=choices
    )


def _usage(event: Fields) -> Iterator[AgentEvent]:
    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    counts = {name: event.count(name) for name in names}
    yield UsageReported(usage=Usage(**counts, cost_usd=event.real("cost_usd")), model=event.text("model") or None)


def _done(_event: Fields) -> Iterator[AgentEvent]:
    yield Succeeded()


def _failed(event: Fields) -> Iterator[AgentEvent]:
    message = event.text("message")[:MESSAGE_LENGTH] or "it reports a failure"
    yield Failed(failure=ReportedFailure(code="", message=message))


READERS: Final[Readers] = {
    "session": _session,
    "text": _text,
    "tool": _tool,
    "tool_result": _tool_result,
    "permission": _permission,
    "question": _question,
    "usage": _usage,
    "done": _done,
    "failed": _failed,
}
JSON_LINES: Final = Dialect(name="json-lines", readers=READERS)


class JsonLinesWire:
    """Aurora's own protocol."""

    dialect: Final = JSON_LINES
    confirms_session: Final = True
    words: Final = "one process, in JSON Lines"

    def hello(self, session_id: str | None) -> tuple[Mapping[str, Any], ...]:
        """Returns the opening line; the agent answers with its session."""
        return ({"type": "open", "protocol": PROTOCOL, "session": session_id},)

    def turn(self, text: str) -> Mapping[str, Any]:
        """Returns the line of a turn."""
        return {"type": "turn", "text": text}

    def permission(self, asked: PermissionAsked, *, allowed: bool, reason: str) -> Mapping[str, Any]:
        """Returns the answer to a request for permission."""
        return {"type": "permission", "id": asked.id, "allowed": allowed, "reason": reason}

    def answer(self, asked: QuestionAsked, text: str | None) -> Mapping[str, Any]:
        """Returns the answer to a question; its text is null if nobody has one."""
        return {"type": "answer", "id": asked.id, "text": text}

    def interrupt(self) -> Mapping[str, Any]:
        """Returns the line that interrupts a turn."""
        return {"type": "interrupt"}
