"""Matches subgoals with personas, and finds gaps: subgoals without a persona of the right kind.

A subgoal and a persona need not share a word. Both are read as fields of work; a persona covers its own field and, in
part, those near to it. The persona that covers most of what the subgoal speaks of is assigned; if even that is too
little, there is a gap, and the ideal agent is one of the subgoal's main field. Shared words order those who cover the
same. Each persona is judged by itself, so that neither their number nor their order changes anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from aurora_soar.personas.coverage import DOUBLE, SINGLE, coverage
from aurora_soar.personas.fields_of_work import fields_of_work
from aurora_soar.personas.lexicon import evidence
from aurora_soar.personas.wording import FUNCTION_WORDS, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aurora_soar.personas.persona import Persona

__all__ = ["Match", "Matcher", "Ranked"]

COVERED: Final = 0.44
"""A persona that covers less of a subgoal is not of the right kind; fitted on `benchmarks/matching/rosters/fit`."""
SHARED: Final = 0.2
"""Weight of words that subgoal and persona share, if all words of the subgoal are shared."""
MENTIONED: Final = 0.4
"""A field with less than this part of the strongest field's evidence is not what a subgoal is about."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """The fields and words of one persona."""

    persona: Persona
    covers: Mapping[str, float]
    says: Mapping[str, float]


class Matcher:
    """Ranks the personas of a roster; made once, asked often."""

    def __init__(self, personas: Iterable[Persona]) -> None:
        self._personas = tuple(personas)

    def match(self, subgoal: str) -> Match:
        """Returns the match of a subgoal."""
        said = words(subgoal)
        fields = _fields(evidence(said))
        fits = {
            each.persona.id: sum(fields[one] * each.covers.get(one, 0.0) for one in fields) for each in self._known
        }
        asked = {word.lower() for word in said} - FUNCTION_WORDS
        found = [
            Ranked(persona=each.persona, score=fits[each.persona.id] + SHARED * _shared(asked, each.says))
            for each in self._known
        ]
        ranked = sorted((each for each in found if each.score > 0), key=lambda each: (-each.score, each.persona.id))
        return _match(subgoal, fields, fits, tuple(ranked))

    @cached_property
    def _known(self) -> tuple[_Known, ...]:
        return tuple(_Known(persona=each, covers=coverage(each), says=_says(each)) for each in self._personas)


def _match(subgoal: str, fields: Mapping[str, float], fits: Mapping[str, float], ranked: tuple[Ranked, ...]) -> Match:
    best = ranked[0].persona if ranked else None
    if best and fits[best.id] >= COVERED:
        return Match(ideal=best.id, ideal_description=best.goal, assigned=best, ranked=ranked)
    ideal = max(fields, key=fields.__getitem__, default=GENERALIST)
    return Match(
        ideal=ideal,
        ideal_description=_described(ideal, subgoal),
        # A persona may have a field's name and do something else.
        assigned=None if best is None or best.id == ideal else best,
        ranked=ranked,
    )


def _fields(found: Mapping[str, float]) -> dict[str, float]:
    """Returns the share of each field that the subgoal is about; they sum to 1.

    Shares are in proportion to the square of the evidence, so the strongest fields gain.
    """
    most = max(found.values(), default=0.0)
    clear = {field: strength**2 for field, strength in found.items() if strength >= MENTIONED * most}
    total = sum(clear.values())
    return {field: strength / total for field, strength in clear.items()}


def _says(persona: Persona) -> Mapping[str, float]:
    said: dict[str, float] = {}
    for text in (persona.id, persona.role, *persona.skills, *persona.examples):
        said |= dict.fromkeys((word.lower() for word in words(text)), SINGLE)
    for text in (persona.goal, persona.when_to_use):
        said |= dict.fromkeys((word.lower() for word in words(text)), DOUBLE)
    return said


def _shared(asked: Iterable[str], says: Mapping[str, float]) -> float:
    """Returns how many of a subgoal's words a persona has too, weighted, as a share from 0 to 1."""
    counts = [says.get(word, 0.0) for word in asked]
    return sum(counts) / max(1, len(counts))


def _described(ideal: str, subgoal: str) -> str:
    field = fields_of_work().by_id.get(ideal)
    return field.does if field else f"Works on: {subgoal}"
