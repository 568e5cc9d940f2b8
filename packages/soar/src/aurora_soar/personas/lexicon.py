"""Finds the fields of work in a text, with the weight of their evidence."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from aurora_soar.personas.fields_of_work import fields_of_work

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["LONGEST", "evidence"]

LONGEST: Final = 4
"""The most words that a phrase of the table may have."""


def evidence(said: Sequence[str]) -> Mapping[str, float]:
    """Sums up what words say for each field; the longest phrase at a place counts and hides the words in it.

    Args:
        said: as `words` returns them.

    Returns:
        Above 0, by field; one word that a single field is known by is worth 3.
    """
    table = fields_of_work()
    found: dict[str, float] = defaultdict(float)
    small = [word.lower() for word in said]
    place = 0
    while place < len(said):
        length, claimed = _longest(table.claims, small, place)
        if length == 1:
            claimed = table.claims.get(said[place], claimed)
        numbers = [int(number) for number in claimed.split()]
        for field, hundredths in zip(numbers[::2], numbers[1::2], strict=True):
            found[table.order[field]] += hundredths / 100
        place += length
    return found


def _longest(claims: Mapping[str, str], small: Sequence[str], place: int) -> tuple[int, str]:
    for length in range(min(LONGEST, len(small) - place), 0, -1):
        claimed = claims.get(" ".join(small[place : place + length]))
        if claimed is not None:
            return length, claimed
    return 1, ""
