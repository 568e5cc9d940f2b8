"""The stream of Claude Code and Qwen Code (`--output-format stream-json`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_spawner.backends.events import (
    AgentEvent,
    BackgroundAgent,
    Failed,
    RetryNotice,
    SessionStarted,
    Succeeded,
    Text,
    ToolCall,
    ToolResult,
    UsageReported,
    WindowsReported,
)
from aurora_spawner.backends.failures import MESSAGE_LENGTH, failure_in, status_in
from aurora_spawner.tasks.failure import ReportedFailure
from aurora_spawner.tasks.usage import Usage
from aurora_spawner.tasks.usage_windows import UsageWindow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aurora_spawner.backends.dialects.base import Readers
    from aurora_spawner.backends.fields import Fields

SYNTHETIC: Final = "<synthetic>"
"""The "model" of messages in which the CLI itself reports an error."""

_DIAGNOSTIC: Final = "[ede_diagnostic]"
"""The prefix of an "error" that is meant for its developers."""


def _system(event: Fields) -> Iterator[AgentEvent]:
    kind = event.text("subtype")
    if kind == "init" and event.text("session_id"):
        model, folder = event.text("model") or None, event.text("cwd") or None
        yield SessionStarted(id=event.text("session_id"), model=model, folder=folder)
    elif kind == "api_retry":
        yield _retry(event)
    elif kind.startswith("task_"):
        yield from _background(kind, event)


def _background(kind: str, event: Fields) -> Iterator[AgentEvent]:
    """Yields the start and end of background agents; a background command, such as a server, may outlast the work."""
    patch, task_id = event.fields("patch"), event.text("task_id")
    ended = kind == "task_notification" or patch.text("status") in ("completed", "failed", "killed")
    if ended:
        yield BackgroundAgent(id=task_id, works=False)
    elif kind == "task_started" and event.is_true("is_backgrounded") and event.text("subagent_type"):
        yield BackgroundAgent(id=task_id, works=True)


def _retry(event: Fields) -> RetryNotice:
    """Returns a retry; a wait longer than its own (0.5 s, doubled each time, plus a quarter) is the provider's."""
    code, attempt = event.text("error"), event.whole("attempt")
    delay_ms = event.real("retry_delay_ms")
    delay_s = None if delay_ms is None else delay_ms / 1000
    own_s = 0.625 * 2 ** min(max(0, (attempt or 1) - 1), 10)
    return RetryNotice(
        attempt=attempt,
        delay_s=delay_s,
        failure=ReportedFailure(
            code=code,
            status=event.whole("error_status"),
            message=code,
            retry_after_s=delay_s if delay_s is not None and delay_s > own_s else None,
        ),
    )


_WINDOWS: Final = {"five_hour": "5-hour", "seven_day": "weekly"}


def _rate_limit(event: Fields) -> Iterator[AgentEvent]:
    """Yields the usage windows that come with a subscriber's answers; none if usage beyond them is paid for."""
    told = event.fields("rate_limit_info")
    paid = told.is_true("isUsingOverage") or told.text("overageStatus").startswith("allowed")
    windows = {name: told.fields("unifiedWindows").fields(name) for name in told.fields("unifiedWindows").raw}
    if told.text("rateLimitType"):
        windows.setdefault(told.text("rateLimitType"), told)
    if windows and not paid:
        yield WindowsReported(windows=tuple(_window(name, window) for name, window in windows.items()))


def _window(name: str, told: Fields) -> UsageWindow:
    share = told.real("utilization")
    return UsageWindow(
        name=_WINDOWS.get(name, name.replace("_", " ")[:40]),
        used_percent=None if share is None else share * 100,
        resets_at=told.real("resetsAt"),
        exhausted=told.text("status") == "rejected",
    )


def _assistant(event: Fields) -> Iterator[AgentEvent]:
    """Yields the events of a message or one of its blocks; skips the messages of sub-agents."""
    message = event.fields("message")
    if message.text("model") == SYNTHETIC or event.text("parent_tool_use_id"):
        return
    for block in message.rows("content"):
        if block.text("type") == "text" and block.text("text"):
            yield Text(text=block.text("text"))
        elif block.text("type") == "tool_use":
            yield ToolCall(name=block.text("name"), id=block.text("id"), about=block.fields("input").about())


def _user(event: Fields) -> Iterator[AgentEvent]:
    for block in event.fields("message").rows("content"):
        if block.text("type") == "tool_result":
            yield ToolResult(id=block.text("tool_use_id"), ok=not block.is_true("is_error"))


def _result(event: Fields) -> Iterator[AgentEvent]:
    """Yields the final events; `is_error` decides, because the subtype says "success" even after an error."""
    if event.has("usage"):
        cost = _cost(event)
        session = Usage(cost_usd=event.real("total_cost_usd")) if cost is None else None
        yield UsageReported(usage=_usage(event, cost), total=True, session=session, model=_main_model(event))
    if event.text("session_id"):
        yield SessionStarted(id=event.text("session_id"))
    if event.text("subtype") == "error_max_budget_usd" and event.text("stop_reason") == "end_turn":
        yield Succeeded()  # it finished before it checked the limit
    elif event.is_true("is_error") or event.text("subtype").startswith("error"):
        yield Failed(failure=_failure(event))
    elif event.raw.get("is_error") is False:
        yield Succeeded(answer=event.text("result") if event.has("result") else None)


def _cost(event: Fields) -> float | None:
    """Returns the cost of this process; None if it reports only the session's cost, as older versions do."""
    models = event.fields("model_usage_since_last_result")
    costs = [models.fields(name).real("costUSD") for name in models.raw]
    return None if not costs or None in costs else sum(cost for cost in costs if cost is not None)


def _usage(event: Fields, cost_usd: float | None) -> Usage:
    """Returns the usage of this process."""
    used = event.fields("usage")
    cached = used.count("cache_read_input_tokens")
    read = used.count("input_tokens")
    if used.has("total_tokens"):  # Qwen Code counts what it read from a cache twice
        read = max(0, read - cached)
    return Usage(
        input_tokens=read,
        output_tokens=used.count("output_tokens"),
        cache_read_tokens=cached,
        cache_write_tokens=used.count("cache_creation_input_tokens"),
        cost_usd=cost_usd,
    )


def _main_model(event: Fields) -> str | None:
    """Returns the model that wrote most."""
    models = event.fields("modelUsage")
    return max(models.raw, key=lambda name: models.fields(name).count("outputTokens"), default=None)


def _failure(event: Fields) -> ReportedFailure:
    """Returns the failure by the terminal reason and the API's message."""
    subtype = event.text("subtype")
    code = event.text("api_error_type") or (
        subtype if subtype.startswith("error_max") else event.text("terminal_reason")
    )
    said = event.raw.get("errors")
    words = [each for each in said if isinstance(each, str)] if isinstance(said, list) else []
    errors = "; ".join(each for each in words if not each.startswith(_DIAGNOSTIC))
    message = event.text("result") or failure_in(event.raw.get("error")).message or errors
    return ReportedFailure(
        code=code if code != "api_error" else "",
        status=event.whole("api_error_status") or status_in(message),
        message=message[:MESSAGE_LENGTH],
    )


def _nothing(_event: Fields) -> Iterator[AgentEvent]:
    yield from ()


READERS: Final[Readers] = {
    "system": _system,
    "assistant": _assistant,
    "user": _user,
    "result": _result,
    "stream_event": _nothing,
    "rate_limit_event": _rate_limit,
    "control_request": _nothing,
    "control_response": _nothing,
}
