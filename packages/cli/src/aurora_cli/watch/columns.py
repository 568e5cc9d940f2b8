"""Widths of the columns of a list, and text cut to them; wide characters count as two. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["cut", "fitted", "widths_of"]


def widths_of(rows: Sequence[Sequence[str]], total: int, shares: Sequence[int]) -> list[int]:
    """Returns the width of each column, with a blank between two.

    Args:
        shares: For each column its share of the room that the others leave; 0 for one that is as wide as its widest
            cell, or as a quarter of the whole.
    """
    most = max(1, total // 4)
    widths = [
        0 if share else min(most, max((cell_len(row[place]) for row in rows), default=0))
        for place, share in enumerate(shares)
    ]
    room = max(0, total - sum(widths) - (len(widths) - 1))
    whole = sum(shares)
    return [room * share // whole if share else width for share, width in zip(shares, widths, strict=True)]


def fitted(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Returns the cells in columns of these widths."""
    return " ".join(cut(cell, width) for cell, width in zip(cells, widths, strict=True))


def cut(text: str, width: int) -> str:
    """Returns text in exactly that width, with an ellipsis where something was left out."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return f"{set_cell_size(text, width - 1)}…" if width > 0 else ""
