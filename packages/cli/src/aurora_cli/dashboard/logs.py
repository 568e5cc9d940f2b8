"""The output of a task, streamed to its page."""

from __future__ import annotations

import codecs
import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from aurora_cli.dashboard.stream import event
from aurora_cli.escapes import printable
from aurora_spawner.control.follow import afollow_log
from aurora_spawner.gates.masking import masked

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

__all__ = ["WholeLines", "log_events"]

LONGEST: Final = 4_000_000
"""Bytes of one output that are sent to a page."""
LONGEST_LINE: Final = 20_000
"""Characters that are held back until their line ends; a longer one is sent in parts."""


class WholeLines:
    """The lines of an output that comes in pieces, escaped and masked: no character and no key is cut in two."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._open = ""
        """The beginning of a line that has no end yet."""

    def add(self, piece: bytes, *, final: bool = False) -> str:
        """Returns the lines that a piece has ended; with the last piece also what has no end."""
        text = self._open + self._decoder.decode(piece, final)
        end = len(text) if final else text.rfind("\n") + 1
        if len(text) - end > LONGEST_LINE:
            end = len(text)
        self._open = text[end:]
        return printable(masked(text[:end]))


async def log_events(journal: Path, run_id: str, task_id: str) -> AsyncGenerator[bytes, None]:
    """Yields events with the output of a task, from its beginning."""
    yield event("anew", "")
    sent, lines, rest = 0, WholeLines(), ""
    async with aclosing(afollow_log(journal, run_id, task_id, transcript=True)) as pieces:
        async for piece in pieces:
            if sent > LONGEST:
                rest = "\n[the rest is in `aur logs`]\n"
                break
            sent += len(piece)
            if text := lines.add(piece):
                yield event("text", json.dumps(text))
    if text := lines.add(b"", final=True) + rest:
        yield event("text", json.dumps(text))
    yield event("end", "")
