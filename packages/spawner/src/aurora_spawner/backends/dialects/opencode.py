"""The stream of OpenCode (`opencode run --format json`), which is silent during retries."""

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

_GOES_ON: Final = ("tool-calls", "")


def _step_start(event: Fields) -> Iterator[AgentEvent]:
    """Yields the session at work: no other event shows a tool that still runs."""
    if event.text("sessionID"):
        yield SessionStarted(id=event.text("sessionID"), at_work=True)


def _text(event: Fields) -> Iterator[AgentEvent]:
    if event.fields("part").text("text"):
        yield Text(text=event.fields("part").text("text"))


def _tool_use(event: Fields) -> Iterator[AgentEvent]:
    """Yields a tool's call and result together, once the tool has answered."""
    part = event.fields("part")
    state = part.fields("state")
    yield ToolCall(name=part.text("tool"), id=part.text("callID"), about=state.fields("input").about())
    yield ToolResult(id=part.text("callID"), ok=state.text("status") != "error")


def _step_finish(event: Fields) -> Iterator[AgentEvent]:
    part = event.fields("part")
    tokens = part.fields("tokens")
    cache = tokens.fields("cache")
    yield UsageReported(
        usage=Usage(
            input_tokens=tokens.count("input"),
            output_tokens=tokens.count("output") + tokens.count("reasoning"),
            cache_read_tokens=cache.count("read"),
            cache_write_tokens=cache.count("write"),
            cost_usd=part.real("cost") or None,  # it reports 0 if it has no price
        )
    )
    reason = part.text("reason")
    if reason == "stop":
        yield Succeeded()
    elif reason not in _GOES_ON:
        yield Failed(failure=ReportedFailure(code=reason, message=f"it stopped: {reason}"))


def _error(event: Fields) -> Iterator[AgentEvent]:
    if event.text("sessionID"):
        yield SessionStarted(id=event.text("sessionID"))
    yield Failed(failure=failure_in(event.raw.get("error")))


def _nothing(_event: Fields) -> Iterator[AgentEvent]:
    yield from ()


READERS: Final[Readers] = {
    "step_start": _step_start,
    "text": _text,
    "reasoning": _nothing,
    "tool_use": _tool_use,
    "step_finish": _step_finish,
    "error": _error,
}
