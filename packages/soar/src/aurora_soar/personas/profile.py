"""A persona as shares of fields of work, and how well it covers each."""

from __future__ import annotations

from collections import defaultdict
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
NEAR: Final = 0.6
GENERALIST: Final = 0.6
SPECIALIST: Final = 0.5
LATER: Final = 0.6
SLACK: Final = 0.7
MAX_CHARACTERS: Final = 2_000


def coverage(persona: Persona) -> Mapping[str, float]:
    strengths = _strengths(persona)
    covered: dict[str, float] = defaultdict(float)
    table = fields_of_work()
    for name, strength in strengths.items():
        field = table[name]
        covered[name] = max(covered[name], strength)
        for other in field.near:
            covered[other] = max(covered[other], NEAR * strength)
        if field.part_of:
            covered[field.part_of] = max(covered[field.part_of], SPECIALIST * strength)
    for name, field in table.items():
        if field.part_of in strengths:
            covered[name] = max(covered[name], GENERALIST * strengths[field.part_of])
    return dict(covered)


def _strengths(persona: Persona) -> dict[str, float]:
    total: dict[str, float] = defaultdict(float)
    role = persona.role if words(persona.role) != words(persona.id) else ""
    for text, weight in ((persona.id, NAME), (role, NAME), (persona.goal, DOUBLE), (persona.when_to_use, DOUBLE),
                         (", ".join(persona.skills), SINGLE), ("; ".join(persona.examples), SINGLE)):
        first, _, rest = text[:MAX_CHARACTERS].partition(". ")
        for part, factor in ((first, 1.0), (rest, LATER)):
            for field, strength in lexicon().spoken_of(words(part)).items():
                total[field] += weight * factor * strength
    most = max(total.values(), default=1.0)
    return {field: (strength / most) ** SLACK for field, strength in total.items()}
