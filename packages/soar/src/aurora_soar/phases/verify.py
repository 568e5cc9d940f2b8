"""Phase 4: the quality of the plan, from its structure, the question and the retrieved chunks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from aurora_soar.phases.decompose import MatchQuality

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aurora_soar.phases.decompose import Decomposition, Subgoal
    from aurora_soar.phases.retrieve import RetrievedContext
    from aurora_soar.question.focus import Focus
    from aurora_soar.registry import AgentRegistry

__all__ = ["Verdict", "Verification", "quality_of", "verify"]

WEIGHTS: Final[Mapping[str, float]] = {
    "completeness": 0.4,
    "consistency": 0.2,
    "groundedness": 0.2,
    "routability": 0.2,
}
PASS_FROM: Final = 0.6
FAIL_BELOW: Final = 0.5
MAX_SUBGOALS: Final = 12
# The share of a subgoal that an agent of each fit is expected to achieve.
ROUTABLE: Final[Mapping[MatchQuality, float]] = {
    MatchQuality.EXCELLENT: 1.0,
    MatchQuality.ACCEPTABLE: 0.7,
    MatchQuality.INSUFFICIENT: 0.4,
}


class Verdict(StrEnum):
    """The verdict on a plan: PASS and RETRY execute it, FAIL answers from the memory directly."""

    PASS = "PASS"  # noqa: S105 - a verdict, no password
    RETRY = "RETRY"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The judgement of a decomposition.

    Attributes:
        score: weighted mean of `quality`, 0 to 1; 0 if the structure is invalid.
        quality: completeness, consistency, groundedness and routability, each 0 to 1.
        issues: every structural error and every weakness, one sentence each.
    """

    verdict: Verdict
    score: float
    quality: Mapping[str, float]
    issues: tuple[str, ...]


def verify(
    decomposition: Decomposition, focus: Focus, context: RetrievedContext, registry: AgentRegistry
) -> Verification:
    """Checks the structure of a plan, then its quality; a plan with an invalid structure fails."""
    faults = tuple(_faults(decomposition, registry))
    if faults:
        return Verification(verdict=Verdict.FAIL, score=0.0, quality=dict.fromkeys(WEIGHTS, 0.0), issues=faults)
    return quality_of(decomposition, focus, context)


def quality_of(decomposition: Decomposition, focus: Focus, context: RetrievedContext) -> Verification:
    """Returns the judgement of a plan with at least one subgoal by its quality alone."""
    quality = {
        "completeness": _completeness(decomposition, focus),
        "consistency": _consistency(decomposition),
        "groundedness": _groundedness(focus, context),
        "routability": _mean([ROUTABLE[s.match_quality] for s in decomposition.subgoals]),
    }
    score = sum(WEIGHTS[name] * value for name, value in quality.items())
    weak = tuple(f"{name} is {value:.2f}" for name, value in quality.items() if value < FAIL_BELOW)
    return Verification(verdict=_verdict(score), score=round(score, 4), quality=quality, issues=weak)


def _verdict(score: float) -> Verdict:
    if score >= PASS_FROM:
        return Verdict.PASS
    return Verdict.RETRY if score >= FAIL_BELOW else Verdict.FAIL


def _faults(decomposition: Decomposition, registry: AgentRegistry) -> Iterator[str]:
    count = len(decomposition.subgoals)
    if not 1 <= count <= MAX_SUBGOALS:
        yield f"{count} subgoals; there must be 1 to {MAX_SUBGOALS}"
    for index, subgoal in enumerate(decomposition.subgoals):
        yield from _subgoal_faults(index, subgoal, registry)
    ordered = [i for step in decomposition.execution_order for i in (*step.parallelizable, *step.sequential)]
    if sorted(ordered) != list(range(count)):
        yield "the execution order does not name every subgoal exactly once"


def _subgoal_faults(index: int, subgoal: Subgoal, registry: AgentRegistry) -> Iterator[str]:
    if not subgoal.description.strip():
        yield f"subgoal {index}: no description"
    if subgoal.assigned_agent not in registry:
        yield f"subgoal {index}: unknown agent {subgoal.assigned_agent!r}"
    # Only earlier subgoals may be named, which also rules out every cycle.
    for other in subgoal.depends_on:
        if not 0 <= other < index:
            yield f"subgoal {index}: depends on {other}, which does not come before it"


def _completeness(decomposition: Decomposition, focus: Focus) -> float:
    """Returns the share of the question's weight that the subgoals mention."""
    return focus.coverage("\n".join(f"{s.description}\n{s.focus}" for s in decomposition.subgoals)).share


def _consistency(decomposition: Decomposition) -> float:
    """Returns the share of distinct descriptions among the subgoals."""
    return len({s.description.casefold() for s in decomposition.subgoals}) / len(decomposition.subgoals)


def _groundedness(focus: Focus, context: RetrievedContext) -> float:
    """Returns the share of the question's weight that the retrieved chunks mention."""
    return focus.coverage("\n".join(f"{hit.file}\n{hit.name}\n{hit.content}" for hit in context.code)).share


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
