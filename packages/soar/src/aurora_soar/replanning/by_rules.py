"""A revision without a model: each task that failed goes to an agent that has not tried it; the rest stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_soar.replanning.revision import Change, RevisedTask, Revision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_soar.replanning.remaining import OpenTask, RemainingWork

__all__ = ["revised_by_rules"]


def revised_by_rules(work: RemainingWork, goal: str, agents: Sequence[str], *, note: str = "") -> Revision | None:
    """Returns the revision; None if no other agent is left for any task that failed.

    Args:
        agents: backends that may get a task, the first ones first.
        note: what became of a model's plan.
    """
    others = {each.id: _other(each, agents) for each in work.failed}
    if not any(others.values()):
        return None
    tasks = (_revised(each, others.get(each.id)) for each in work.tasks if not each.reason or others[each.id])
    return Revision(
        run_id=work.run_id,
        goal=goal,
        failed=work.failed,
        tasks=tuple(tasks),
        note=note,
    )


def _other(task: OpenTask, agents: Sequence[str]) -> str | None:
    if task.refused:  # who does it changes nothing about what the policies allow
        return None
    return next((each for each in agents if each not in (*task.tried, task.agent)), None)


def _revised(task: OpenTask, agent: str | None) -> RevisedTask:
    return RevisedTask(
        id=task.id,
        words=task.words,
        agent=agent or task.agent,
        is_persona=False,
        needs=task.needs,
        is_critical=task.is_critical,
        change=Change.HANDED_OVER if agent else Change.KEPT,
        failure=task.reason if agent else "",
    )
