"""The output of the selected task, followed live."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from aurora_cli.watch.log_lines import KEPT_LINES, LogLines

if TYPE_CHECKING:
    from textual.binding import BindingType
    from textual.events import Resize

    from aurora_spawner.control.log_tail import TailPiece

__all__ = ["LogPane"]


class LogPane(ScrollView, can_focus=True):
    """The last lines of a task's output; it stays at the end unless the user has scrolled up."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", show=False),
        Binding("down,j", "scroll_down", show=False),
        Binding("pageup", "page_up", show=False),
        Binding("pagedown", "page_down", show=False),
        Binding("home,g", "scroll_home", show=False),
        Binding("end,G", "scroll_end", show=False),
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self._log = LogLines()
        self._wrapped: list[str] = []
        self._empty = ""

    def on_mount(self) -> None:
        """Stays at the end as it grows."""
        self.anchor()

    def clear(self, empty: str) -> None:
        """Shows nothing but a line that says why."""
        self._log, self._empty = LogLines(), empty
        self._wrap()

    def add(self, piece: TailPiece) -> None:
        """Takes in what a task has printed."""
        if piece.anew:
            self._log = LogLines()
        if piece.content or piece.anew:
            self._log.add(piece.content)
            self._wrap()

    def _wrap(self) -> None:
        self._wrapped = self._log.wrapped(max(1, self.size.width), KEPT_LINES)
        self.virtual_size = Size(0, len(self._wrapped))
        self.refresh()

    def on_resize(self, _event: Resize) -> None:
        """Breaks the lines again."""
        self._wrap()

    def render_line(self, y: int) -> Strip:
        """Draws one line of the screen."""
        place, width = self.scroll_offset.y + y, self.size.width
        if not self._wrapped and y == 0:
            return Strip([Segment(self._empty, Style(dim=True))]).adjust_cell_length(width)
        words = self._wrapped[place] if place < len(self._wrapped) else ""
        return Strip([Segment(words, _style_of(words))]).adjust_cell_length(width)


def _style_of(line: str) -> Style:
    """Returns the style of a line of a transcript: its tool calls and failures stand out."""
    if line.startswith("> "):
        return Style(color="cyan")
    return Style(color="red") if line.startswith("! ") else Style()
