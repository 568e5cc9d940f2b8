"""Phase 1: the complexity of a question, from its words.

Weights learnt from labelled prompts give the chance of each complexity, and the likeliest is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from aurora_soar.phases.complexity_model import LEVELS, judge
from aurora_soar.question.intent_patterns import in_short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_soar.question.question import Question

__all__ = ["Assessment", "Complexity", "assess"]


class Complexity(StrEnum):
    """The complexity of a request; it sets how much is retrieved and which phases run."""

    SIMPLE = "SIMPLE"
    MEDIUM = "MEDIUM"
    COMPLEX = "COMPLEX"
    CRITICAL = "CRITICAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The result of the first phase.

    Attributes:
        complexity: SIMPLE, MEDIUM, COMPLEX or CRITICAL.
        score: the expected complexity: 0 is surely SIMPLE, 1 surely CRITICAL.
        confidence: the chance that the words give this complexity.
        reasoning: one sentence that names the words which decided.
        method: "keyword": the words decided; "model": a model did, because they were not clear.
    """

    complexity: Complexity
    score: float
    confidence: float
    reasoning: str
    method: str = "keyword"


def assess(question: Question) -> Assessment:
    """Returns the complexity of a question from the words of its beginning and its end."""
    judgement = judge(in_short(question.text))
    complexity = Complexity(LEVELS[judgement.level])
    expected = sum(place * chance for place, chance in enumerate(judgement.chances))
    return Assessment(
        complexity=complexity,
        score=round(expected / (len(LEVELS) - 1), 4),
        confidence=round(judgement.chances[judgement.level], 3),
        reasoning=_reason(complexity, judgement.spoke[judgement.level]),
    )


def _reason(complexity: Complexity, spoke: Sequence[str]) -> str:
    words = ", ".join(repr(each) for each in spoke)
    return f"{words or 'no known word'}: {complexity.value.lower()}"
