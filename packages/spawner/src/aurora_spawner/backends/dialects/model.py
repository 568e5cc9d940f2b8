"""The events of our own program that calls a model; see backends/model/call.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_spawner.backends.events import (
    AgentEvent,
    Failed,
    RetryNotice,
    Succeeded,
    Text,
    UsageReported,
    WindowsReported,
)
from aurora_spawner.tasks.failure import ReportedFailure
from aurora_spawner.tasks.usage import Usage
from aurora_spawner.tasks.usage_windows import UsageWindow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aurora_spawner.backends.dialects.base import Readers
    from aurora_spawner.backends.fields import Fields


def _start(event: Fields) -> Iterator[AgentEvent]:
    """Yields the name of the model that answers, before any usage."""
    yield UsageReported(usage=Usage(), model=event.text("model") or None)


def _text(event: Fields) -> Iterator[AgentEvent]:
    yield Text(text=event.text("text"), continues=True)


def _usage(event: Fields) -> Iterator[AgentEvent]:
    used = Usage(
        input_tokens=event.count("input_tokens"),
        output_tokens=event.count("output_tokens"),
        cache_read_tokens=event.count("cache_read_tokens"),
        cache_write_tokens=event.count("cache_write_tokens"),
    )
    yield UsageReported(usage=used, model=event.text("model") or None)


def _windows(event: Fields) -> Iterator[AgentEvent]:
    """Yields the usage windows from the headers of an answer."""
    yield WindowsReported(
        windows=tuple(
            UsageWindow(
                name=window.text("name")[:40],
                used_percent=window.real("used_percent"),
                resets_at=window.real("resets_at"),
                exhausted=window.is_true("exhausted"),
            )
            for window in event.rows("windows")
        )
    )


def _retry(event: Fields) -> Iterator[AgentEvent]:
    yield RetryNotice(attempt=event.whole("attempt"), delay_s=event.real("delay_s"), failure=_failure(event))


def _failed(event: Fields) -> Iterator[AgentEvent]:
    yield Failed(failure=_failure(event))


def _done(_event: Fields) -> Iterator[AgentEvent]:
    yield Succeeded()


def _failure(event: Fields) -> ReportedFailure:
    return ReportedFailure(
        code=event.text("code"),
        status=event.whole("status"),
        message=event.text("message"),
        retry_after_s=event.real("retry_after_s"),
    )


READERS: Final[Readers] = {
    "start": _start,
    "text": _text,
    "usage": _usage,
    "windows": _windows,
    "retry": _retry,
    "failed": _failed,
    "done": _done,
}
