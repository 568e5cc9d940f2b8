"""A list of rows with a cursor, of which only the lines on the screen are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from aurora_cli.watch.columns import fitted, widths_of
from aurora_cli.watch.view import Row, Tone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual.binding import BindingType

__all__ = ["STYLES", "RowList"]

STYLES: Final[Mapping[Tone, Style]] = {
    Tone.PLAIN: Style(),
    Tone.GOOD: Style(color="green"),
    Tone.BAD: Style(color="red", bold=True),
    Tone.BUSY: Style(color="cyan"),
    Tone.WAITS: Style(color="yellow"),
    Tone.FAINT: Style(dim=True),
}
_CURSOR: Final = Style(reverse=True)
_PLACE: Final = Style(bold=True)
"""The cursor of a list that does not have the keys."""


class RowList(ScrollView, can_focus=True):
    """A list of rows; the cursor stays at its row by the row's key while others come and go.

    Args:
        shares: as for `widths_of`.
    """

    class Moved(Message):
        """The cursor stands at another row."""

        def __init__(self, rows: RowList) -> None:
            super().__init__()
            self.rows = rows

        @property
        def control(self) -> RowList:
            """The list."""
            return self.rows

    class Chosen(Moved):
        """The row at the cursor was chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home,g", "move(-1000000)", show=False),
        Binding("end,G", "move(1000000)", show=False),
        Binding("enter", "choose", show=False),
    ]

    def __init__(self, *, shares: Sequence[int], empty: str, id: str) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self._shares = shares
        self._empty = empty
        self._rows: Sequence[Row] = ()
        self._key: str | None = None
        self._cursor = 0
        self._drawn: tuple[object, Sequence[Row], Sequence[int]] = (None, (), ())

    @property
    def key(self) -> str | None:
        """The key of the row at the cursor; None if there is no row."""
        return self._key

    @property
    def on_screen(self) -> range:
        """The places of the rows on the screen."""
        top = self.scroll_offset.y
        return range(top, min(len(self._rows), top + max(1, self.size.height)))

    def show(self, rows: Sequence[Row], keys: Sequence[str], *, start: int = 0) -> None:
        """Shows other rows.

        Args:
            keys: The keys of the rows.
            start: The place of the cursor if there was no row before.
        """
        had, before = bool(self._rows), self._key
        self._rows = rows
        self._drawn = (None, (), ())
        if before is not None and before in keys:
            self._cursor = keys.index(before)
        elif not had:
            self._cursor = start
        self._cursor = max(0, min(self._cursor, len(rows) - 1))
        self._key = keys[self._cursor] if keys else None
        self.virtual_size = Size(0, len(rows))
        if not had or before != self._key:
            self._keep_in_view()
        if before != self._key:
            self.post_message(self.Moved(self))
        self.refresh()

    def action_move(self, by: int) -> None:
        """Moves the cursor."""
        place = max(0, min(self._cursor + by, len(self._rows) - 1))
        if not self._rows or place == self._cursor:
            return
        self._cursor, self._key = place, self._rows[place].key
        self._keep_in_view()
        self.post_message(self.Moved(self))
        self.refresh()

    def action_page(self, pages: int) -> None:
        """Moves the cursor by screens."""
        self.action_move(pages * max(1, self.size.height - 1))

    def action_choose(self) -> None:
        """Chooses the row at the cursor."""
        if self._key is not None:
            self.post_message(self.Chosen(self))

    def _keep_in_view(self) -> None:
        top, height = self.scroll_offset.y, max(1, self.size.height)
        if not top <= self._cursor < top + height:
            self.scroll_to(y=max(0, self._cursor - height // 2), animate=False, immediate=True)

    def render_line(self, y: int) -> Strip:
        """Draws one line of the screen."""
        place, width = self.scroll_offset.y + y, self.size.width
        if place >= len(self._rows):
            words = self._empty if place == 0 else ""
            return Strip([Segment(words, Style(dim=True))]).adjust_cell_length(width)
        rows, widths = self._on_screen(width)
        row = rows[y]
        style = STYLES[row.tone]
        if place == self._cursor:
            style += _CURSOR if self.has_focus else _PLACE
        return Strip([Segment(fitted(row.cells, widths), style)]).adjust_cell_length(width, style)

    def _on_screen(self, width: int) -> tuple[Sequence[Row], Sequence[int]]:
        """Returns the rows on the screen and the widths of their columns; made once for all lines of a drawing."""
        key = (self.on_screen, width)
        if self._drawn[0] != key:
            rows = [self._rows[place] for place in self.on_screen]
            self._drawn = (key, rows, widths_of([each.cells for each in rows], width, self._shares))
        return self._drawn[1], self._drawn[2]

    def on_resize(self) -> None:
        """Keeps the cursor on the screen, of which the first size comes after the first rows."""
        self._keep_in_view()

    def on_focus(self) -> None:
        """Draws the cursor as that of the list that has the keys."""
        self.refresh()

    def on_blur(self) -> None:
        """Draws the cursor as that of a list without the keys."""
        self.refresh()
