"""Results of subgoals, from agent processes or from this process."""

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
    """The result of one subgoal.

    Attributes:
        subgoal_index: index of the subgoal in the decomposition, from 0.
        success: True if the agent's process succeeded and its output is valid.
        evidence: the findings; None if it did not succeed.
        confidence: share of the focus that the findings mention, 0 to 1.
        error: the reason of a failure; None on success.
        words: the answer of an agent that answers in prose; "" for the local agent, which returns evidence only.
        usage: tokens and cost; None for agents without a model, and for agents that do not report it.
        skipped: True if its agent never started, because what it depends on had failed.
        fallback: True if it stood in for `original_agent`.
        retry_count: attempts after the first.
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
    skipped: bool = False
    fallback: bool = False
    original_agent: str | None = None
    retry_count: int = 0

    @property
    def summary(self) -> str:
        """The best findings as text, one per line; "" without findings."""
        findings = self.evidence.findings[:SUMMARY_FINDINGS] if self.evidence else ()
        return "\n".join(f"{f.kind.value}: {f.text} ({f.file}:{f.line})" for f in findings)
