"""The stream of Gemini CLI (`-o stream-json`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_spawner.backends.events import (
    AgentEvent,
    Failed,
    SessionStarted,
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

LOOP: Final = "Loop detected"
"""The message with which Gemini CLI gives up, although it then reports success."""


def _init(event: Fields) -> Iterator[AgentEvent]:
    if event.text("session_id"):
        yield SessionStarted(id=event.text("session_id"), model=event.text("model") or None)


def _message(event: Fields) -> Iterator[AgentEvent]:
    if event.text("role") == "assistant" and event.text("content"):
        yield Text(text=event.text("content"), continues=event.is_true("delta"))


def _tool_use(event: Fields) -> Iterator[AgentEvent]:
    about = event.fields("parameters").about()
    yield ToolCall(name=event.text("tool_name"), id=event.text("tool_id"), about=about)


def _tool_result(event: Fields) -> Iterator[AgentEvent]:
    yield ToolResult(id=event.text("tool_id"), ok=event.text("status") != "error")


def _error(event: Fields) -> Iterator[AgentEvent]:
    """Yields a failure for the warning that a loop was stopped; skips other warnings."""
    if LOOP in event.text("message"):
        yield Failed(failure=ReportedFailure(code="loop_detected", message=event.text("message")), final=True)


def _result(event: Fields) -> Iterator[AgentEvent]:
    stats = event.fields("stats")
    if stats.raw:
        yield UsageReported(usage=_usage(stats), total=True, model=_main_model(stats))
    if event.text("status") == "success":
        yield Succeeded()
    else:
        yield Failed(failure=failure_in(event.raw.get("error")))


def _usage(stats: Fields) -> Usage:
    cached = stats.count("cached")
    return Usage(
        input_tokens=stats.count("input") if stats.has("input") else max(0, stats.count("input_tokens") - cached),
        output_tokens=stats.count("output_tokens"),
        cache_read_tokens=cached,
    )


def _main_model(stats: Fields) -> str | None:
    """Returns the model that wrote most: a smaller model first chooses it."""
    models = stats.fields("models")
    return max(models.raw, key=lambda name: models.fields(name).count("output_tokens"), default=None)


READERS: Final[Readers] = {
    "init": _init,
    "message": _message,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
    "error": _error,
    "result": _result,
}
