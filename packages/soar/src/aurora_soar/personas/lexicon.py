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
WORDY = (0.4, 0.9, 1.4)
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


FUNCTION = frozenset(words("about after again all also always am an and any are as ask at away back be because been before begin being below best better between both but by call can cannot come could day did do does doing done down each either else end enough even every few find first for from full get give go goes got had half has have he help her here him his how i if in into is it its just keep know last late later least leave left less let like little long look lot made make many may me might more most much must my need never next no nobody none nor not nothing now of off often old on once one only or other others our out over own part people place please possible put ready really right run runs said same say see set several shall she should show since small so some somebody someone something soon start still stop such sure take tell ten than that the their them then there these they thing things think this those three through time times to today together too try turn twice two under until up us use used user users very want was watch way we week well went were what whatever when where whether which while who whole whom whose why will with within without work works would write year yes yet you your good bad big new world page"))

def _shared(phrase: tuple[str, ...], fields: Mapping[str, float]) -> Mapping[str, float]:
    content = sum(word not in FUNCTION for word in phrase)
    bonus = WORDY[min(content, 2)] if len(phrase) > 1 else 1.0
    share = bonus / len(fields) ** ROOT
    return {field: weight * share for field, weight in fields.items()}
