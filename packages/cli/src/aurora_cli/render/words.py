"""Text from outside, made printable: one line, of limited length, without control characters."""

from __future__ import annotations

from aurora_cli.escapes import printable

__all__ = ["count", "one_line", "printable", "size"]


def one_line(text: str, limit: int = 100) -> str:
    """Returns text on one line, cut to `limit` characters."""
    joined = printable(" ".join(text.split()))
    return joined if len(joined) <= limit else joined[: limit - 1] + "…"


def count(number: int, noun: str) -> str:
    """Returns a number with its noun, in the plural if needed."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def size(number: int) -> str:
    """Returns a number of bytes with a suitable unit."""
    amount = float(number)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
