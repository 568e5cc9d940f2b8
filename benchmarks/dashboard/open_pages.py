"""Connections of open pages, each read as fast as a page reads, so that a server is never the one that waits."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["kept_open"]


@contextmanager
def kept_open(opened: Sequence[socket.socket]) -> Iterator[None]:
    """Reads all that comes on each of the connections, and closes them at the end."""

    def read(stream: socket.socket) -> None:
        while stream.recv(1 << 18):
            pass

    readers = [threading.Thread(target=read, args=(each,), daemon=True) for each in opened]
    for each in readers:
        each.start()
    try:
        yield
    finally:
        for stream in opened:
            stream.shutdown(socket.SHUT_RDWR)
        for each in readers:
            each.join()
        for stream in opened:
            stream.close()
