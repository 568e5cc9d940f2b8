"""The pictures of runs: drawn once for all pages, and not again and again while the run moves."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from aurora_cli.render.pictures.documents import svg_file
from aurora_spawner.control.timeline import run_timeline

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Pictures"]

MOST: Final = 8
"""Pictures that are kept."""
SHARE: Final = 0.02
"""The share of a core that drawing a run again may take."""
FRESH_S: Final = 2.0


class Pictures:
    """The graphs and timelines of runs, as SVG."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._drawn: dict[str, tuple[float, str]] = {}
        """By run: until when the picture is good, and the picture."""

    async def of(self, key: str, journal: Path, run_id: str) -> str:
        """Returns the picture of a run.

        Args:
            key: its name among all runs of the pages.

        Raises:
            UnknownRunError: there is no such run.
            JournalError: the journal cannot be read.
        """
        async with self._lock:
            until, svg = self._drawn.pop(key, (0.0, ""))
            if time.monotonic() >= until:
                svg, took_s = await asyncio.to_thread(_draw, journal, run_id)
                until = time.monotonic() + max(FRESH_S, took_s / SHARE)
            self._drawn[key] = (until, svg)  # the one that was asked for last is the last one
            self._drawn = dict(list(self._drawn.items())[-MOST:])
            return svg


def _draw(journal: Path, run_id: str) -> tuple[str, float]:
    began = time.thread_time()
    svg = svg_file(run_timeline(journal, run_id))
    return svg, time.thread_time() - began
