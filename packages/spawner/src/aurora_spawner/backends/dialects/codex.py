"""The stream of Codex (`codex exec --json`)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aurora_spawner.backends.events import (
    AgentEvent,
    Failed,
    RetryNotice,
    SessionStarted,
    Succeeded,
    Text,
    ToolCall,
    ToolResult,
    UsageReported,
)
from aurora_spawner.backends.failures import failure_in
from aurora_spawner.tasks.usage import NOTHING, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aurora_spawner.backends.dialects.base import Readers
    from aurora_spawner.backends.fields import Fields
    from aurora_spawner.tasks.failure import ReportedFailure

_TRIES_AGAIN: Final = re.compile(r"Reconnecting\.\.\. (\d{1,6})/")
_SERVER_ERROR: Final = "which may cause temporary errors"
"""A part of its message for any status from 500 up; the message blames high demand without knowing it."""
_TOOLS: Final = ("command_execution", "file_change", "mcp_tool_call", "web_search", "collab_tool_call")


def _thread_started(event: Fields) -> Iterator[AgentEvent]:
    if event.text("thread_id"):
        yield SessionStarted(id=event.text("thread_id"))


def _item_started(event: Fields) -> Iterator[AgentEvent]:
    item = event.fields("item")
    if item.text("type") in _TOOLS:
        yield ToolCall(name=item.text("tool", "type"), id=item.text("id"), about=item.about())


def _item_completed(event: Fields) -> Iterator[AgentEvent]:
    """Yields the events of a completed item; an item of type error is a warning, not an end."""
    item = event.fields("item")
    if item.text("type") == "agent_message" and item.text("text"):
        yield Text(text=item.text("text"))
    elif item.text("type") == "file_change":  # only their end is reported
        yield ToolCall(name="file_change", id=item.text("id"), about=_changed(item))
        yield ToolResult(id=item.text("id"), ok=item.text("status") != "failed")
    elif item.text("type") in _TOOLS:
        yield ToolResult(id=item.text("id"), ok=item.text("status") != "failed")


def _changed(item: Fields) -> str:
    return ", ".join(each.text("path") for each in item.rows("changes"))[:200]


def _error(event: Fields) -> Iterator[AgentEvent]:
    """Yields a retry: this event precedes each retry and the final `turn.failed`."""
    again = _TRIES_AGAIN.match(event.text("message"))
    if again:
        yield RetryNotice(attempt=int(again[1]), failure=_failure(event.text("message")))


def _turn_completed(event: Fields) -> Iterator[AgentEvent]:
    """Yields success with the usage of the whole thread, earlier processes included."""
    used = event.fields("usage")
    cached = used.count("cached_input_tokens")
    so_far = Usage(
        input_tokens=max(0, used.count("input_tokens") - cached),
        output_tokens=used.count("output_tokens"),
        cache_read_tokens=cached,
        cache_write_tokens=used.count("cache_write_input_tokens"),
    )
    yield UsageReported(usage=NOTHING, total=True, session=so_far)
    yield Succeeded()


def _turn_failed(event: Fields) -> Iterator[AgentEvent]:
    yield Failed(failure=_failure(event.raw.get("error")))


def _failure(error: object) -> ReportedFailure:
    said = failure_in(error)
    return replace(said, code="server_error") if _SERVER_ERROR in said.message and not said.code else said


def _nothing(_event: Fields) -> Iterator[AgentEvent]:
    yield from ()


READERS: Final[Readers] = {
    "thread.started": _thread_started,
    "turn.started": _nothing,
    "item.started": _item_started,
    "item.updated": _nothing,
    "item.completed": _item_completed,
    "error": _error,
    "turn.completed": _turn_completed,
    "turn.failed": _turn_failed,
}
