"""The end of a task's output, read on as it grows: a flood costs its reader no more than its last lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aurora_spawner.control.logs import renderer_of
from aurora_spawner.errors import AttemptRecordError
from aurora_spawner.storage.regular_files import open_regular

if TYPE_CHECKING:
    from aurora_spawner.backends.transcript import Transcript
    from aurora_spawner.control.logs import Stream
    from aurora_spawner.journal.views import AttemptRow

__all__ = ["LogTail", "TailPiece"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TailPiece:
    """The output that has come since the last read."""

    content: bytes
    anew: bool
    """True if it does not follow what was read before: another attempt, or more has come than is read at once."""
    cut: bool = False
    """True if output before it was left out."""


@dataclass(slots=True, kw_only=True)
class LogTail:
    """A place in the output of a task's attempts, never more than `limit_bytes` from its end."""

    stream: Stream = "stdout"
    limit_bytes: int = 128 << 10
    _attempt: str = ""
    """The token of the attempt that is read."""
    _offset: int = 0
    _renderer: Transcript | None = field(default=None, repr=False)

    def read(self, attempt: AttemptRow) -> TailPiece:
        """Returns what an attempt has printed since the last read; events of agents as readable lines.

        Raises:
            AttemptRecordError: The output cannot be read.
        """
        anew = self._attempt != attempt.token
        if anew:
            self._attempt, self._offset = attempt.token, 0
        content, cut = self._new_bytes(attempt)
        if not self._offset or cut:
            self._renderer = renderer_of(attempt) if self.stream == "stdout" else None
        self._offset += len(content)
        if cut:  # the rest of a line, of which the beginning was left out
            content = content.partition(b"\n")[2]
        shown = self._renderer.feed(content) if self._renderer else content
        return TailPiece(content=shown, anew=anew or cut, cut=cut)

    def _new_bytes(self, attempt: AttemptRow) -> tuple[bytes, bool]:
        """Returns the new bytes; True if the place has moved on to them over others."""
        path = attempt.folder / self.stream
        try:
            with open_regular(path) as file:
                size = file.seek(0, 2)
                cut = size - self._offset > self.limit_bytes
                if cut:
                    self._offset = size - self.limit_bytes
                file.seek(self._offset)
                return file.read(self.limit_bytes), cut
        except FileNotFoundError:
            return b"", False
        except OSError as error:
            raise AttemptRecordError(path, f"cannot be read: {error.strerror}") from error
