"""Event streams: turn the pieces of an agent's output into events, within fixed memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_spawner.backends.fields import beginning_of, object_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aurora_spawner.backends.dialects.base import Dialect
    from aurora_spawner.backends.events import AgentEvent
    from aurora_spawner.backends.fields import Fields

LINE_LIMIT: Final = 8 << 20
"""The bytes of one line; a longer line is skipped and counted as broken."""


@dataclass(slots=True)
class Counts:
    """Counts of a stream's lines and of those that could not be used."""

    lines: int = 0
    unknown: int = 0
    """The number of events of a type unknown to the dialect."""
    broken: int = 0
    """The number of lines that are not events."""
    too_long: int = 0
    """The number of those that are longer than `LINE_LIMIT`."""


@dataclass(slots=True)
class EventStream:
    """Translates one stream: feed it the bytes as they arrive, and close it at the end."""

    dialect: Dialect
    counts: Counts = field(default_factory=Counts)
    _pieces: list[bytes] = field(default_factory=list)
    """The pieces of an unfinished line."""
    _length: int = 0
    _skipping: bool = False
    """True within a line that is too long."""

    def feed(self, piece: bytes) -> list[AgentEvent]:
        """Returns the events in the next bytes."""
        *ended, rest = piece.split(b"\n")
        found: list[AgentEvent] = []
        for line in ended:
            self._gather(line)
            found.extend(self._end_line())
        self._gather(rest)
        return found

    def close(self) -> list[AgentEvent]:
        """Returns the events in a last line without a line end.

        An agent that exits before its pipe is empty leaves its last event cut off; its complete fields still count.
        """
        if not (self._pieces or self._skipping):
            return []
        line = b"".join(self._pieces).decode("utf-8", errors="backslashreplace")
        beginning = beginning_of(line) if self.dialect.readers and not object_in(line) else None
        if beginning is None:
            return list(self._end_line())
        self.counts.lines += 1
        return list(self._translate(beginning))

    def _gather(self, piece: bytes) -> None:
        if self._skipping or not piece:
            return
        self._length += len(piece)
        if self._length > LINE_LIMIT:
            self._pieces.clear()
            self._skipping = True
        else:
            self._pieces.append(piece)

    def _end_line(self) -> Iterable[AgentEvent]:
        line, skipped = b"".join(self._pieces), self._skipping
        self._pieces.clear()
        self._length, self._skipping = 0, False
        if skipped:
            self.counts.lines += 1
            self.counts.broken += 1
            self.counts.too_long += 1
            return ()
        return self._read(line.decode("utf-8", errors="backslashreplace").rstrip("\r"))

    def _read(self, line: str) -> Iterable[AgentEvent]:
        if self.dialect.read_line:
            self.counts.lines += 1
            return self.dialect.read_line(line)
        if not line.strip():
            return ()
        self.counts.lines += 1
        event = object_in(line)
        if event is None:
            self.counts.broken += 1
            return ()
        return self._translate(event)

    def _translate(self, event: Fields) -> Iterable[AgentEvent]:
        reader = (self.dialect.readers or {}).get(event.text(self.dialect.kind_in))
        if reader is None:
            self.counts.unknown += 1
            return ()
        return reader(event)
