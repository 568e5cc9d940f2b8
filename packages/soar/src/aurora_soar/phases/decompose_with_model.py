"""Phase 3 with a model: the model plans, the plan is read strictly, and an invalid plan is asked for again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_soar.errors import ModelAnswerError
from aurora_soar.evidence.evidence import Aspect
from aurora_soar.models.structured import (
    MAX_SUBGOALS,
    PlannedSubgoal,
    PlannedWork,
    ask_until_valid,
    read_document,
)
from aurora_soar.phases.decompose import Decomposition, MatchQuality, Subgoal, layers, query_hash
from aurora_soar.phases.prompts import plan_request
from aurora_soar.registry import LOCAL_AGENT

if TYPE_CHECKING:
    from aurora_soar.models.language_model import Completion, LanguageModel
    from aurora_soar.models.structured import Replies
    from aurora_soar.phases.retrieve import RetrievedContext
    from aurora_soar.question.question import Question
    from aurora_soar.registry import AgentRegistry

__all__ = ["plan_with_model"]


async def plan_with_model(
    question: Question, context: RetrievedContext, registry: AgentRegistry, model: LanguageModel
) -> Replies[Decomposition]:
    """Asks the model for a plan until one is valid."""

    def read(completion: Completion) -> Decomposition:
        return _decomposition(question, read_document(completion.text, PlannedWork), context, registry)

    request = plan_request(question, context.code, registry, most=MAX_SUBGOALS)
    return await ask_until_valid(model, request, read, title="plan")


def _decomposition(
    question: Question, plan: PlannedWork, context: RetrievedContext, registry: AgentRegistry
) -> Decomposition:
    """Returns the plan in the form that the later phases execute.

    Raises:
        ModelAnswerError: an agent is unknown, or a subgoal depends on a later one.
    """
    for index, planned in enumerate(plan.subgoals):
        if planned.assigned_agent not in registry:
            known = ", ".join(registry.agents)
            raise ModelAnswerError(
                f"subgoals.{index}.assigned_agent: there is no {planned.assigned_agent!r}; the agents are {known}"
            )
        if late := [each for each in planned.depends_on if each >= index]:
            raise ModelAnswerError(f"subgoals.{index}.depends_on: {late[0]} does not come before subgoal {index}")
    files = {hit.file for hit in context.code}
    subgoals = tuple(_subgoal(planned, question, files) for planned in plan.subgoals)
    return Decomposition(
        goal=plan.goal,
        subgoals=subgoals,
        execution_order=layers(subgoals),
        expected_tools=tuple(dict.fromkeys(plan.expected_tools)),
        query_hash=query_hash(question),
    )


def _subgoal(planned: PlannedSubgoal, question: Question, files: set[str]) -> Subgoal:
    same = planned.ideal_agent == planned.assigned_agent
    return Subgoal(
        description=planned.description,
        focus=question.focus,
        aspect=Aspect.DEFINITIONS if planned.assigned_agent == LOCAL_AGENT else Aspect.REPORT,
        ideal_agent=planned.ideal_agent,
        ideal_agent_desc=planned.ideal_agent_desc,
        assigned_agent=planned.assigned_agent,
        match_quality=MatchQuality.EXCELLENT if same else MatchQuality(planned.match_quality),
        source_file=planned.source_file if planned.source_file in files else None,
        is_critical=planned.is_critical,
        depends_on=tuple(dict.fromkeys(planned.depends_on)),
    )
