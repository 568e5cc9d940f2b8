"""Coverage of the fields of work by a persona: its own field, and those near it."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from aurora_soar.personas.fields_of_work import fields_of_work
from aurora_soar.personas.lexicon import evidence
from aurora_soar.personas.wording import words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_soar.personas.persona import Persona

__all__ = ["DOUBLE", "SINGLE", "coverage"]

NAME: Final = 4.0
DOUBLE: Final = 1.0
"""Weight of the goal and of when to use a persona."""
SINGLE: Final = 0.5
"""Weight of its skills and examples."""
CLEAR: Final = 4.0
"""Evidence below this is no persona's profession, even if it has nothing else to say: a comedian may joke on Java."""
TOUCHED: Final = 0.05
"""Fields with a smaller part of the evidence are only touched by a word."""
PART_OF_OWN: Final = 0.65
"""Coverage by a generalist of a field that is part of its own; a part of that part gets this share again."""
DISTANT: Final = 0.4
SPECIALIST: Final = 0.5
"""Coverage by a specialist of the field that contains its own."""
NEAR: Final = 0.4


def coverage(persona: Persona) -> Mapping[str, float]:
    """Returns how well a persona covers fields, by field: 1 for its profession, nothing for what is far from it."""
    found = _evidence(persona)
    most = max(CLEAR, *found.values()) if found else CLEAR
    covered: dict[str, float] = defaultdict(float)
    for field, strength in found.items():
        own = strength / most
        if own >= TOUCHED:
            for other, share in _reach(field).items():
                covered[other] = max(covered[other], share * own)
    return covered


def _evidence(persona: Persona) -> Mapping[str, float]:
    total: dict[str, float] = defaultdict(float)
    name = persona.id.replace("-", " ").title()
    parts = (
        (name, NAME),
        (persona.role if words(persona.role.title()) != words(name) else "", NAME),
        (persona.goal, DOUBLE),
        (persona.when_to_use, DOUBLE),
        (", ".join(persona.skills), SINGLE),
        ("; ".join(persona.examples), SINGLE),
    )
    for text, weight in parts:
        for field, strength in evidence(words(text)).items():
            total[field] += weight * strength
    return total


@lru_cache(maxsize=1_000)
def _reach(field: str) -> Mapping[str, float]:
    """Returns the coverage of other fields by a persona of this field."""
    own = fields_of_work().by_id[field]
    found = dict.fromkeys(own.near, NEAR) | dict.fromkeys(own.part_of, SPECIALIST)
    children = _children().get(field, ())
    for child in children:
        found |= {each: max(DISTANT, found.get(each, 0.0)) for each in _children().get(child, ())}
    return found | dict.fromkeys(children, PART_OF_OWN) | {field: 1.0}


@lru_cache(maxsize=1)
def _children() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = defaultdict(tuple)
    for field in fields_of_work().by_id.values():
        for parent in field.part_of:
            found[parent] += (field.id,)
    return found
