"""Server-sent events, piece by piece: the data of each event, within fixed memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENT_LIMIT: Final = 8 << 20
"""Bytes of one event; a stream with a longer one is broken."""


class StreamError(Exception):
    """What came is no stream of events."""


@dataclass(slots=True)
class SseReader:
    """Reads one stream; feed it as the bytes come, and close it at the end."""

    _rest: bytes = b""
    _data: list[bytes] = field(default_factory=list)
    _size: int = 0

    def feed(self, piece: bytes) -> Iterator[str]:
        """The data of the events that the next bytes complete.

        Raises:
            StreamError: An event is longer than anybody means it to be.
        """
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if self._size + len(self._rest) > EVENT_LIMIT:
            raise StreamError(f"an event of more than {EVENT_LIMIT >> 20} MiB came")
        for line in lines:
            yield from self._take(line.removesuffix(b"\r"))

    def close(self) -> Iterator[str]:
        """The data of a last event that no empty line has ended."""
        yield from self._take(self._rest.removesuffix(b"\r"))
        self._rest = b""
        yield from self._take(b"")

    def _take(self, line: bytes) -> Iterator[str]:
        if not line:
            if self._data:
                yield b"\n".join(self._data).decode("utf-8", "replace")
            self._data, self._size = [], 0
        elif line.startswith(b"data:"):
            value = line[5:].removeprefix(b" ")
            self._data.append(value)
            self._size += len(value)
            if self._size > EVENT_LIMIT:
                raise StreamError(f"an event of more than {EVENT_LIMIT >> 20} MiB came")
