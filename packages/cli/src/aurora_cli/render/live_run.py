"""Display of a run on a terminal: lines of ended tasks, and below them a table of the running tasks with a bar."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from aurora_cli.output import tolerant
from aurora_cli.render.board import Board, line_of
from aurora_cli.render.words import one_line
from aurora_cli.user_prompts import giving_way
from aurora_spawner.tasks.run_events import RunEnding, RunPaused, RunUnpaused, TaskEnded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rich.console import RenderableType

    from aurora_spawner import RunEvent

__all__ = ["LiveRun", "live_run"]

MAX_ROWS: Final = 12
_STYLES: Final[Mapping[str, str]] = {
    "succeeded": "green",
    "failed": "red",
    "skipped": "yellow",
    "cancelled": "yellow",
}


@contextmanager
def live_run() -> Iterator[Callable[[RunEvent], None]]:
    """Shows the live table on standard error while the block runs."""
    console = Console(file=tolerant(sys.stderr))
    run = LiveRun(console)
    with Live(get_renderable=run.render, console=console, refresh_per_second=8, transient=True) as live:
        table = _Table(live)

        def follow(event: RunEvent) -> None:
            if isinstance(event, RunPaused):
                table.pause()
            run.follow(event)
            if isinstance(event, (RunUnpaused, RunEnding)):
                table.go_on()

        with giving_way(table):
            yield follow


class _Table:
    """The live table, away while the run is paused or a question has the terminal."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._paused = False
        self._asked = False

    def give_way(self) -> None:
        self._asked = True
        self._live.stop()

    def come_back(self) -> None:
        self._asked = False
        self._show()

    def pause(self) -> None:
        self._paused = True
        self._live.stop()

    def go_on(self) -> None:
        self._paused = False
        self._show()

    def _show(self) -> None:
        if not self._paused and not self._asked:
            self._live.start()


class LiveRun:
    """The display of a run.

    Args:
        clock: returns Unix time, the clock of the events.
    """

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.time) -> None:
        self._board = Board()
        self._console = console
        self._clock = clock

    def follow(self, event: RunEvent) -> None:
        """Applies one event; the end of a task is printed above the table."""
        self._board.update(event)
        line = line_of(event, self._board)
        if line:
            style = _STYLES.get(event.result.state, "") if isinstance(event, TaskEnded) else ""
            self._console.print(Text(line, style=style))

    def render(self) -> RenderableType:
        """Returns the table of the running tasks and the progress bar."""
        running = list(self._board.running.values())
        table = Table(box=None, show_header=False, pad_edge=False)
        for task in running[:MAX_ROWS]:
            seconds = max(0.0, self._clock() - task.since)
            words = (one_line(task.task_id), one_line(task.title, 60), one_line(task.agent), f"{seconds:.0f} s")
            table.add_row(Text("running", style="cyan"), *map(Text, words))
        if len(running) > MAX_ROWS:
            table.add_row("", "", f"and {len(running) - MAX_ROWS} more", "", "")
        return Group(table, self._progress())

    def _progress(self) -> RenderableType:
        line = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=max(self._board.total, 1), completed=self._board.done, width=40)
        line.add_row(bar, f"{self._board.done}/{self._board.total}", f"{len(self._board.running)} running")
        return line
