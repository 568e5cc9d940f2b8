"""Phase 2: chunks of the memory for the question; the more complex the question, the more chunks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aurora_core import ChunkKind
from aurora_core.tokens import terms
from aurora_soar.errors import EmptyQuestionError
from aurora_soar.evidence.cited_code import is_current
from aurora_soar.phases.assess import Complexity
from aurora_soar.question.question import read_question

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aurora_core import Hit
    from aurora_soar.memory_port import SoarMemory
    from aurora_soar.question.focus import Focus
    from aurora_soar.question.question import Question

__all__ = ["CHUNKS_BY_COMPLEXITY", "RetrievedContext", "retrieve"]

CHUNKS_BY_COMPLEXITY: Final[Mapping[Complexity, int]] = {
    Complexity.SIMPLE: 5,
    Complexity.MEDIUM: 10,
    Complexity.COMPLEX: 15,
    Complexity.CRITICAL: 20,
}
# A chunk that mentions at least this share of the question's weight is of high quality.
HIGH_QUALITY: Final = 0.6
# Two questions are the same if they share at least this share of all their words.
SAME_WORDS: Final = 0.7
# An answer to a question that shares at least this share of all words helps a model.
SIMILAR_WORDS: Final = 0.5
PATTERN_FROM: Final = 0.8
"""Score from which an answer is a pattern: it takes the place of a plan."""
# The share of the budget that documents get; code gets the rest.
DOCUMENT_SHARE: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievedContext:
    """Chunks for a question, best first.

    Attributes:
        code: code chunks, then documents.
        reasoning: earlier answers to the same question in nearly the same words; stale if what they cite has changed.
        budget: number of chunks that the question's complexity allows.
        high_quality: number of the code chunks that mention most of the question.
        similar: earlier answers that can be used again: to similar questions, and all that they cite is as it was.
    """

    code: tuple[Hit, ...]
    reasoning: tuple[Hit, ...]
    budget: int
    high_quality: int
    similar: tuple[Hit, ...] = ()

    @property
    def pattern(self) -> Hit | None:
        """The earlier answer whose work need not be planned again: good enough, to the same question, and current."""
        return next(
            (
                hit
                for hit in self.similar
                if hit in self.reasoning and hit.reasoning is not None and hit.reasoning.score >= PATTERN_FROM
            ),
            None,
        )

    @property
    def total(self) -> int:
        """The number of chunks of both kinds."""
        return len(self.code) + len(self.reasoning)


def retrieve(
    memory: SoarMemory, question: Question, focus: Focus, complexity: Complexity, *, shared: SoarMemory | None = None
) -> RetrievedContext:
    """Searches the memory for code, documents, and earlier answers to similar questions.

    Args:
        shared: the answers of the user's other projects, shared with the user's consent.
    """
    budget = CHUNKS_BY_COMPLEXITY[complexity]
    documents = memory.search(
        question.text, limit=max(1, round(budget * DOCUMENT_SHARE)), kinds=_DOCUMENTS, record=False
    )
    code = memory.search(question.text, limit=budget - len(documents), kinds=(ChunkKind.CODE,), record=False)
    chunks = (*code, *documents)
    earlier = list(memory.search(question.text, limit=budget, kinds=(ChunkKind.REAS,), record=False))
    if shared is not None:
        elsewhere = shared.search(question.text, limit=budget, kinds=(ChunkKind.REAS,), record=False)
        earlier += [hit for hit in elsewhere if hit.reasoning and hit.reasoning.project != str(memory.root)]
    alike = [(hit, _likeness(hit, question)) for hit in earlier]
    dated = [(_dated(hit, memory.root), likeness) for hit, likeness in alike if likeness >= SIMILAR_WORDS]
    return RetrievedContext(
        code=chunks,
        reasoning=tuple(hit for hit, likeness in dated if likeness >= SAME_WORDS),
        similar=tuple(hit for hit, _ in dated if hit.reasoning and hit.reasoning.evidence and not hit.stale),
        budget=budget,
        high_quality=sum(focus.coverage(f"{h.name}\n{h.content}").share >= HIGH_QUALITY for h in chunks),
    )


def _dated(hit: Hit, root: Path) -> Hit:
    """Returns an earlier answer, stale if it says what it rests on and any of that has changed."""
    if hit.reasoning is None or not hit.reasoning.evidence:
        return hit
    return replace(hit, stale=not is_current(hit.reasoning, root))


def _likeness(hit: Hit, question: Question) -> float:
    """Returns the share of all words that an earlier answer's question and this one have in common."""
    if hit.reasoning is None:
        return 0.0
    try:
        asked = read_question(hit.reasoning.query)
    except EmptyQuestionError:
        return 0.0  # another program may store what it likes
    earlier = {term for word in asked.terms for term in terms(word)}
    now = {term for word in question.terms for term in terms(word)}
    return len(earlier & now) / len(earlier | now) if earlier | now else 0.0


_DOCUMENTS: Final = (ChunkKind.KB, ChunkKind.DOC)
