"""Phase 2: chunks of the memory for the question; the more complex the question, the more chunks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_core import ChunkKind
from aurora_core.tokens import terms
from aurora_soar.errors import EmptyQuestionError
from aurora_soar.phases.assess import Complexity
from aurora_soar.question.question import read_question

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_core import Hit, Memory
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
# The share of the budget that documents get; code gets the rest.
DOCUMENT_SHARE: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievedContext:
    """Chunks for a question, best first.

    Attributes:
        code: code chunks, then documents.
        reasoning: earlier answers to similar questions.
        budget: number of chunks that the question's complexity allows.
        high_quality: number of the code chunks that mention most of the question.
    """

    code: tuple[Hit, ...]
    reasoning: tuple[Hit, ...]
    budget: int
    high_quality: int

    @property
    def total(self) -> int:
        """The number of chunks of both kinds."""
        return len(self.code) + len(self.reasoning)


def retrieve(
    memory: Memory, question: Question, focus: Focus, complexity: Complexity, *, shared: Memory | None = None
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
    earlier = memory.search(question.text, limit=budget, kinds=(ChunkKind.REAS,), record=False)
    if shared is not None:
        elsewhere = shared.search(question.text, limit=budget, kinds=(ChunkKind.REAS,), record=False)
        earlier += [hit for hit in elsewhere if hit.reasoning and hit.reasoning.project != str(memory.root)]
    return RetrievedContext(
        code=chunks,
        reasoning=tuple(hit for hit in earlier if _asks_the_same(hit, question)),
        budget=budget,
        high_quality=sum(focus.coverage(f"{h.name}\n{h.content}").share >= HIGH_QUALITY for h in chunks),
    )


def _asks_the_same(hit: Hit, question: Question) -> bool:
    """Returns True if an earlier answer was given to the same question in nearly the same words."""
    if hit.reasoning is None:
        return False
    try:
        asked = read_question(hit.reasoning.query)
    except EmptyQuestionError:
        return False  # another program may store what it likes
    earlier = {term for word in asked.terms for term in terms(word)}
    now = {term for word in question.terms for term in terms(word)}
    return len(earlier & now) >= SAME_WORDS * len(earlier | now)


_DOCUMENTS: Final = (ChunkKind.KB, ChunkKind.DOC)
