"""Progress bar on a terminal."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from aurora_cli.output import tolerant

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Task

__all__ = ["Bar"]

QUIET_S: Final = 0.5
"""Delay before the bar appears; shorter work shows nothing."""


class Bar:
    """A progress bar that appears after a short delay and disappears when the work ends."""

    def __init__(self, console: Console | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._appears_at = clock() + QUIET_S
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            console=console or Console(file=tolerant(sys.stderr)),
            transient=True,
            get_time=clock,
        )
        self._task = self._progress.add_task("", total=None)

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Shows the progress of a phase."""
        self._progress.update(self._task, description=phase, completed=done, total=total or None)
        if self._clock() >= self._appears_at:
            self._progress.start()

    def stop(self) -> None:
        """Removes the bar."""
        self._progress.stop()


class _Rate(ProgressColumn):
    """Column with the steps per second, once they are known."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.0f}/s" if task.speed else "")
