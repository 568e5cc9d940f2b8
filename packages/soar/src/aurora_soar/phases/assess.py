"""Phase 1: the complexity of a question, from its words.

Five dimensions are scored: the kind of work (keywords), its reach (scope), its side conditions (constraints), the
length and number of its parts (structure), and the difficulty of its field (domain). Their weighted sum is the score.
The thresholds around the score give the complexity, the distance to the nearest threshold the confidence. A request
that endangers people, money or data is CRITICAL whatever its score.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from aurora_soar.phases import complexity_signals as signals
from aurora_soar.phases import stakes
from aurora_soar.question.intent_patterns import in_short
from aurora_soar.question.question import Intent

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        score: weighted sum of the dimensions, 0 to 1.
        confidence: 0.5 (on a threshold) to 1 (far from any).
        dimensions: the value of each dimension, 0 to 1.
        reasoning: one sentence that names the reason for the complexity.
        method: "keyword": the words decided; "model": a model did, because they were beside a threshold.
    """

    complexity: Complexity
    score: float
    confidence: float
    dimensions: Mapping[str, float]
    reasoning: str
    method: str = "keyword"


WEIGHTS: Final = {"keywords": 0.50, "scope": 0.18, "constraints": 0.12, "structure": 0.12, "domain": 0.08}
MEDIUM_FROM: Final = 0.16
COMPLEX_FROM: Final = 0.40


_UNDERSTANDING: Final = frozenset({Intent.EXPLAIN, Intent.COMPARE})
_LIST_ITEM: Final = re.compile(r"(?m)^\s*(?:[-*•]|\d+[.)])\s+")
_JOINED: Final = re.compile(r"\b(?:and|then|also|plus|as well as|including|along with)\b|[;,]", re.IGNORECASE)


def assess(question: Question) -> Assessment:
    """Returns the complexity of a question from the words of its beginning and its end."""
    question = replace(question, text=in_short(question.text))
    text = question.text
    dimensions = {
        "keywords": _keywords(question),
        "scope": 0.0 if _only_looks_up(text) else _scope(text),
        "constraints": _counted(signals.CONSTRAINTS, signals.CONSTRAINT_WEIGHT, text),
        "structure": _structure(text),
        "domain": _counted(signals.DEMANDING_FIELDS, signals.DEMANDING_FIELD_WEIGHT, text),
    }
    score = sum(WEIGHTS[name] * value for name, value in dimensions.items())
    if stake := _at_stake(question):
        return Assessment(
            complexity=Complexity.CRITICAL,
            score=round(max(score, COMPLEX_FROM), 4),
            confidence=0.9 if _acts(text) else 0.7,
            dimensions=dimensions,
            reasoning=f"{stake!r} puts security, money or data at stake",
        )
    complexity = _by_score(score)
    strongest = max(dimensions, key=lambda name: WEIGHTS[name] * dimensions[name])
    return Assessment(
        complexity=complexity,
        score=round(score, 4),
        confidence=_confidence(score),
        dimensions=dimensions,
        reasoning=f"score {score:.2f}, mostly from {strongest}: {complexity.value.lower()}",
    )


def _at_stake(question: Question) -> str | None:
    """Returns the words that make a request critical; a question about how something works is not critical."""
    match = stakes.HIGH_STAKES.search(question.text)
    if match is None:
        return None
    asks = stakes.ASKS.search(question.text) is not None and question.intent in _UNDERSTANDING
    return None if asks and not stakes.ACTED.search(question.text) else match.group(0)


def _acts(text: str) -> bool:
    return any(pattern.search(text) for pattern in (stakes.ACTIONS, signals.CHANGE, signals.BUILD))


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


def _by_score(score: float) -> Complexity:
    if score < MEDIUM_FROM:
        return Complexity.SIMPLE
    return Complexity.MEDIUM if score < COMPLEX_FROM else Complexity.COMPLEX


def _confidence(score: float) -> float:
    """Returns 0.5 on a threshold, 1 at a distance of 0.2 or more from the nearest threshold."""
    distance = min(abs(score - MEDIUM_FROM), abs(score - COMPLEX_FROM))
    return round(0.5 + min(0.5, distance / 0.4), 3)
