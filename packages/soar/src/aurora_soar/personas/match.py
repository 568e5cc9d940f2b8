"""Matches subgoals with personas, and finds gaps: subgoals without a persona of the right kind.

A subgoal and a persona need not share a word. Both are read as profiles over the fields of work, by learnt weights;
the persona with the likest profile is assigned. If even that is too unlike, there is a gap, and the ideal agent is of
the subgoal's main field. Shared words order those who are equally like. Each persona is judged by itself, so that
neither their number nor their order changes anything.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeVar

from aurora_soar.personas.fields_of_work import fields_of_work
from aurora_soar.personas.profile import persona_profile, spoken_for, text_profile
from aurora_soar.personas.wording import FUNCTION_WORDS, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aurora_soar.personas.persona import Persona

__all__ = ["Match", "Matcher", "Ranked"]

_Key = TypeVar("_Key", int, str)

ALIKE: Final = 0.39
"""A persona that is less like a subgoal is not of the right kind; fitted on `benchmarks/matching/rosters/fit`."""
SHARED: Final = 0.01
"""Weight of words that subgoal and persona share, if all words of the subgoal are shared."""
STATED: Final = 1.0
"""Share that words of the goal and of when to use a persona count."""
MENTIONED: Final = 0.5
"""Share that words of its name, skills and examples count."""
GENERALIST: Final = "generalist"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A persona and how well it fits; the score orders and means nothing by itself."""

    persona: Persona
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The ideal agent of a subgoal, and the persona that gets it.

    Attributes:
        ideal: id of the persona or of the field of work that fits best.
        ideal_description: what that agent is for.
        assigned: None if no persona fits at all.
        ranked: every persona that fits a little, the best first.
    """

    ideal: str
    ideal_description: str
    assigned: Persona | None
    ranked: tuple[Ranked, ...]

    @property
    def is_gap(self) -> bool:
        """True if no persona is of the right kind."""
        return self.assigned is None or self.ideal != self.assigned.id


class Matcher:
    """Ranks the personas of a roster; made once, asked often."""

    def __init__(self, personas: Iterable[Persona]) -> None:
        self._personas = tuple(personas)

    def match(self, subgoal: str) -> Match:
        """Returns the match of a subgoal."""
        said = words(subgoal)
        asked = {word.lower() for word in said} - FUNCTION_WORDS
        fits = self._summed(text_profile(said), self._by_field)
        shared = self._summed(dict.fromkeys(asked, SHARED / max(1, len(asked))), self._by_word)
        found = [
            (Ranked(persona=persona, score=fit + more), fit)
            for persona, fit, more in zip(self._personas, fits, shared, strict=True)
        ]
        ordered = sorted(
            (each for each in found if each[0].score > 0), key=lambda each: (-each[0].score, each[0].persona.id)
        )
        ranked = tuple(each for each, _ in ordered)
        if ordered and ordered[0][1] >= ALIKE:
            best = ranked[0].persona
            return Match(ideal=best.id, ideal_description=best.goal, assigned=best, ranked=ranked)
        return _gap(subgoal, said, ranked)

    def _summed(
        self, weights: Mapping[_Key, float], index: Mapping[_Key, Sequence[tuple[int, float]]]
    ) -> list[float]:
        """Returns for each persona the sum of the weights, times what the index says of it."""
        sums = [0.0] * len(self._personas)
        for key, weight in weights.items():
            for place, strength in index.get(key, ()):
                sums[place] += weight * strength
        return sums

    @cached_property
    def _by_field(self) -> Mapping[int, Sequence[tuple[int, float]]]:
        return _index(persona_profile(each) for each in self._personas)

    @cached_property
    def _by_word(self) -> Mapping[str, Sequence[tuple[int, float]]]:
        return _index(_says(each) for each in self._personas)


def _index(rows: Iterable[Mapping[_Key, float]]) -> Mapping[_Key, Sequence[tuple[int, float]]]:
    found: dict[_Key, list[tuple[int, float]]] = defaultdict(list)
    for place, row in enumerate(rows):
        for key, strength in row.items():
            found[key].append((place, strength))
    return dict(found)


def _gap(subgoal: str, said: Sequence[str], ranked: tuple[Ranked, ...]) -> Match:
    table = fields_of_work()
    best = ranked[0].persona if ranked else None
    spoken = spoken_for(said)
    main = max(spoken, key=spoken.__getitem__, default=None)
    ideal = GENERALIST if main is None else table.order[main]
    return Match(
        ideal=ideal,
        ideal_description=table.does.get(ideal, f"Works on: {subgoal}"),
        # A persona may have a field's name and do something else.
        assigned=None if best is None or best.id == ideal else best,
        ranked=ranked,
    )


def _says(persona: Persona) -> Mapping[str, float]:
    said: dict[str, float] = {}
    for text in (persona.id, persona.role, *persona.skills, *persona.examples):
        said |= dict.fromkeys((word.lower() for word in words(text)), MENTIONED)
    for text in (persona.goal, persona.when_to_use):
        said |= dict.fromkeys((word.lower() for word in words(text)), STATED)
    return said
