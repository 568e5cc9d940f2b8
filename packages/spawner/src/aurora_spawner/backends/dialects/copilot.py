"""The stream of Copilot CLI (`--output-format json`).

Copilot CLI masks its key's value wherever it occurs, even in field names: with a common word as key, little of the
stream can be read.
"""

from __future__ import annotations

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
from aurora_spawner.tasks.failure import ReportedFailure
from aurora_spawner.tasks.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aurora_spawner.backends.dialects.base import Readers
    from aurora_spawner.backends.fields import Fields

BLANKED: Final = "******"


def _message(event: Fields) -> Iterator[AgentEvent]:
    if event.fields("data").text("content"):
        yield Text(text=event.fields("data").text("content"))


def _tool_start(event: Fields) -> Iterator[AgentEvent]:
    call = event.fields("data")
    yield ToolCall(name=call.text("toolName"), id=call.text("toolCallId"), about=call.fields("arguments").about())


def _tool_complete(event: Fields) -> Iterator[AgentEvent]:
    yield ToolResult(id=event.fields("data").text("toolCallId"), ok=event.fields("data").is_true("success"))


def _usage(event: Fields) -> Iterator[AgentEvent]:
    used = event.fields("data")
    cached = used.count("cacheReadTokens")
    yield UsageReported(
        usage=Usage(
            input_tokens=max(0, used.count("inputTokens") - cached),
            output_tokens=used.count("outputTokens"),
            cache_read_tokens=cached,
            cache_write_tokens=used.count("cacheWriteTokens"),
        ),
        model=used.text("model") or None,
    )


def _call_failure(event: Fields) -> Iterator[AgentEvent]:
    """Yields a failed model call; later events show if it was retried."""
    call = event.fields("data")
    said = failure_in(call.text("errorMessage"))
    failure = ReportedFailure(
        code=said.code,
        status=call.whole("statusCode") or said.status,
        message=said.message,
        retry_after_s=said.retry_after_s,
    )
    attempt = call.whole("retryAttempt")
    yield RetryNotice(attempt=None if attempt is None else attempt + 1, failure=failure)


def _session_error(event: Fields) -> Iterator[AgentEvent]:
    yield Failed(failure=failure_in(event.raw.get("data")))


def _result(event: Fields) -> Iterator[AgentEvent]:
    if event.text("sessionId"):
        yield SessionStarted(id=event.text("sessionId"))
    code = _exit_code(event)
    if code == 0:
        yield Succeeded()
    elif code is not None:
        yield Failed(failure=ReportedFailure())


def _exit_code(event: Fields) -> int | None:
    """Returns the exit code; the field's name may be partly masked."""
    names = [name for name in event.raw if name == "exitCode" or (BLANKED in name and name.endswith("Code"))]
    return event.whole(*names)


def _nothing(_event: Fields) -> Iterator[AgentEvent]:
    yield from ()


READERS: Final[Readers] = {
    "assistant.message": _message,
    "assistant.usage": _usage,
    "tool.execution_start": _tool_start,
    "tool.execution_complete": _tool_complete,
    "model.call_failure": _call_failure,
    "session.error": _session_error,
    "result": _result,
    **dict.fromkeys(
        (
            "assistant.idle",
            "assistant.message_delta",
            "assistant.message_start",
            "assistant.reasoning",
            "assistant.reasoning_delta",
            "assistant.tool_call_delta",
            "assistant.turn_end",
            "assistant.turn_retry",
            "assistant.turn_start",
            "model.call_final_result",
            "model.call_finished",
            "model.call_start",
            "session.background_tasks_changed",
            "session.info",
            "session.mcp_servers_loaded",
            "session.skills_loaded",
            "session.tools_updated",
            "session.usage_info",
            "tool.execution_partial_result",
            "tool.shell_output",
            "user.message",
        ),
        _nothing,
    ),
}
