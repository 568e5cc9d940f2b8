"""Lines of an input as they come, without holding up the event loop."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING

from aurora_cli.interaction.requests import LINE_LIMIT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

__all__ = ["lines_of"]

_PIECE = 1 << 16


async def lines_of(descriptor: int) -> AsyncIterator[bytes]:
    """Yields the lines of an input, read by a thread that the end of this process does not wait for."""
    loop = asyncio.get_running_loop()
    found: asyncio.Queue[bytes | None] = asyncio.Queue()

    def read() -> None:
        try:
            for line in _lines(descriptor):
                loop.call_soon_threadsafe(found.put_nowait, line)
            loop.call_soon_threadsafe(found.put_nowait, None)
        except RuntimeError:  # the loop is closed
            return

    threading.Thread(target=read, name="aurora-input", daemon=True).start()
    while (line := await found.get()) is not None:
        yield line


def _lines(descriptor: int) -> Iterator[bytes]:
    """Yields lines up to the end; of a stream object, the interpreter could not end while a thread reads it."""
    rest = b""
    while piece := _read(descriptor):
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
        rest = rest[: LINE_LIMIT + 1]  # enough to see that it is too long
    if rest:
        yield rest


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, _PIECE)
    except OSError:  # it was closed, or its terminal is gone
        return b""
