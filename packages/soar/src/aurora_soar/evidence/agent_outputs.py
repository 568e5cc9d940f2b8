"""What came of the subgoals, whether a process found it or this one did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aurora_soar.evidence.evidence import Evidence
    from aurora_spawner.tasks.usage import Usage

__all__ = ["AgentOutput"]

SUMMARY_FINDINGS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOutput:
    """What came of one subgoal.

    Attributes:
        subgoal_index: place of the subgoal in the decomposition, from 0.
        success: whether the agent's process succeeded and its output could be read.
        evidence: what it found; None when it did not succeed.
        confidence: share of the subgoal's focus that its findings speak of, 0 to 1.
        error: why it did not succeed; None when it did.
        words: what it said, where it answers in words of its own; "" for the local agent, whose evidence says all.
        usage: what it used of a model; None for agents without one, and where nobody told.
    """

    subgoal_index: int
    agent_id: str
    success: bool
    evidence: Evidence | None
    confidence: float
    duration_ms: float
    exit_code: int | None
    termination_reason: str | None
    error: str | None
    words: str = ""
    usage: Usage | None = None

    @property
    def summary(self) -> str:
        """The best findings in words, one a line; empty when there are none."""
        findings = self.evidence.findings[:SUMMARY_FINDINGS] if self.evidence else ()
        return "\n".join(f"{f.kind.value}: {f.text} ({f.file}:{f.line})" for f in findings)
