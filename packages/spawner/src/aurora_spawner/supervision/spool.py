"""The spool: one output stream of an agent in a file, of which a long one keeps its beginning and its end.

The supervisor loads this file by its path; it imports nothing of ours.
"""

from __future__ import annotations

import errno
import os

CHUNK_BYTES = 1 << 16


class Spool:
    """Keeps one output stream in a file of at most `cap` bytes: the first half as head, the last half as tail.

    The second half of the file is a ring buffer, so a stream within the cap is stored byte for byte in order. A
    reader puts a longer stream in order by its total, which the exit record holds.
    """

    def __init__(self, path: str, pipe: int, cap: int) -> None:
        self.pipe = pipe
        self.total = 0
        self.lost = 0
        self._half = cap // 2
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        os.set_blocking(pipe, False)

    def drain(self) -> bool:
        """Reads what the pipe holds now; returns False once all writers have closed it."""
        while True:
            try:
                piece = os.read(self.pipe, CHUNK_BYTES)
            except BlockingIOError:
                return True
            if not piece:
                return False
            self._keep(piece)

    def _keep(self, piece: bytes) -> None:
        while piece:
            position, room = self._place()
            taken = min(room, len(piece))
            try:
                taken = os.pwrite(self._file, piece[:taken], position)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                    raise
                self.lost += taken  # a full disk must not stop the agent; the record says what is missing
            self.total += taken
            piece = piece[taken:]

    def _place(self) -> tuple[int, int]:
        """Returns the position of the next byte, and the number of bytes that fit before the position jumps."""
        if self.total < self._half:
            return self.total, self._half - self.total
        offset = (self.total - self._half) % self._half
        return self._half + offset, self._half - offset
