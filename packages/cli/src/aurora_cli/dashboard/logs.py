"""The output of a task, streamed to its page."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from aurora_cli.dashboard.stream import event
from aurora_cli.escapes import printable
from aurora_spawner.control.follow import afollow_log

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

__all__ = ["log_events"]

LONGEST: Final = 4_000_000
"""Bytes of one output that are sent to a page."""


async def log_events(journal: Path, run_id: str, task_id: str) -> AsyncGenerator[bytes, None]:
    """Yields events with the output of a task, from its beginning."""
    yield event("anew", "")
    sent = 0
    async with aclosing(afollow_log(journal, run_id, task_id, transcript=True)) as pieces:
        async for piece in pieces:
            if sent > LONGEST:
                yield event("text", json.dumps("\n[the rest is in `aur logs`]\n"))
                break
            sent += len(piece)
            if piece:
                yield event("text", json.dumps(printable(piece.decode(errors="replace"))))
    yield event("end", "")
