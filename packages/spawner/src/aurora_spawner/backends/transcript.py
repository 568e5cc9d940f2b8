"""The transcript: an agent's events as lines for people."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aurora_spawner.backends.events import Failed, RetryNotice, Text, ToolCall, ToolResult
from aurora_spawner.backends.stream import EventStream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aurora_spawner.backends.dialects.base import Dialect
    from aurora_spawner.backends.events import AgentEvent


@dataclass(slots=True)
class Transcript:
    """Turns the output of one attempt into readable lines; feed it the bytes as they arrive."""

    dialect: Dialect
    _stream: EventStream = field(init=False)
    _open: bool = False
    """True within a message that may continue."""

    def __post_init__(self) -> None:
        self._stream = EventStream(self.dialect)

    def feed(self, piece: bytes) -> bytes:
        """Returns the lines for the next bytes."""
        return self._render(self._stream.feed(piece))

    def close(self) -> bytes:
        """Returns the lines for a last line without a line end."""
        rest = self._render(self._stream.close())
        return rest + b"\n" if self._open else rest

    def _render(self, events: Iterable[AgentEvent]) -> bytes:
        return "".join(map(self._line, events)).encode("utf-8", errors="backslashreplace")

    def _line(self, event: AgentEvent) -> str:
        said = event.text if isinstance(event, Text) else _words(event)
        if not said:
            return ""
        continued = isinstance(event, Text) and event.continues
        before = "\n" if self._open and not continued else ""
        self._open = isinstance(event, Text) and not said.endswith("\n")
        return f"{before}{said}" if isinstance(event, Text) else f"{before}{said}\n"


def _words(event: AgentEvent) -> str:
    match event:
        case ToolCall():
            return f"> {event.name}: {event.about}" if event.about else f"> {event.name}"
        case ToolResult():
            return "" if event.ok else "  failed"
        case RetryNotice():
            return f"~ retrying: {event.failure.text}"
        case Failed():
            return f"! {event.failure.text}"
        case _:
            return ""
