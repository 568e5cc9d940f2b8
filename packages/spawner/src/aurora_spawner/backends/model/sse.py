"""A reader of server-sent events: the data of each event, within fixed memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENT_LIMIT: Final = 8 << 20
"""The bytes of one event; a stream with a longer event is broken."""


class StreamError(Exception):
    """The data is not a stream of events."""


@dataclass(slots=True)
class SseReader:
    """Reads one stream: feed it the bytes as they arrive, and close it at the end."""

    _rest: bytes = b""
    _data: list[bytes] = field(default_factory=list)
    _size: int = 0

    def feed(self, piece: bytes) -> Iterator[str]:
        """Yields the data of the events that the next bytes complete.

        Raises:
            StreamError: An event is longer than EVENT_LIMIT.
        """
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if self._size + len(self._rest) > EVENT_LIMIT:
            raise StreamError(f"an event is longer than {EVENT_LIMIT >> 20} MiB")
        for line in lines:
            yield from self._take(line.removesuffix(b"\r"))

    def close(self) -> Iterator[str]:
        """Yields the data of a last event without a closing empty line."""
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
                raise StreamError(f"an event is longer than {EVENT_LIMIT >> 20} MiB")
