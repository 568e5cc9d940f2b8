"""The review of a plan: what the user sees, the answer, and the edited tasks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aurora_soar.phases.decompose import MatchQuality
from aurora_soar.plans.goal_text import task_words
from aurora_soar.plans.plan import AgentGap, GoalPlan, GoalSubgoal, ReviewDecision
from aurora_spawner.taskfiles.recipes import fill

if TYPE_CHECKING:
    from aurora_soar.plans.estimate import ExecutionPreview
    from aurora_spawner.taskfiles.model import TaskFile

__all__ = ["DecompositionReview", "with_tasks_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecompositionReview:
    """A plan before the user has answered.

    Attributes:
        preview: the plan as a run.
        edited: the task file as the user has edited it; None as long as it is the plan's own.
    """

    plan: GoalPlan
    preview: ExecutionPreview
    edited: str | None = None

    @property
    def gaps(self) -> tuple[AgentGap, ...]:
        """The subgoals without their ideal agent."""
        return self.plan.gaps

    @property
    def decisions(self) -> tuple[ReviewDecision, ...]:
        """The answers that make a difference: without a gap, or with tasks of the user's, nothing falls back."""
        if self.gaps and self.edited is None:
            return tuple(ReviewDecision)
        return (ReviewDecision.PROCEED, ReviewDecision.ABORT)


def with_tasks_of(plan: GoalPlan, file: TaskFile, *, personas: frozenset[str], default_agent: str) -> GoalPlan:
    """Returns the plan with the tasks of an edited file; a task whose title has stayed keeps the rest of its subgoal.

    Args:
        personas: ids of personas; other agents are backends.
    """
    before: dict[str, list[GoalSubgoal]] = {}
    for each in plan.subgoals:
        before.setdefault(each.description, []).append(each)
    numbers = {line.id: at + 1 for at, line in enumerate(file.lines)}
    subgoals = []
    for line in file.lines:
        agent = line.task.agent or default_agent
        name = agent.removeprefix("@")
        new = GoalSubgoal(
            number=numbers[line.id],
            description=task_words(fill(line.title, {})),
            ideal_agent=name,
            ideal_agent_desc="",
            agent=name,
            is_persona=name in personas,
            match_quality=MatchQuality.EXCELLENT,
            source_file=None,
            is_critical=line.task.critical,
            needs=tuple(numbers[each] for each in line.task.depends_on if each in numbers),
            task=line.id if plan.spec else "",
        )
        if old := before.get(new.description):
            kept = old.pop(0)
            same = kept.agent == name
            new = replace(kept, number=new.number, needs=new.needs, is_critical=new.is_critical) if same else new
        subgoals.append(new)
    return replace(plan, subgoals=tuple(subgoals))
