"""Plans a goal with a project's parts: its memory, personas, model, and the history of its agents."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aurora_policies import BudgetStoreError
from aurora_policies.budget.statement import EntryState
from aurora_soar.answer_cache import AnswerCache
from aurora_soar.aurora.question_orchestrator import model_parts
from aurora_soar.notices import Notice
from aurora_soar.plans.documents import tasks_md
from aurora_soar.plans.estimate import AgentHistory, ExecutionPreview, preview
from aurora_soar.plans.make import PlanningAgents, PlanningModel, plan_goal
from aurora_soar.plans.plan import GoalPlan, ReviewDecision
from aurora_soar.plans.review import DecompositionReview, with_tasks_of
from aurora_soar.plans.spec_plan import plan_spec_folder
from aurora_soar.plans.spec_tasks import spec_tasks
from aurora_soar.registry import LOCAL_AGENT
from aurora_soar.taskruns.limits import free_agents
from aurora_spawner.control.history import durations_of_agents
from aurora_spawner.errors import JournalError
from aurora_spawner.taskfiles.read import parse_taskfile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from aurora_core import Memory
    from aurora_soar.aurora.parts import ProjectParts
    from aurora_soar.plans.spec_folder import SpecFolder
    from aurora_soar.taskruns.agents import ProjectAgents

__all__ = ["edited_review", "review_folder", "review_goal", "taskfile_of"]

_NEWEST: Final = 1_000
"""Attempts of the ledger that an estimate looks at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Default:
    """The default agent of a plan; a run that ends before the plan is written does not change it."""

    agent: str
    because: str | None
    """The reason, if it was chosen by results."""

    @classmethod
    def chosen_now(cls, agents: ProjectAgents) -> _Default:
        choice = agents.choice()
        if choice is None:
            return cls(agent=agents.default_agent, because=None)
        return cls(agent=choice.agent, because=choice.because)


async def review_goal(
    parts: ProjectParts, goal: str, memory: Memory, *, source: str = "", fresh: bool = False
) -> DecompositionReview | None:
    """Returns the plan of a goal for review; None if a signal ended the planning. Errors as `Aurora.aplan_goal`."""
    default = _Default.chosen_now(parts.project_agents)
    planning = _planning(parts, default)
    plan = await plan_goal(goal, memory, planning, model=_model(parts, fresh=fresh), source=source)
    return DecompositionReview(plan=plan, preview=_preview(parts, plan, default)) if plan else None


def _model(parts: ProjectParts, *, fresh: bool) -> PlanningModel | None:
    agents = parts.project_agents
    if (with_model := model_parts(agents)) is None:
        return None
    return PlanningModel(
        model=with_model.model,
        backends=with_model.registry.backends,
        policies=agents.policies,
        cache=AnswerCache.of(parts.project, fresh=fresh),
    )


def review_folder(parts: ProjectParts, spec: SpecFolder, memory: Memory) -> DecompositionReview:
    """Returns the plan of a spec tool's folder for review; errors as `Aurora.plan_folder`."""
    default = _Default.chosen_now(parts.project_agents)
    plan = plan_spec_folder(spec, memory, _planning(parts, default))
    return DecompositionReview(plan=plan, preview=_preview(parts, plan, default))


def _planning(parts: ProjectParts, default: _Default) -> PlanningAgents:
    backends = parts.project_agents.backends
    personas = {name: each for name, each in parts.personas.by_id.items() if name not in backends}
    return PlanningAgents(root=parts.project.root, personas=personas, default_agent=default.agent)


def edited_review(parts: ProjectParts, review: DecompositionReview, text: str, path: Path) -> DecompositionReview:
    """Returns the review of a plan whose task file was edited.

    Raises:
        TaskFileError, GraphError: the text is no task file; names `path` and the line.
        UnknownAgentError: a task names an agent that is not there.
    """
    if text == taskfile_of(parts, review):
        return review
    default = _Default(agent=review.preview.default_agent, because=review.preview.chosen_because)
    file = parse_taskfile(text, path)
    personas = frozenset(parts.personas.by_id) - frozenset(parts.project_agents.backends)
    plan = with_tasks_of(review.plan, file, personas=personas, default_agent=default.agent)
    return replace(review, plan=plan, preview=_preview(parts, plan, default), edited=text)


def taskfile_of(
    parts: ProjectParts, review: DecompositionReview, decision: ReviewDecision = ReviewDecision.PROCEED
) -> str:
    """Returns the task file of a review as it would be written.

    A default agent that the user has not named is left out, so that the one at the time of the run does its tasks.
    """
    config = parts.project_agents.config
    left_open = config.routing is not None or config.tool in (None, LOCAL_AGENT)
    unnamed = review.preview.default_agent if left_open else None
    if review.edited is None and review.plan.spec is not None:
        return spec_tasks(review.plan, review.plan.spec, decision, default_agent=unnamed)
    return review.edited or tasks_md(review.plan, decision, default_agent=unnamed)


def _preview(parts: ProjectParts, plan: GoalPlan, default: _Default) -> ExecutionPreview:
    agents = parts.project_agents
    return preview(
        plan,
        _histories(parts),
        default_agent=default.agent,
        max_concurrent=agents.max_concurrent(),
        policies=agents.policies.source,
        chosen_because=default.because,
    )


def _histories(parts: ProjectParts) -> Mapping[str, AgentHistory]:
    """Returns the earlier attempts of each agent: times from the project's journal, costs from the user's ledger."""
    times: Mapping[str, Sequence[float]] = {}
    try:
        times = durations_of_agents(parts.project.runs_db)
    except JournalError as error:
        parts.notify(Notice(message=f"times are unknown: {error}", warning=True))
    costs: dict[str, list[float]] = defaultdict(list)
    try:
        for entry in parts.ledger.history(limit=_NEWEST):
            if entry.state is EntryState.SETTLED and entry.cost_usd is not None and not entry.estimated:
                costs[entry.agent].append(entry.cost_usd)
    except BudgetStoreError as error:
        parts.notify(Notice(message=f"costs are unknown: {error}", warning=True))
    free = free_agents(parts.agents)
    return {
        name: AgentHistory(durations_s=times.get(name, ()), costs_usd=costs.get(name, ()), is_free=name in free)
        for name in {*times, *costs, *free}
    }
