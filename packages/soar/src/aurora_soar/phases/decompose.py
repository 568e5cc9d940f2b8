"""Phase 3: a graph of subgoals for the question, each with an agent."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from aurora_soar.evidence.evidence import Aspect
from aurora_soar.phases.decompose_rules import IDEAL_AGENTS, Rule, rules_for
from aurora_soar.registry import LOCAL_AGENT

if TYPE_CHECKING:
    from aurora_soar.phases.retrieve import RetrievedContext
    from aurora_soar.question.question import Question
    from aurora_soar.registry import AgentRegistry

__all__ = ["Decomposition", "ExecutionStep", "MatchQuality", "Subgoal", "decompose", "layers", "query_hash"]


class MatchQuality(StrEnum):
    """The fit of the assigned agent to the subgoal."""

    EXCELLENT = "excellent"
    ACCEPTABLE = "acceptable"
    INSUFFICIENT = "insufficient"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subgoal:
    """A node of the graph.

    Attributes:
        description: the subgoal as a sentence.
        focus: the words that it is about.
        aspect: the aspect that the local agent extracts for it.
        ideal_agent: the agent that would do it best; differs from `assigned_agent` if that agent is not available.
        source_file: the retrieved file to start from; None if nothing was retrieved.
        is_critical: True if the answer is incomplete without it.
        depends_on: indexes of the subgoals whose results it reads.
    """

    description: str
    focus: str
    aspect: Aspect
    ideal_agent: str
    ideal_agent_desc: str
    assigned_agent: str
    match_quality: MatchQuality
    source_file: str | None
    is_critical: bool
    depends_on: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionStep:
    """A layer of the graph: its subgoals depend on earlier layers only.

    Attributes:
        phase: place in the order, from 1.
        parallelizable: indexes of subgoals that may run concurrently.
        sequential: index of the layer's only subgoal; empty if the layer has several.
    """

    phase: int
    parallelizable: tuple[int, ...]
    sequential: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decomposition:
    """The plan that the later phases execute.

    Attributes:
        query_hash: SHA-256 of the question's text; equal questions have equal hashes.
    """

    goal: str
    subgoals: tuple[Subgoal, ...]
    execution_order: tuple[ExecutionStep, ...]
    expected_tools: tuple[str, ...]
    query_hash: str


def decompose(question: Question, context: RetrievedContext, registry: AgentRegistry) -> Decomposition:
    """Returns the decomposition by the rules of the question's intent."""
    rules = rules_for(question)
    subgoals = tuple(_subgoal(rule, context, registry) for rule in rules)
    return Decomposition(
        goal=question.text,
        subgoals=subgoals,
        execution_order=layers(subgoals),
        expected_tools=tuple(dict.fromkeys(f"memory:{s.aspect.value}" for s in subgoals)),
        query_hash=query_hash(question),
    )


def _subgoal(rule: Rule, context: RetrievedContext, registry: AgentRegistry) -> Subgoal:
    assigned = rule.ideal_agent if rule.ideal_agent in registry else LOCAL_AGENT
    described = registry.agents.get(rule.ideal_agent)
    return Subgoal(
        description=rule.description,
        focus=rule.focus,
        aspect=rule.aspect if assigned == LOCAL_AGENT else Aspect.REPORT,  # only the local agent extracts
        ideal_agent=rule.ideal_agent,
        ideal_agent_desc=described.description if described else IDEAL_AGENTS[rule.ideal_agent],
        assigned_agent=assigned,
        match_quality=MatchQuality.EXCELLENT if assigned == rule.ideal_agent else MatchQuality.INSUFFICIENT,
        source_file=context.code[0].file if context.code else None,
        is_critical=rule.is_critical,
        depends_on=rule.depends_on,
    )


def query_hash(question: Question) -> str:
    """Returns the SHA-256 of the question's text."""
    return hashlib.sha256(question.text.encode()).hexdigest()


def layers(subgoals: tuple[Subgoal, ...]) -> tuple[ExecutionStep, ...]:
    """Returns the execution order of subgoals that each depend on earlier subgoals only."""
    depth: list[int] = []
    for subgoal in subgoals:
        depth.append(1 + max((depth[i] for i in subgoal.depends_on), default=0))
    steps = []
    for phase in sorted(set(depth)):
        members = tuple(index for index, at in enumerate(depth) if at == phase)
        alone = len(members) == 1
        steps.append(
            ExecutionStep(phase=phase, parallelizable=() if alone else members, sequential=members if alone else ())
        )
    return tuple(steps)
