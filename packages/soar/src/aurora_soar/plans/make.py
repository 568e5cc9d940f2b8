"""Makes the plan of a goal: assessed, looked up in the memory, cut into subgoals, verified."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final

from aurora_core import ChunkKind
from aurora_soar.answer_cache import key_of
from aurora_soar.evidence.evidence import Aspect
from aurora_soar.personas import Matcher
from aurora_soar.phases.assess import Assessment, assess
from aurora_soar.phases.decompose import Decomposition, MatchQuality, Subgoal, layers, query_hash
from aurora_soar.phases.decompose_with_model import plan_with_model
from aurora_soar.phases.retrieve import RetrievedContext, retrieve
from aurora_soar.phases.verify import verify
from aurora_soar.plans.goal_rules import Step, steps_for
from aurora_soar.plans.goal_text import clean, looked_up, sentence, title_of
from aurora_soar.plans.plan import GoalPlan, GoalSubgoal, MemoryFile
from aurora_soar.question.focus import Focus
from aurora_soar.question.question import Question, read_question
from aurora_soar.recall import keep_plan, recall_plan
from aurora_soar.registry import LOCAL_AGENT, Agent, AgentRegistry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from aurora_core import Memory
    from aurora_policies import PoliciesEngine
    from aurora_soar.answer_cache import AnswerCache
    from aurora_soar.models.language_model import LanguageModel
    from aurora_soar.personas import Persona
    from aurora_soar.phases.decompose_with_model import Planned
    from aurora_spawner import Backend

__all__ = ["PlanningAgents", "PlanningModel", "memory_files", "plan_goal"]

PERSONAS_SHOWN: Final = 40
"""A model chooses among so many personas; those that fit the goal best."""
_CACHED: Final = "this plan was made before, for the same goal and code; to plan anew: --no-cache (fresh=True)"
_DEFAULT_DESCRIPTION: Final = "The coding agent that does what no other agent of this list fits."
_OTHER_DESCRIPTION: Final = "Another coding agent."


@dataclass(frozen=True)
class PlanningAgents:
    """The agents that subgoals of a project may go to.

    Attributes:
        personas: by id.
        default_agent: the backend that does what no persona fits.
        others: further backends that may be named.
    """

    root: Path
    personas: Mapping[str, Persona]
    default_agent: str
    others: tuple[str, ...] = ()

    @cached_property
    def matcher(self) -> Matcher:
        """Matches subgoals with the personas."""
        return Matcher(self.personas.values())

    def registry(self, goal: str) -> AgentRegistry:
        """Returns the default agent, the local agent, and the personas that fit a goal best."""
        ranked = [each.persona for each in self.matcher.match(goal).ranked]
        others = [each for each in self.personas.values() if each not in ranked]
        shown = [*ranked, *others][:PERSONAS_SHOWN]
        local = AgentRegistry.local(self.root)
        personas = {each.id: Agent(id=each.id, description=each.goal, source_file=each.source_file) for each in shown}
        default = {self.default_agent: Agent(id=self.default_agent, description=_DEFAULT_DESCRIPTION)}
        further = {name: Agent(id=name, description=_OTHER_DESCRIPTION) for name in self.others}
        return AgentRegistry(agents={**default, **further, **local.agents, **personas}, backends=local.backends)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanningModel:
    """A model that plans, and the cache of its plans.

    Attributes:
        backends: those of the model, with their settings; with the policies, what its plans rest on.
    """

    model: LanguageModel
    backends: Mapping[str, Backend]
    policies: PoliciesEngine
    cache: AnswerCache

    async def plan(
        self, question: Question, context: RetrievedContext, registry: AgentRegistry, *, index: str, source: str
    ) -> Planned:
        """Returns the plan in the cache, or asks for one and keeps it.

        Args:
            index: the state of the memory.
        """
        key = key_of(
            question.text,
            index=index,
            model=self.model.name,
            registry=replace(registry, backends=self.backends),
            policies=self.policies,
            source=source,
        )
        if (known := recall_plan(self.cache, key)) is not None:
            return replace(known, note=_CACHED)
        planned = await plan_with_model(question, context, registry, self.model, source=source)
        return replace(planned, note=planned.note or keep_plan(self.cache, key, planned))


async def plan_goal(
    goal: str, memory: Memory, agents: PlanningAgents, *, model: PlanningModel | None = None, source: str = ""
) -> GoalPlan | None:
    """Returns the plan of a goal: the model's if there is one, else by rules; None if a signal ended the planning.

    Args:
        source: what the goal was taken from, if others wrote it; a model is told so.

    Raises:
        EmptyQuestionError: nothing in the goal can be looked up.
    """
    question = read_question(looked_up(goal))
    focus = Focus.of(memory, question.terms)
    assessment = assess(question)
    context = retrieve(memory, question, focus, assessment.complexity)
    registry = agents.registry(question.text)
    planned_by, note = None, ""
    decomposition = _by_rules(goal, question, assessment, context, agents)
    if model is not None:
        planned = await model.plan(question, context, registry, index=memory.state(), source=source)
        if planned.interrupted:
            return None
        note = planned.note
        if planned.planned_by is not None:
            planned_by, decomposition = planned.planned_by, planned.decomposition
    everyone = {
        **registry.agents,
        **{name: Agent(id=name, description=p.goal) for name, p in agents.personas.items()},
    }
    verification = verify(decomposition, focus, context, replace(registry, agents=everyone))
    return GoalPlan(
        title=title_of(goal),
        goal=goal.encode("utf-8", "replace").decode("utf-8"),
        source=source,
        created_at=datetime.now(UTC).replace(microsecond=0),
        complexity=assessment.complexity,
        planned_by=planned_by,
        score=verification.score,
        issues=verification.issues,
        note=note,
        memory_context=memory_files(context),
        subgoals=tuple(_kept(at, subgoal, agents) for at, subgoal in enumerate(decomposition.subgoals)),
    )


def _by_rules(
    goal: str, question: Question, assessment: Assessment, context: RetrievedContext, agents: PlanningAgents
) -> Decomposition:
    steps = steps_for(goal, question.intent, assessment.complexity)
    subgoals = tuple(_subgoal(step, question, context, agents) for step in steps)
    return Decomposition(
        goal=question.text,
        subgoals=subgoals,
        execution_order=layers(subgoals),
        expected_tools=(),
        query_hash=query_hash(question),
    )


def _subgoal(step: Step, question: Question, context: RetrievedContext, agents: PlanningAgents) -> Subgoal:
    match = None if step.looks_up else agents.matcher.match(step.kind)
    assigned = match.assigned if match is not None and not match.is_gap else None
    ideal = LOCAL_AGENT if match is None else match.ideal
    agent = ideal if match is None or assigned is not None else agents.default_agent
    return Subgoal(
        description=step.description,
        focus=question.focus,
        aspect=Aspect.DEFINITIONS if step.looks_up else Aspect.REPORT,
        ideal_agent=ideal,
        ideal_agent_desc="" if match is None else match.ideal_description,
        assigned_agent=agent,
        match_quality=MatchQuality.EXCELLENT if agent == ideal else MatchQuality.INSUFFICIENT,
        source_file=next((hit.file for hit in context.code if hit.kind is ChunkKind.CODE), None),
        is_critical=step.is_critical,
        depends_on=step.needs,
    )


def _kept(at: int, subgoal: Subgoal, agents: PlanningAgents) -> GoalSubgoal:
    persona = agents.personas.get(subgoal.assigned_agent)
    described = agents.personas.get(subgoal.ideal_agent)
    return GoalSubgoal(
        number=at + 1,
        description=sentence(subgoal.description),
        ideal_agent=clean(subgoal.ideal_agent),
        ideal_agent_desc=clean(subgoal.ideal_agent_desc or (described.goal if described else "")),
        agent=subgoal.assigned_agent,
        is_persona=persona is not None and subgoal.assigned_agent not in (LOCAL_AGENT, agents.default_agent),
        match_quality=subgoal.match_quality,
        source_file=subgoal.source_file,
        is_critical=subgoal.is_critical,
        needs=tuple(each + 1 for each in subgoal.depends_on),
    )


def memory_files(context: RetrievedContext) -> tuple[MemoryFile, ...]:
    """Returns the files that the memory named, the most relevant first."""
    best: dict[str, float] = {}
    for hit in context.code:
        best[hit.file] = max(best.get(hit.file, 0.0), hit.hybrid_score)
    most = max(best.values(), default=0.0)
    ranked: Sequence[tuple[str, float]] = sorted(best.items(), key=lambda each: -each[1])
    return tuple(
        MemoryFile(file=file, relevance=round(max(0.0, score / most), 3) if most > 0 else 0.0)
        for file, score in ranked
    )
