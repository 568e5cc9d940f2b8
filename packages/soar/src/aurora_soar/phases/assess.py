"""Phase 1: the complexity of a question, from its words.

Weights learnt from labelled prompts give the chance of each complexity, and the likeliest is taken. Five dimensions
describe the question in the log: the kind of work (keywords), its reach (scope), its side conditions (constraints),
the length and number of its parts (structure), and the difficulty of its field (domain). They decide nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from aurora_soar.phases import complexity_signals as signals
from aurora_soar.phases.complexity_model import LEVELS, judge
from aurora_soar.question.intent_patterns import in_short
from aurora_soar.question.question import Intent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
        dimensions: the value of each dimension, 0 to 1.
        reasoning: one sentence that names the words which decided.
        method: "keyword": the words decided; "model": a model did, because they were not clear.
    """

    complexity: Complexity
    score: float
    confidence: float
    dimensions: Mapping[str, float]
    reasoning: str
    method: str = "keyword"


_LIST_ITEM: Final = re.compile(r"(?m)^\s*(?:[-*•]|\d+[.)])\s+")
_JOINED: Final = re.compile(r"\b(?:and|then|also|plus|as well as|including|along with)\b|[;,]", re.IGNORECASE)


def assess(question: Question) -> Assessment:
    """Returns the complexity of a question from the words of its beginning and its end."""
    question = replace(question, text=in_short(question.text))
    judgement = judge(question.text)
    complexity = Complexity(LEVELS[judgement.level])
    expected = sum(place * chance for place, chance in enumerate(judgement.chances))
    return Assessment(
        complexity=complexity,
        score=round(expected / (len(LEVELS) - 1), 4),
        confidence=round(judgement.chances[judgement.level], 3),
        dimensions=_dimensions(question),
        reasoning=_reason(complexity, judgement.spoke[judgement.level]),
    )


def _reason(complexity: Complexity, spoke: Sequence[str]) -> str:
    words = ", ".join(repr(each) for each in spoke)
    return f"{words or 'no known word'}: {complexity.value.lower()}"


def _dimensions(question: Question) -> dict[str, float]:
    text = question.text
    return {
        "keywords": _keywords(question),
        "scope": 0.0 if _only_looks_up(text) else _scope(text),
        "constraints": _counted(signals.CONSTRAINTS, signals.CONSTRAINT_WEIGHT, text),
        "structure": _structure(text),
        "domain": _counted(signals.DEMANDING_FIELDS, signals.DEMANDING_FIELD_WEIGHT, text),
    }


def _keywords(question: Question) -> float:
    text = question.text
    if signals.LOOK_UP.search(text):
        builds = signals.BUILD.search(text) and len(question.terms) > 6
        return signals.LOOK_UP_WITH_BUILD_WEIGHT if builds else signals.LOOK_UP_WEIGHT
    if signals.BUILD.search(text):
        return signals.CHANGE_WEIGHT if signals.BOUNDED.search(text) else signals.BUILD_WEIGHT
    if question.intent is Intent.PLAN:
        return signals.PLAN_WEIGHT
    if signals.ANALYSIS.search(text):
        return signals.ANALYSIS_WEIGHT
    if signals.CHANGE.search(text):
        return signals.CHANGE_WEIGHT
    return 0.35 if len(question.terms) > 3 else 0.2


def _only_looks_up(text: str) -> bool:
    """Returns True for a look-up, which stays one however much is searched."""
    more = signals.BUILD.search(text) or signals.CONSTRAINTS.search(text)
    return signals.LOOK_UP.search(text) is not None and more is None


def _scope(text: str) -> float:
    wide = _counted(signals.WIDE_SCOPE, signals.WIDE_SCOPE_WEIGHT, text)
    return max(0.0, wide + (signals.NARROW_SCOPE_WEIGHT if signals.NARROW_SCOPE.search(text) else 0.0))


def _counted(pattern: re.Pattern[str], weight: float, text: str) -> float:
    """Returns the weight of every match together, at most 1."""
    return min(1.0, weight * len(pattern.findall(text)))


def _structure(text: str) -> float:
    sentences = len([s for s in re.split(r"[.!?]\s", text) if s.strip()])
    items = len(_LIST_ITEM.findall(text))
    joined = len(_JOINED.findall(text))
    return min(1.0, 0.2 * (sentences - 1) + 0.25 * items + 0.15 * joined + len(text.split()) / 80)
