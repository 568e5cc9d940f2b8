"""Which persona a subgoal should go to, and whether anybody of the right kind is there.

Every persona is a document: what it is for and when to use it count double, skills, examples and its name single.
Documents of kinds of work that no persona covers stand beside them. The subgoal is a query; documents are ranked by
BM25 (Robertson & Zaragoza 2009). The first one is the ideal agent. If it is a persona, that persona is assigned; if
it is a kind of work that nobody covers, that is a gap.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final

from aurora_core import terms
from aurora_soar.personas.specialities import SPECIALITIES, Speciality

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aurora_soar.personas.persona import Persona

__all__ = ["Match", "Matcher", "Ranked"]

K1: Final = 1.2
B: Final = 0.75
DOUBLE: Final = 2.0
SINGLE: Final = 1.0
COVERING_WORDS: Final = 2
"""A persona that shares fewer words than this with a kind of work does not cover it."""
GENERALIST: Final = "generalist"
# What every subgoal says and no agent is chosen by.
_COMMON: Final = frozenset(
    terms(
        "a about after all also always an and any are as at be been before by can code could do does each every file "
        "files find for from get give has have how if in into is it its look make may must need needs new not of off "
        "on or our out over project should show so some such than that the their them then there these they this to "
        "up use used using want was way we what when where whether which who will with work would write you your add "
        "build change create update implement set keep let fix user users"
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A persona and how well it fits; the score orders and means nothing by itself."""

    persona: Persona
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Who should do a subgoal, and who can.

    Attributes:
        ideal: id of the persona or of the kind of work that fits best.
        ideal_description: what that agent is for.
        assigned: None where no persona shares a word with the subgoal.
        ranked: every persona that shares a word, the best first.
    """

    ideal: str
    ideal_description: str
    assigned: Persona | None
    ranked: tuple[Ranked, ...]

    @property
    def is_gap(self) -> bool:
        """Whether nobody of the ideal kind is there."""
        return self.assigned is None or self.ideal != self.assigned.id


class Matcher:
    """Ranks the personas of a roster; made once, asked often."""

    def __init__(self, personas: Iterable[Persona]) -> None:
        self._personas = {persona.id: persona for persona in personas}

    def match(self, subgoal: str) -> Match:
        """Finds who should do a subgoal."""
        scores = self._corpus.scores(_words(subgoal))
        found = [Ranked(persona=each, score=scores[each.id]) for each in self._personas.values() if each.id in scores]
        ranked = tuple(sorted(found, key=lambda each: -each.score))
        ideal = max(scores, key=scores.__getitem__, default=GENERALIST)
        persona = self._personas.get(ideal)
        return Match(
            ideal=ideal.removeprefix(_KIND),
            ideal_description=persona.goal if persona else _described(ideal.removeprefix(_KIND), subgoal),
            assigned=ranked[0].persona if ranked else None,
            ranked=ranked,
        )

    @cached_property
    def _corpus(self) -> _Corpus:
        """The personas with the words of the kinds that they cover, and the kinds that nobody covers."""
        covered = {each.id: _covered(each) for each in self._personas.values()}
        documents = {each.id: _document(each, covered[each.id]) for each in self._personas.values()}
        taken = {kind.id for kinds in covered.values() for kind in kinds}
        documents |= {_KIND + each.id: _kind_document(each) for each in SPECIALITIES if each.id not in taken}
        return _Corpus(documents)


# Keeps a kind of work apart from a persona of the same name that does something else.
_KIND: Final = "kind of work: "


class _Corpus:
    """Weighted bags of words, ranked by BM25."""

    def __init__(self, documents: Mapping[str, Mapping[str, float]]) -> None:
        self._documents = documents
        self._lengths = {name: sum(bag.values()) for name, bag in documents.items()}
        self._mean = sum(self._lengths.values()) / max(1, len(documents))
        self._frequency = Counter(word for bag in documents.values() for word in bag)

    def scores(self, query: Sequence[str]) -> dict[str, float]:
        """By name, of the documents that share a word."""
        scores = {name: self._score(name, bag, query) for name, bag in self._documents.items()}
        return {name: score for name, score in scores.items() if score > 0}

    def _score(self, name: str, bag: Mapping[str, float], query: Sequence[str]) -> float:
        norm = K1 * (1 - B + B * self._lengths[name] / self._mean)
        return sum(
            self._idf(word) * bag[word] * (K1 + 1) / (bag[word] + norm)
            for word in dict.fromkeys(query)
            if word in bag
        )

    def _idf(self, word: str) -> float:
        frequency = self._frequency[word]
        return math.log(1 + (len(self._documents) - frequency + 0.5) / (frequency + 0.5))


def _words(text: str) -> list[str]:
    return [word for word in terms(text) if word not in _COMMON]


def _document(persona: Persona, kinds: Sequence[Speciality]) -> dict[str, float]:
    bag: dict[str, float] = {}
    for text in (persona.goal, persona.when_to_use):
        _add(bag, text, DOUBLE)
    for text in (persona.id, persona.role, *persona.skills, *persona.examples):
        _add(bag, text, SINGLE)
    for kind in kinds:
        _add(bag, kind.words, SINGLE)
    return bag


def _add(bag: dict[str, float], text: str, weight: float) -> None:
    for word in _words(text[:2000]):
        bag[word] = bag.get(word, 0.0) + weight


def _covered(persona: Persona) -> tuple[Speciality, ...]:
    """The kind of work that a persona's own words say most of."""
    own = _document(persona, ())
    kinds = _kinds()
    scores = kinds.scores(list(own))
    best = max(scores, key=scores.__getitem__, default=None)
    found = next((each for each in SPECIALITIES if each.id == best), None)
    if found is None or len(_kind_document(found).keys() & own.keys()) < COVERING_WORDS:
        return ()
    return (found,)


@lru_cache(maxsize=1)
def _kinds() -> _Corpus:
    return _Corpus({each.id: _kind_document(each) for each in SPECIALITIES})


@lru_cache(maxsize=len(SPECIALITIES))
def _kind_document(kind: Speciality) -> dict[str, float]:
    bag: dict[str, float] = {}
    _add(bag, kind.does, DOUBLE)
    for text in (kind.id, kind.words):
        _add(bag, text, SINGLE)
    return bag


def _described(kind: str, subgoal: str) -> str:
    found = next((each.does for each in SPECIALITIES if each.id == kind), None)
    return found or f"Does what no special kind of agent is known for: {subgoal}"
