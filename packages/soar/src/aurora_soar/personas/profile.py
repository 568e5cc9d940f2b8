"""A persona as shares of fields of work, and how well it covers each."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from aurora_soar.personas.fields_of_work import fields_of_work
from aurora_soar.personas.lexicon import lexicon
from aurora_soar.personas.wording import words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_soar.personas.persona import Persona

__all__ = ["coverage"]

NAME: Final = 4.0
DOUBLE: Final = 1.0
SINGLE: Final = 0.5
NEAR: Final = 0.4
GENERALIST: Final = 0.7
GENERALIST2: Final = 0.4
SIBLING: Final = 0.25
ENOUGH: Final = 4.0
SPECIALIST: Final = 0.5
LATER: Final = 0.6
SLACK: Final = 0.7
MAX_CHARACTERS: Final = 2_000


def coverage(persona: Persona) -> Mapping[str, float]:
    covered: dict[str, float] = defaultdict(float)
    for name, strength in _strengths(persona).items():
        for other, share in _reach()[name]:
            covered[other] = max(covered[other], share * strength)
    return dict(covered)


@lru_cache(maxsize=1)
def _reach():
    table = fields_of_work()
    children = defaultdict(set)
    for name, field in table.items():
        for parent in field.part_of: children[parent].add(name)
    reach = {}
    for name, field in table.items():
        found = {name: 1.0}
        def see(other, share):
            found[other] = max(found.get(other, 0), share)
        for other in field.near: see(other, NEAR)
        for other in field.part_of:
            see(other, SPECIALIST)
            for sib in children[other]: see(sib, SIBLING)
        for other in children[name]:
            see(other, GENERALIST)
            for third in children[other]: see(third, GENERALIST2)
        reach[name] = tuple(found.items())
    return reach


def _strengths(persona: Persona) -> dict[str, float]:
    total: dict[str, float] = defaultdict(float)
    role = persona.role if words(persona.role) != words(persona.id) else ""
    for text, weight in (
        (": ".join(persona.id.replace("-"," ").title().split("_")), NAME),
        (role, NAME),
        (persona.goal, DOUBLE),
        (persona.when_to_use, DOUBLE),
        (", ".join(persona.skills), SINGLE),
        ("; ".join(persona.examples), SINGLE),
    ):
        first, _, rest = text[:MAX_CHARACTERS].partition(". ")
        for part, factor in ((first, 1.0), (rest, LATER)):
            for field, strength in lexicon().spoken_of(words(part)).items():
                total[field] += weight * factor * strength
    most = max(ENOUGH, max(total.values(), default=1.0))
    return {field: (strength / most) ** SLACK for field, strength in total.items()}
