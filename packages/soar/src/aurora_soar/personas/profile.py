"""Profiles: how much a text speaks for each field of work, or against it, so that texts can be compared.

Two texts may share no word and yet speak of the same fields. The profile of a persona joins those of its name, of
what it says it is for, and of its skills and examples.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from aurora_soar.personas.fields_of_work import WEIGHT_BITS, WEIGHT_ZERO, features, fields_of_work
from aurora_soar.personas.wording import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aurora_soar.personas.persona import Persona

    Profile = Mapping[int, float]

__all__ = ["persona_profile", "spoken_for", "text_profile"]

NAME: Final = 0.25
"""Weight of the name alone; it is also read together with the goal."""
DETAILS: Final = 0.25
"""Weight of skills and examples."""
CONTRAST: Final = 1.5
"""Power that what speaks for a field is raised to, so that the clear fields count more than the many faint ones."""
FIELDS: Final = 20
"""The strongest fields of a text; the others change nothing and take time."""


def spoken_for(said: Sequence[str]) -> dict[int, float]:
    """Sums up how much words speak for each field, by the field's place; below 0 for what they speak against.

    Args:
        said: as `words` returns them.
    """
    table = fields_of_work()
    found = [(share, table.known(feature)) for feature, share in features(said).items()]
    known = [(share * each[0], each[1]) for share, each in found if each is not None]
    length = math.hypot(*(value for value, _ in known))
    sums: dict[int, float] = {}
    for value, entries in known:
        for entry in entries:
            weight = value * ((entry & (2 * WEIGHT_ZERO - 1)) - WEIGHT_ZERO) / length
            field = entry >> WEIGHT_BITS
            sums[field] = sums.get(field, 0.0) + weight
    return sums


def text_profile(said: Sequence[str]) -> Profile:
    """Returns the profile of a text; empty if no word of it is known."""
    return _profile(spoken_for(said))


def persona_profile(persona: Persona) -> Profile:
    """Returns the profile of a persona."""
    name = persona.id.replace("-", " ").title()
    called = name if words(persona.role.title()) == words(name) else f"{name}. {persona.role}"
    parts = (
        (called, NAME),
        (f"{called}. {persona.goal} {persona.when_to_use}", 1.0),
        (f"{', '.join(persona.skills)}; {'; '.join(persona.examples)}", DETAILS),
    )
    return _profile(_joined((spoken_for(words(text)), weight) for text, weight in parts))


def _joined(parts: Iterable[tuple[Profile, float]]) -> dict[int, float]:
    sums: dict[int, float] = {}
    for part, weight in parts:
        for field, strength in part.items():
            sums[field] = sums.get(field, 0.0) + weight * strength
    return sums


def _profile(sums: Profile) -> Profile:
    """Returns the strongest fields with contrast, as a vector of length 1.

    The product of two profiles is 1 for texts that speak of the same, 0 or less for those with nothing in common.
    """
    clear = {field: math.copysign(abs(strength) ** CONTRAST, strength) for field, strength in sums.items()}
    strongest = sorted(clear, key=lambda field: (-abs(clear[field]), field))[:FIELDS]
    length = math.hypot(*(clear[field] for field in strongest))
    return {field: clear[field] / length for field in strongest} if length else {}
