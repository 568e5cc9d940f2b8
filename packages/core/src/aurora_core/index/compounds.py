"""Names that a query spells apart: `set-default` and "set default" may be `setDefault` or `set_default`."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from aurora_core.tokens import STOP_TERMS, stem, words

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["compounds"]

# Who writes a hyphen means one name; of two words that only stand side by side, few are one.
HYPHENATED_WEIGHT: Final = 4.0
ADJACENT_WEIGHT: Final = 1.0
# Words on both sides of other punctuation are not one name.
_APART: Final = re.compile(r"[^\w\s-]+")
_HYPHENATED: Final = re.compile(r"\w++(?:-\w++)+")
# A title is a line; a whole prompt without line ends would ask for thousands of terms.
MAX_TITLE_CHARS: Final = 1_000


def compounds(query: str) -> Mapping[str, float]:
    """Returns the weights of the terms that words of a query's title, its first line, would be as one name."""
    title = query.strip().partition("\n")[0][:MAX_TITLE_CHARS]
    found: dict[str, float] = {}
    for run in _APART.split(title):
        for first, second in pairwise(words(run)):
            if stem(first) not in STOP_TERMS:
                found |= dict.fromkeys(_as_one([first, second]), ADJACENT_WEIGHT)
    for name in _HYPHENATED.findall(title):
        found |= dict.fromkeys(_as_one(words(name)), HYPHENATED_WEIGHT)
    return found


def _as_one(parts: list[str]) -> tuple[str, str]:
    return stem("".join(parts)), stem("_".join(parts))
