"""Progress of long work on standard error: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from aurora_cli.output import is_live_terminal, note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["PlainProgress", "Report", "progress"]

LINE_EVERY_S: Final = 2.0
"""Time between two lines where there is no terminal."""


class Report(Protocol):
    """Takes the state of the work; cheap enough to be called for every file."""

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Says that `done` of `total` steps of a phase are finished; total 0 means unknown."""
        ...


@contextmanager
def progress() -> Iterator[Report]:
    """Shows progress while the block runs; the bar is gone afterwards."""
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
    """A line every two seconds, for logs and pipes.

    Args:
        clock: seconds from any origin, never going back.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, write: Callable[[str], None] = note) -> None:
        self._clock, self._write = clock, write
        self._next = clock() + LINE_EVERY_S

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Writes a line if the last one is old enough."""
        if self._clock() < self._next:
            return
        self._next = self._clock() + LINE_EVERY_S
        self._write(f"{phase}: {done} of {total}" if total else f"{phase}: {done}")
