"""A way to a server that can be cut: a socket in a folder; its connections go on to a port of this machine."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK_BYTES = 1 << 16


class Link:
    """Carries bytes both ways, unless it is cut.

    While it is frozen nothing arrives and nobody is told, as on a broken line; bytes come later. A severed one ends
    all connections and refuses new ones.
    """

    def __init__(self, folder: Path, port: int) -> None:
        folder.mkdir()
        self.folder = folder
        self._port = port
        self._flows = threading.Event()
        self._flows.set()
        self._severed = self._closed = False
        self._ends: set[socket.socket] = set()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self) -> None:
        self._flows.clear()

    def sever(self) -> None:
        self._severed = True
        self._end_all()

    def heal(self, *, forget: bool = False) -> None:
        """Lets bytes through again; those of connections that were there before not, if they are forgotten."""
        if forget:
            self._end_all()
        self._severed = False
        self._flows.set()

    def close(self) -> None:
        self._closed = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.sever()
        self._flows.set()

    def _end_all(self) -> None:
        for end in tuple(self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._closed:
            try:
                near = self._listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        with near:
            if self._severed:
                return
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port)) as far:
                both = {near, far}
                self._ends |= both
                back = threading.Thread(target=self._pump, args=(far, near), daemon=True)
                back.start()
                self._pump(near, far)
                back.join()
                self._ends -= both

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK_BYTES):
                self._flows.wait()
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
