"""Phase 3 with a model: it plans, what it answers is mended, and asked for again if something was lost.

Rules plan if there is no model, or nothing in its answers is a plan: a decomposition always comes out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_soar.errors import ModelAnswerError
from aurora_soar.evidence.evidence import Aspect
from aurora_soar.model_plans.planned import MAX_SUBGOALS
from aurora_soar.model_plans.read import read_plan
from aurora_soar.models.structured import ask_until_valid
from aurora_soar.phases.decompose import Decomposition, MatchQuality, Subgoal, decompose, layers, query_hash
from aurora_soar.phases.prompts import plan_request
from aurora_soar.registry import LOCAL_AGENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_soar.model_plans.mend import Mended
    from aurora_soar.model_plans.planned import PlannedSubgoal, PlannedWork
    from aurora_soar.models.language_model import Completion, LanguageModel
    from aurora_soar.phases.retrieve import RetrievedContext
    from aurora_soar.question.question import Question
    from aurora_soar.registry import AgentRegistry

__all__ = ["AskedPlan", "Planned", "ask_for_plan", "plan_with_model"]

COMPLAINTS_TOLD: Final = 5
"""Complaints of one answer that the model is told; the others follow from these, or come up at the next try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The result of phase 3.

    Attributes:
        planned_by: the model whose plan it is; None if rules planned.
        calls: the model's answers when it was asked for the plan.
        note: what became of a model's plan that could not be used as it was; "" if nothing is to be said.
        cached: True if it came from the cache.
        reused: the execution whose answer takes the place of a plan; "" if none does.
    """

    decomposition: Decomposition
    planned_by: str | None = None
    calls: tuple[Completion, ...] = ()
    note: str = ""
    reused: str = ""
    cached: bool = False

    @property
    def interrupted(self) -> bool:
        """True if a signal ended the planning."""
        return any(call.interrupted for call in self.calls)


@dataclass(frozen=True, slots=True)
class AskedPlan:
    """A model's plan; None if nothing in its answers is one. `calls` and `note` as in `Planned`."""

    plan: Decomposition | None
    calls: tuple[Completion, ...]
    note: str


async def plan_with_model(
    question: Question,
    context: RetrievedContext,
    registry: AgentRegistry,
    model: LanguageModel,
    *,
    faults: Sequence[str] = (),
    source: str = "",
    background: str = "",
) -> Planned:
    """Asks the model for a plan until one is as it meant it; else mends the best one; else plans by rules.

    Args:
        faults: what was wrong with an earlier plan, one sentence each.
        source: what the question was taken from, if others wrote it.
        background: earlier turns and answers, for the prompt.
    """
    request = plan_request(
        question,
        context.code,
        registry,
        most=MAX_SUBGOALS,
        faults=faults,
        source=source,
        background=background,
    )
    asked = await ask_for_plan(question, request, context, registry, model, title="plan")
    if asked.plan is not None:
        return Planned(decomposition=asked.plan, planned_by=model.name, calls=asked.calls, note=asked.note)
    decomposition = decompose(question, context, registry)
    return Planned(decomposition=decomposition, calls=asked.calls, note=f"{asked.note}; planned by rules")


async def ask_for_plan(
    question: Question,
    request: str,
    context: RetrievedContext,
    registry: AgentRegistry,
    model: LanguageModel,
    *,
    title: str,
) -> AskedPlan:
    """Sends a model a request for a plan until its answer is as it meant it; else mends the best of its answers."""
    agents = tuple(registry.agents)
    incomplete: list[Mended] = []

    def read(completion: Completion) -> PlannedWork:
        mended = read_plan(completion.text, agents, question.text)
        if mended.plan is not None and not mended.complaints:
            return mended.plan
        incomplete.append(mended)
        raise ModelAnswerError(_told(mended))

    replies = await ask_until_valid(model, request, read, title=title)
    best = max(incomplete, key=_worth, default=None)
    if replies.value is not None:
        plan, note = replies.value, ""
    elif best is not None and best.plan is not None:
        plan, note = best.plan, f"the plan of {model.name} was mended ({_told(best)})"
    else:
        return AskedPlan(None, replies.calls, f"{model.name} gave no usable plan ({replies.errors[-1]})")
    return AskedPlan(_decomposition(question, plan, context), replies.calls, note)


def _worth(mended: Mended) -> tuple[int, int]:
    return len(mended.plan.subgoals) if mended.plan else 0, -len(mended.complaints)


def _told(mended: Mended) -> str:
    more = len(mended.complaints) - COMPLAINTS_TOLD
    return "; ".join(mended.complaints[:COMPLAINTS_TOLD]) + (f"; and {more} more like these" if more > 0 else "")


def _decomposition(question: Question, plan: PlannedWork, context: RetrievedContext) -> Decomposition:
    """Returns the plan in the form that the later phases execute."""
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
