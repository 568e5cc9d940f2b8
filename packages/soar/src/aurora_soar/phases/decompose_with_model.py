"""Phase 3 with a model: it plans, the plan is strictly read, and what cannot be used is asked for again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_soar.errors import ModelAnswerError
from aurora_soar.evidence.evidence import Aspect
from aurora_soar.models.structured import MAX_SUBGOALS, PlannedSubgoal, PlannedWork, read_document
from aurora_soar.phases.decompose import Decomposition, MatchQuality, Subgoal, layers, query_hash
from aurora_soar.phases.prompts import again, plan_request
from aurora_soar.registry import LOCAL_AGENT

if TYPE_CHECKING:
    from aurora_soar.models.language_model import LanguageModel, Said
    from aurora_soar.phases.retrieve import RetrievedContext
    from aurora_soar.question.question import Question
    from aurora_soar.registry import AgentRegistry

__all__ = ["Devised", "devise"]

TRIES: Final = 3
"""The first, and two more with the exact complaint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Devised:
    """What came of asking a model for a plan.

    Attributes:
        decomposition: None where no answer could be used.
        calls: every answer, the failed ones too.
        complaints: why answers could not be used, in order.
    """

    decomposition: Decomposition | None
    calls: tuple[Said, ...]
    complaints: tuple[str, ...]


async def devise(
    question: Question, context: RetrievedContext, registry: AgentRegistry, model: LanguageModel
) -> Devised:
    """Asks for a plan until one can be used, at most `TRIES` times; a model that fails is not asked again."""
    request = prompt = plan_request(question, context.code, registry, most=MAX_SUBGOALS)
    calls, complaints = [], []
    for _ in range(TRIES):
        said = await model.ask(prompt, title="plan")
        calls.append(said)
        if said.error is not None:
            complaints.append(said.error)
            break
        try:
            plan = _decomposition(question, read_document(said.text, PlannedWork), context, registry)
        except ModelAnswerError as error:
            complaints.append(str(error))
            prompt = again(request, str(error))
            continue
        return Devised(decomposition=plan, calls=tuple(calls), complaints=tuple(complaints))
    return Devised(decomposition=None, calls=tuple(calls), complaints=tuple(complaints))


def _decomposition(
    question: Question, plan: PlannedWork, context: RetrievedContext, registry: AgentRegistry
) -> Decomposition:
    """The plan as the later phases carry it out.

    Raises:
        ModelAnswerError: an agent is unknown, or a dependency does not come before what needs it.
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
