"""The lines of an agent's output as they are shown: escaped, masked, and broken at the width of the pane. Pure."""

from __future__ import annotations

import codecs
from collections import deque
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, chop_cells

from aurora_cli.escapes import printable
from aurora_spawner.gates.masking import masked

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LogLines"]

KEPT_LINES: Final = 2_000
LONGEST_LINE: Final = 4_000
"""The most characters of a line that are shown: an agent may print a document without a line end."""


class LogLines:
    """The last lines of an output that grows."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._open = ""
        """The beginning of a line that has no end yet."""
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="backslashreplace")

    def add(self, content: bytes) -> None:
        """Takes in what has come."""
        *whole, rest = (self._open + self._decoder.decode(content)).split("\n")
        self._lines.extend(map(_shown, whole))
        self._open = rest[-LONGEST_LINE:]

    def wrapped(self, width: int, most: int) -> list[str]:
        """Returns the last lines of the pane, each at most `width` cells wide; `most` of them."""
        found: list[str] = []
        for line in self._newest_first():
            found.extend(reversed(_broken(line, width)))
            if len(found) >= most:
                break
        return found[most - 1 :: -1] if len(found) >= most else found[::-1]

    def _newest_first(self) -> Iterator[str]:
        if self._open:
            yield _shown(self._open)
        yield from reversed(self._lines)


def _shown(line: str) -> str:
    return printable(masked(line.rstrip("\r")[:LONGEST_LINE])).expandtabs(4)


def _broken(line: str, width: int) -> list[str]:
    if cell_len(line) <= width:
        return [line]
    return chop_cells(line, max(1, width))
