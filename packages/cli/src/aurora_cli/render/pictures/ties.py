"""Picture of what a file is tied to: what uses it on the left, what it uses on the right, what changes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_cli.render.pictures.documents import stand_alone
from aurora_cli.render.pictures.graph import Drawing
from aurora_cli.render.pictures.markup import element, label, text, width_of
from aurora_cli.render.ties import CHANGED_WITH, USED_BY, USES, grouped, reasons
from aurora_cli.render.words import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_core import Tie

__all__ = ["ties_file"]

_BOX_PX: Final = (320, 42)
_STEP_PX: Final = (_BOX_PX[0] + 90, _BOX_PX[1] + 12)
_PADDING_PX: Final = 8
_HEAD_PX: Final = 34
_APART_ROWS: Final = 1.6
"""The distance of the file to those that change with it, in rows."""


def ties_file(file: str, ties: Sequence[Tie], *, more: int) -> str:
    """Returns a picture of the ties of a file as an SVG file.

    Args:
        more: the number of weaker ties that are not shown.
    """
    groups = grouped(ties)
    rows = max(len(groups[USED_BY]), len(groups[USES]), 1)
    middle = (rows - 1) / 2
    own = _corner(1, middle)
    parts = [_column(USED_BY, groups[USED_BY], 0, middle, own), _column(USES, groups[USES], 2, middle, own)]
    first = middle + _APART_ROWS
    parts += [_below(tie, _corner(1, first + place), own) for place, tie in enumerate(groups[CHANGED_WITH])]
    if groups[CHANGED_WITH]:
        parts.append(_heading(CHANGED_WITH, 1, first))
    parts.append(_box(file, f"{more} more ties" if more else "", own, "running"))
    last = max(rows - 1, first + len(groups[CHANGED_WITH]) - 1 if groups[CHANGED_WITH] else middle)
    bottom = _corner(2, last)
    whole = Drawing(
        width=bottom[0] + _BOX_PX[0] + _PADDING_PX, height=bottom[1] + _BOX_PX[1] + _PADDING_PX, markup="".join(parts)
    )
    return stand_alone(whole, f"what {one_line(file)} is tied to")


def _corner(column: int, row: float) -> tuple[float, float]:
    return _PADDING_PX + column * _STEP_PX[0], _HEAD_PX + row * _STEP_PX[1]


def _heading(words: str, column: int, row: float) -> str:
    x, y = _corner(column, row)
    return element("text", text(words), x=x, y=y - 8, class_="small")


def _column(kind: str, ties: Sequence[Tie], column: int, middle: float, own: tuple[float, float]) -> str:
    if not ties:
        return ""
    first = middle - (len(ties) - 1) / 2
    corners = [_corner(column, first + place) for place in range(len(ties))]
    edges = [_sideways(tie, corner, own) for tie, corner in zip(ties, corners, strict=True)]
    boxes = [_box(tie.file, reasons(tie), corner, "") for tie, corner in zip(ties, corners, strict=True)]
    return "".join([_heading(kind, column, first), *edges, *boxes])


def _sideways(tie: Tie, corner: tuple[float, float], own: tuple[float, float]) -> str:
    left, right = sorted((corner, own))
    x, y = left[0] + _BOX_PX[0], left[1] + _BOX_PX[1] / 2
    to_x, to_y = right[0], right[1] + _BOX_PX[1] / 2
    bend = (to_x - x) / 2
    path = f"M{x:.0f} {y:.0f}C{x + bend:.0f} {y:.0f} {to_x - bend:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}"
    return element("path", d=path, class_="edge", style=_stroke(tie))


def _below(tie: Tie, corner: tuple[float, float], own: tuple[float, float]) -> str:
    x, y = own[0] + _PADDING_PX, own[1] + _BOX_PX[1]
    path = f"M{x:.0f} {y:.0f}V{corner[1]:.0f}"
    edge = element("path", d=path, class_="edge apart", style=_stroke(tie))
    return edge + _box(tie.file, reasons(tie), corner, "")


def _stroke(tie: Tie) -> str:
    return f"stroke-width: {0.6 + 2.4 * tie.strength:.1f}"


def _box(file: str, words: str, corner: tuple[float, float], state: str) -> str:
    (x, y), (width, height) = corner, _BOX_PX
    room = width - 2 * _PADDING_PX
    return element(
        "g",
        element("title", text(f"{file}: {words}" if words else file)),
        element("rect", x=x, y=y, width=width, height=height, rx=5, class_="paper"),
        element("rect", x=x, y=y, width=width, height=height, rx=5, class_=f"box {state}".strip()),
        element("text", _end_of(file, room), x=x + _PADDING_PX, y=y + 17),
        element("text", label(words, room), x=x + _PADDING_PX, y=y + 33, class_="small") if words else "",
    )


def _end_of(file: str, room: float) -> str:
    """Returns the end of a path, which says more than its beginning, within a width."""
    shown = one_line(file, 400)
    if width_of(shown) <= room:
        return text(shown)
    while shown and width_of(f"…{shown}") > room:
        shown = shown[1:]
    return text(f"…{shown}")
