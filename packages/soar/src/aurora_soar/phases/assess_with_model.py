"""Phase 1 with a model: it judges the requests whose words are not clear; the words judge all others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aurora_soar.models.structured import JudgedComplexity, ask_until_valid, read_document
from aurora_soar.phases.assess import Assessment, Complexity
from aurora_soar.phases.prompts import assess_request

if TYPE_CHECKING:
    from aurora_soar.models.language_model import Completion, LanguageModel
    from aurora_soar.question.question import Question

__all__ = ["BORDERLINE_BELOW", "assess_with_model"]

BORDERLINE_BELOW: Final = 0.6
"""Below this confidence of the words the model is asked."""


async def assess_with_model(
    question: Question, by_words: Assessment, model: LanguageModel
) -> tuple[Assessment, tuple[Completion, ...]]:
    """Returns the assessment, and the model's answers if it was asked; that of the words if none is usable."""
    if by_words.confidence >= BORDERLINE_BELOW:
        return by_words, ()
    replies = await ask_until_valid(
        model, assess_request(question), lambda said: read_document(said.text, JudgedComplexity), title="assess"
    )
    judged = replies.value
    if judged is None:
        return by_words, replies.calls
    assessment = replace(
        by_words,
        complexity=Complexity(judged.complexity),
        reasoning=f"{by_words.reasoning}, not clear; {model.name}: {judged.reason}",
        method="model",
    )
    return assessment, replies.calls
