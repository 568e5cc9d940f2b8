"""Phase 7: a good answer is stored in the memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aurora_core import Reasoning
from aurora_soar.evidence.cited_code import cited_code
from aurora_soar.phases.retrieve import PATTERN_FROM

if TYPE_CHECKING:
    from aurora_soar.memory_port import SoarMemory
    from aurora_soar.phases.synthesize import Synthesis
    from aurora_soar.question.question import Question

__all__ = ["NOT_RECORDED", "Recorded", "record"]

LEARNT_FROM: Final = 0.5
PATTERN_ACTIVATION: Final = 0.2
LEARNT_ACTIVATION: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The result of recording an answer.

    Attributes:
        reasoning_chunk_id: id of the answer's chunk; None if its score was too low to store it.
        pattern_marked: True if its score was high enough to reuse it as a pattern.
        activation_update: the amount that its use adds to its activation; 0 if it was not stored.
    """

    reasoning_chunk_id: str | None
    pattern_marked: bool
    activation_update: float

    @property
    def cached(self) -> bool:
        """True if the answer can be found again."""
        return self.reasoning_chunk_id is not None


NOT_RECORDED: Final = Recorded(reasoning_chunk_id=None, pattern_marked=False, activation_update=0.0)
"""The result if nothing is stored."""


def record(
    memory: SoarMemory, question: Question, synthesis: Synthesis, run_id: str, *, shared: SoarMemory | None = None
) -> Recorded:
    """Stores a good answer with its sources, and records an access to every chunk that it cites.

    Args:
        shared: a memory that the user's other projects read, with the user's consent.
    """
    # What was not found is no finding: a wrong answer that is remembered would pass for the project's own words.
    if synthesis.absent or synthesis.confidence < LEARNT_FROM or not synthesis.sources:
        return NOT_RECORDED
    memory.record_access(synthesis.chunk_ids)
    pattern = synthesis.confidence >= PATTERN_FROM
    reasoning = Reasoning(
        query=question.text,
        answer=synthesis.answer,
        score=synthesis.confidence,
        sources=tuple(f"{s.file}:{s.line}" for s in synthesis.sources),
        run_id=run_id,
        evidence=cited_code(memory, ((s.file, s.line) for s in synthesis.sources)),
    )
    chunk_id = memory.remember(reasoning)
    if shared is not None:
        shared.remember(replace(reasoning, project=str(memory.root)))
    return Recorded(
        reasoning_chunk_id=chunk_id,
        pattern_marked=pattern,
        activation_update=PATTERN_ACTIVATION if pattern else LEARNT_ACTIVATION,
    )
