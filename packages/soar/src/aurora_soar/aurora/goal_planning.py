"""Plans a goal with a project's parts: its memory, personas, model, and the history of its agents."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
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

__all__ = ["edited_review", "review_folder", "review_goal", "taskfile_of"]

_NEWEST: Final = 1_000
"""Attempts of the ledger that an estimate looks at."""


async def review_goal(
    parts: ProjectParts, goal: str, memory: Memory, *, source: str = "", fresh: bool = False
) -> DecompositionReview | None:
    """Returns the plan of a goal for review; None if a signal ended the planning. Errors as `Aurora.aplan_goal`."""
    plan = await plan_goal(goal, memory, _planning(parts), model=_model(parts, fresh=fresh), source=source)
    return DecompositionReview(plan=plan, preview=_preview(parts, plan)) if plan else None


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
    plan = plan_spec_folder(spec, memory, _planning(parts))
    return DecompositionReview(plan=plan, preview=_preview(parts, plan))


def _planning(parts: ProjectParts) -> PlanningAgents:
    agents = parts.project_agents
    personas = {name: each for name, each in parts.personas.by_id.items() if name not in agents.backends}
    return PlanningAgents(root=parts.project.root, personas=personas, default_agent=agents.default_agent)


def edited_review(parts: ProjectParts, review: DecompositionReview, text: str, path: Path) -> DecompositionReview:
    """Returns the review of a plan whose task file was edited.

    Raises:
        TaskFileError, GraphError: the text is no task file; names `path` and the line.
        UnknownAgentError: a task names an agent that is not there.
    """
    if text == taskfile_of(parts, review):
        return review
    agents = parts.project_agents
    file = parse_taskfile(text, path)
    personas = frozenset(parts.personas.by_id) - frozenset(agents.backends)
    plan = with_tasks_of(review.plan, file, personas=personas, default_agent=agents.default_agent)
    return replace(review, plan=plan, preview=_preview(parts, plan), edited=text)


def taskfile_of(
    parts: ProjectParts, review: DecompositionReview, decision: ReviewDecision = ReviewDecision.PROCEED
) -> str:
    """Returns the task file of a review as it would be written.

    A default agent that the user has not named is left out, so that the one at the time of the run does its tasks.
    """
    agents = parts.project_agents
    left_open = agents.config.routing is not None or agents.config.tool in (None, LOCAL_AGENT)
    unnamed = agents.default_agent if left_open else None
    if review.edited is None and review.plan.spec is not None:
        return spec_tasks(review.plan, review.plan.spec, decision, default_agent=unnamed)
    return review.edited or tasks_md(review.plan, decision, default_agent=unnamed)


def _preview(parts: ProjectParts, plan: GoalPlan) -> ExecutionPreview:
    agents = parts.project_agents
    choice = agents.choice()
    return preview(
        plan,
        _histories(parts),
        default_agent=choice.agent if choice else agents.default_agent,
        max_concurrent=agents.max_concurrent(),
        policies=agents.policies.source,
        chosen_because=choice.because if choice else None,
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
