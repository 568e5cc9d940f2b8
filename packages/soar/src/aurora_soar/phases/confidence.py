"""The confidence of an answer: the share of like answers that named a right place, estimated from evidence alone."""

from __future__ import annotations

import math
import re
from dataclasses import astuple, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from aurora_soar.evidence.evidence import Finding, FindingKind, short_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_soar.question.focus import Focus
    from aurora_soar.question.presence import Presence
    from aurora_soar.question.question import Question

__all__ = ["NO_SIGNALS", "Level", "Signals", "confidence_of", "level_of", "signals_of"]

HIGH_FROM: Final = 0.75
MEDIUM_FROM: Final = 0.45


class Level(StrEnum):
    """Confidence in a word."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """The evidence that confidence rests on; each is 0 to 1.

    Attributes:
        missing: share of the question's weight that the code does not have.
        names_missing: 1 if a name, file or folder of the question does not exist.
        covered: share of the question's weight that the lead mentions.
        said: the largest share that one sentence or line of the evidence mentions.
        named: 1 if the question names the lead exactly.
        name_covered: share of the question's weight in the lead's own name and path.
    """

    missing: float = 0.0
    names_missing: float = 0.0
    covered: float = 0.0
    said: float = 0.0
    named: float = 0.0
    name_covered: float = 0.0


NO_SIGNALS: Final = Signals()

# Logistic regression with L2, fitted by `python benchmarks/answers/run.py` on the fitting half of the questions.
INTERCEPT: Final = -1.13
WEIGHTS: Final = Signals(missing=-2.06, names_missing=-0.66, covered=2.03, said=0.30, named=1.05, name_covered=3.01)


def signals_of(
    question: Question,
    focus: Focus,
    presence: Presence,
    lead: Finding | None,
    used: Sequence[Finding],
) -> Signals:
    """Returns the evidence for an answer.

    Args:
        lead: the finding that the answer rests on; None if nothing was found.
        used: the findings that the answer cites.
    """
    if lead is None:
        return Signals(missing=presence.share, names_missing=float(bool(presence.names)))
    lines = [f for f in used if f.kind in (FindingKind.STATEMENT, FindingKind.STEP, FindingKind.RAISE)]
    texts = [focus.coverage(f"{f.symbol} {f.text} {f.detail}").share for f in (lead, *lines)]
    return Signals(
        missing=presence.share,
        names_missing=float(bool(presence.names)),
        covered=1.0 if lead.kind is FindingKind.FILE else min(1.0, lead.relevance),
        said=max(texts, default=0.0),
        named=float(_is_named(lead, question.text)),
        name_covered=focus.coverage(f"{lead.symbol} {lead.file}").share,
    )


def _is_named(lead: Finding, text: str) -> bool:
    """Returns True if a text names a file or definition as it is written; an ordinary word is no name."""
    if lead.kind is FindingKind.FILE:
        return True
    short = short_name(lead.symbol)
    looks_like_code = short != short.lower() or "_" in short or f"{short}()" in text
    return looks_like_code and re.search(rf"(?<!\w){re.escape(short)}(?!\w)", text) is not None


def confidence_of(signals: Signals) -> float:
    """Returns the estimated share of right answers among those with such signals; never high with words missing."""
    total = INTERCEPT + sum(w * s for w, s in zip(astuple(WEIGHTS), astuple(signals), strict=True))
    estimate = 1 / (1 + math.exp(-total))
    if signals.missing > 0 or signals.names_missing > 0:
        estimate = min(estimate, HIGH_FROM - 0.01)
    return round(estimate, 4)


def level_of(confidence: float) -> Level:
    """Returns the word for a confidence."""
    if confidence >= HIGH_FROM:
        return Level.HIGH
    return Level.MEDIUM if confidence >= MEDIUM_FROM else Level.LOW
