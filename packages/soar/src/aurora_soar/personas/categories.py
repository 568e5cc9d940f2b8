"""Categories of personas: the part of the work that each belongs to, by its own words."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from aurora_core.tokens import terms
from aurora_soar.personas.persona import Category

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["category_of"]

MAX_CHARACTERS: Final = 2_000
"""Of a description; its beginning says what a persona is for."""
NAMED: Final = 3
"""A word of the name counts as much as so many of the description."""
ENOUGH: Final = 2

_WORDS: Final[Mapping[Category, str]] = {
    Category.ENG: """developer engineer programmer coder architect backend frontend fullstack api database sql devops
        sre infrastructure cloud kubernetes docker deploy pipeline implement refactor debug debugger bug
        server service microservice framework library compiler embedded firmware mobile android ios web react vue
        angular python javascript typescript java golang rust cpp csharp dotnet php ruby kotlin swift scala elixir
        django rails laravel spring node terraform performance algorithm git build network blockchain
        machine learning llm automation""",
    Category.QA: """test tests testing tester qa quality review reviewer audit auditor coverage regression validate
        validation verify verifier verification accessibility wcag compliance vulnerability penetration flaky
        acceptance inspect""",
    Category.PRODUCT: """product manager owner requirements roadmap backlog stakeholder prioritise prioritize story
        stories sprint scrum agile ux ui designer design wireframe usability research researcher market marketing
        growth sales customer brand content copywriter seo strategy strategist analyst business feedback launch
        social campaign persona user""",
}


def category_of(called: str, says: str) -> Category:
    """Returns the category that most words speak for; `general` if too few do or two are level.

    Args:
        called: the id and the role.
        says: what it is for.
    """
    names = set(terms(called))
    words = set(terms(says[:MAX_CHARACTERS])) - names
    scores = {category: NAMED * len(names & known) + len(words & known) for category, known in _known().items()}
    best, second = sorted(scores.values(), reverse=True)[:2]
    if best < ENOUGH or best == second:
        return Category.GENERAL
    return max(scores, key=scores.__getitem__)


@lru_cache(maxsize=1)
def _known() -> Mapping[Category, frozenset[str]]:
    return {category: frozenset(terms(words)) for category, words in _WORDS.items()}
