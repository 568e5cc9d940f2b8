"""Which fields of work a text speaks of, and how clearly."""

from __future__ import annotations

import math
from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from aurora_soar.personas.fields_of_work import fields_of_work
from aurora_soar.personas.wording import bare, words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Lexicon", "lexicon"]

MARK: Final = 3.0
ASK: Final = 2.0
HINT: Final = 1.0
PHRASE: Final = 1.4
"""A phrase says more than its words do one by one."""
SINGLE_ASK = 0.7
ROOT = 0.4
LONGEST: Final = 4


class Lexicon:
    """Words and phrases, and the fields that they speak for."""

    def __init__(self, known: Mapping[tuple[str, ...], Mapping[str, float]]) -> None:
        self._known = known

    def spoken_of(self, said: Sequence[str], weights: Sequence[float] | None = None) -> dict[str, float]:
        """Sums up what words say of each field; the longest phrase at a place counts and hides the words in it.

        Args:
            said: as `words` returns them.
            weights: how much each counts; all 1 where nothing is given.
        """
        found: dict[str, float] = defaultdict(float)
        small = [word.lower() for word in said]
        place = 0
        while place < len(said):
            length, fields = self._longest(small, place)
            if length == 1:
                fields = self._known.get((said[place],), fields)
            weight = weights[place] if weights else 1.0
            for field, strength in fields.items():
                found[field] += weight * strength
            place += length
        return dict(found)

    def _longest(self, said: Sequence[str], place: int) -> tuple[int, Mapping[str, float]]:
        for length in range(min(LONGEST, len(said) - place), 0, -1):
            fields = self._known.get(tuple(said[place : place + length]))
            if fields is not None:
                return length, fields
        return 1, {}


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """Returns the lexicon of the fields of work; made once.

    A word that several fields claim is shared out between them.
    """
    claims: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
    for field in fields_of_work().values():
        for listed, weight in ((field.hints, HINT), (field.asks, ASK), (field.marks, MARK)):
            for text in listed:
                phrase = tuple(words(text.lower()))
                claims[phrase][field.id] = weight * (SINGLE_ASK if weight == ASK and len(phrase) == 1 else 1)
        for text in field.named:
            claims[(text.lower(),)].setdefault(field.id, HINT)
            claims[(bare(text.lower()).capitalize(),)][field.id] = MARK
    return Lexicon({phrase: _shared(phrase, fields) for phrase, fields in claims.items()})


def _shared(phrase: tuple[str, ...], fields: Mapping[str, float]) -> Mapping[str, float]:
    share = (PHRASE if len(phrase) > 1 else 1.0) / len(fields) ** ROOT
    return {field: weight * share for field, weight in fields.items()}
