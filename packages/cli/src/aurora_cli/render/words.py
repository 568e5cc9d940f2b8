"""Text from outside, made fit to print: no control characters, one line, bounded."""

from __future__ import annotations

from aurora_cli.escapes import printable

__all__ = ["count", "one_line", "printable", "size"]


def one_line(text: str, limit: int = 100) -> str:
    """Joins lines and runs of blanks; cuts what is longer than `limit` characters."""
    joined = printable(" ".join(text.split()))
    return joined if len(joined) <= limit else joined[: limit - 1] + "…"


def count(number: int, noun: str) -> str:
    """Writes a number with its noun, which takes an s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def size(number: int) -> str:
    """Writes a number of bytes in the unit that reads best."""
    amount = float(number)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
