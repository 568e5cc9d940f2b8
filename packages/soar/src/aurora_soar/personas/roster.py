"""All personas that a task can name, by id and by category."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from aurora_soar.personas.persona import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from aurora_soar.personas.persona import Category, Persona, PersonaProblem

__all__ = ["Roster"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """The personas of a project and of its user.

    Attributes:
        by_id: all personas, the project's first.
        problems: problems with files, in the order in which they were read.
        made_at: Unix time at which the files were read.
        from_cache: True if the personas come from the cache.
    """

    by_id: Mapping[str, Persona]
    by_category: Mapping[Category, tuple[Persona, ...]]
    problems: tuple[PersonaProblem, ...]
    made_at: float
    from_cache: bool

    @classmethod
    def of(
        cls,
        personas: Mapping[str, Persona],
        problems: Iterable[PersonaProblem] = (),
        made_at: float = 0.0,
        *,
        from_cache: bool = False,
    ) -> Self:
        """Returns a roster of personas."""
        by_category: dict[Category, list[Persona]] = defaultdict(list)
        for persona in personas.values():
            by_category[persona.category].append(persona)
        return cls(
            by_id=personas,
            by_category={category: tuple(members) for category, members in by_category.items()},
            problems=tuple(problems),
            made_at=made_at,
            from_cache=from_cache,
        )

    def without_models_of_project(self) -> Self:
        """Returns a roster without the models that the project's own personas name."""
        personas = {
            name: replace(each, model=None) if each.scope is Scope.PROJECT else each
            for name, each in self.by_id.items()
        }
        return self.of(personas, self.problems, self.made_at, from_cache=self.from_cache)

    def get(self, name: str) -> Persona | None:
        """Returns the persona of an id, with or without `@`; None if there is none."""
        return self.by_id.get(name.removeprefix("@"))

    def __iter__(self) -> Iterator[Persona]:
        return iter(self.by_id.values())

    def __len__(self) -> int:
        return len(self.by_id)
