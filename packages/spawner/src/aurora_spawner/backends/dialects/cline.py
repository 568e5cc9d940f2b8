"""The stream of Cline (`cline --json`)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aurora_spawner.backends.events import (
    AgentEvent,
    Failed,
    RetryNotice,
    Succeeded,
    Text,
    ToolCall,
    ToolResult,
    UsageReported,
)
from aurora_spawner.backends.failures import failure_in
from aurora_spawner.tasks.failure import ReportedFailure
from aurora_spawner.tasks.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aurora_spawner.backends.dialects.base import Readers
    from aurora_spawner.backends.fields import Fields


_CLASSES: Final = {"auth": "authentication_error", "rate_limit": "rate_limit_error", "rateLimit": "rate_limit_error"}


def _nothing(_event: Fields) -> Iterator[AgentEvent]:
    """Yields nothing: its ids name conversations, not sessions that it can resume."""
    yield from ()


def _agent_event(event: Fields) -> Iterator[AgentEvent]:
    inner = event.fields("event")
    kind, tool = inner.text("type"), inner.text("contentType") == "tool"
    if kind == "content_start" and tool:
        yield ToolCall(name=inner.text("toolName"), id=inner.text("toolCallId"), about=inner.fields("input").about())
    elif kind == "content_end" and tool:
        yield ToolResult(id=inner.text("toolCallId"), ok=not inner.text("error"))
    elif kind == "content_end" and inner.text("text"):
        yield Text(text=inner.text("text"))
    elif kind == "error":
        yield from _call_failed(inner)


def _call_failed(event: Fields) -> Iterator[AgentEvent]:
    """Yields a failed model call: retried if recoverable, else final. Only this event has the error's class."""
    said = failure_in(event.raw.get("error"))
    failure = replace(said, code=_CLASSES.get(event.text("errorClass"), said.code))
    if event.is_true("recoverable"):
        yield RetryNotice(failure=failure)
    else:
        yield Failed(failure=failure)


def _run_result(event: Fields) -> Iterator[AgentEvent]:
    used = event.fields("aggregateUsage" if event.has("aggregateUsage") else "usage")
    if used.raw:
        yield UsageReported(usage=_usage(used), total=True, model=event.fields("model").text("id") or None)
    reason = event.text("finishReason")
    if reason == "completed":
        yield Succeeded(answer=event.text("text") or None)
    else:
        said = failure_in(event.raw.get("error") or event.text("text"))
        yield Failed(failure=said if said.message else ReportedFailure(code=reason, message=f"it stopped: {reason}"))


def _usage(used: Fields) -> Usage:
    cached, written = used.count("cacheReadTokens"), used.count("cacheWriteTokens")
    return Usage(
        input_tokens=used.count("inputTokens"),
        output_tokens=used.count("outputTokens"),
        cache_read_tokens=cached,
        cache_write_tokens=written,
        cost_usd=used.real("totalCost") or None,  # it reports 0 if it has no price
    )


def _error(event: Fields) -> Iterator[AgentEvent]:
    yield Failed(failure=failure_in(event.raw.get("error") or event.text("message", "text")))


READERS: Final[Readers] = {
    "hook_event": _nothing,
    "agent_event": _agent_event,
    "run_result": _run_result,
    "error": _error,
}
