"""Regular expressions made of lists of words, one alternative per line."""

from __future__ import annotations

import re

__all__ = ["any_of"]


def any_of(lines: str, *, start: bool = False) -> re.Pattern[str]:
    """Returns one pattern of all lines, which matches whole words in any case.

    Args:
        lines: one regular expression per line.
        start: match only at the beginning of the request; a polite word may come before it.
    """
    alternatives = "|".join(line.strip() for line in lines.splitlines() if line.strip())
    before = r"^\W*(?:(?:please|just|now|can you|could you|would you)\s+)*" if start else r"\b"
    return re.compile(rf"{before}(?:{alternatives})(?!\w)", re.IGNORECASE)
