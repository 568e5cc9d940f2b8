"""Progress of long work on standard error: a bar on a terminal, else a line every two seconds."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from aurora_cli.output import is_live_terminal, note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["PlainProgress", "Report", "progress"]

LINE_EVERY_S: Final = 2.0
"""Time between two lines without a terminal."""


class Report(Protocol):
    """Receiver of progress; cheap enough to be called for every file."""

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Reports that `done` of `total` steps of a phase are finished; total 0 means unknown."""
        ...


@contextmanager
def progress() -> Iterator[Report]:
    """Shows progress while the block runs, and removes the bar afterwards."""
    if not is_live_terminal():
        yield PlainProgress()
        return
    from aurora_cli.render.bar import Bar

    bar = Bar()
    try:
        yield bar
    finally:
        bar.stop()


class PlainProgress:
    """Progress as a line every two seconds, for logs and pipes.

    Args:
        clock: returns seconds of a monotonic clock.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, write: Callable[[str], None] = note) -> None:
        self._clock, self._write = clock, write
        self._next = clock() + LINE_EVERY_S

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Writes a line if the interval has passed."""
        if self._clock() < self._next:
            return
        self._next = self._clock() + LINE_EVERY_S
        self._write(f"{phase}: {done} of {total}" if total else f"{phase}: {done}")
