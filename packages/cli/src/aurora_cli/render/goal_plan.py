"""Plans of goals as text and as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_cli.render.words import count, one_line
from aurora_soar.plans.documents import goals_document
from aurora_soar.registry import LOCAL_AGENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_soar import DecompositionReview, ExecutionPreview, StoredPlan
    from aurora_soar.plans.estimate import Spread
    from aurora_soar.plans.plan import GoalSubgoal

__all__ = ["as_document", "as_text", "stored_as_document", "stored_as_lines"]

_DESCRIPTION: Final = 160


def as_text(review: DecompositionReview) -> str:
    """Returns a plan for its review: each subgoal with its agent and its gap, then what a run would need."""
    return "\n".join(_lines(review))


def as_document(review: DecompositionReview, stored: StoredPlan) -> dict[str, object]:
    """Returns a plan that was written as data for `--json`."""
    preview = review.preview
    return {
        **goals_document(review.plan, stored.id, stored.status),
        "folder": str(stored.folder),
        "taskfile": str(stored.taskfile),
        "estimate": {
            "cost_usd": _spread_document(preview.cost_usd),
            "time_s": _spread_document(preview.time_s),
            "without_history": list(preview.without_history),
        },
        "default_agent": preview.default_agent,
        "chosen_because": preview.chosen_because,
    }


def stored_as_document(stored: StoredPlan) -> dict[str, object]:
    """Returns a stored plan as data for `--json`."""
    return {
        "id": stored.id,
        "title": stored.title,
        "status": stored.status,
        "created_at": stored.created_at.isoformat() if stored.created_at else None,
        "folder": str(stored.folder),
        "taskfile": str(stored.taskfile),
        "tasks": stored.tasks,
        "done": stored.done,
        "gaps": stored.gaps,
        "problem": stored.problem or None,
    }


def stored_as_lines(plans: Sequence[StoredPlan]) -> Iterator[str]:
    """Yields a line for each plan, and one for what is wrong with it."""
    width = max((len(one_line(each.id)) for each in plans), default=0)
    for each in plans:
        done = "tasks unknown" if each.tasks is None else f"{each.done} of {count(each.tasks, 'task')} done"
        gaps = f", {count(each.gaps, 'gap')}" if each.gaps else ""
        archived = ", archived" if each.status == "archived" else ""
        yield f"{one_line(each.id):<{width}}  {done}{gaps}{archived}  {one_line(each.title, 70)}"
        if each.problem:
            yield f"  problem: {one_line(each.problem, 300)}"


def _lines(review: DecompositionReview) -> Iterator[str]:
    plan = review.plan
    by = one_line(plan.planned_by) if plan.planned_by else "rules, without a model"
    taken = f" ({one_line(plan.source)}, written by others)" if plan.source else ""
    yield f"Goal: {one_line(plan.title)}{taken}"
    yield f"{plan.complexity.value}; planned by {by}; verified with {plan.score:.2f} of 1"
    if plan.issues:
        yield f"weak: {one_line('; '.join(plan.issues), 300)}"
    if plan.note:
        yield f"note: {one_line(plan.note, 300)}"
    if plan.spec:
        yield f"from: {one_line(str(plan.spec.folder))}; agents read {one_line(', '.join(plan.spec.documents), 300)}"
        yield from (f"note: {one_line(each, 300)}" for each in plan.spec.notes)
    yield ""
    for subgoal in plan.subgoals:
        yield from _subgoal(subgoal)
    yield ""
    yield from _preview(review.preview)


def _subgoal(subgoal: GoalSubgoal) -> Iterator[str]:
    needs = f"; after {', '.join(map(str, subgoal.needs))}" if subgoal.needs else ""
    optional = "; not critical" if not subgoal.is_critical else ""
    agent = ("@" if subgoal.is_persona else "") + one_line(subgoal.agent)
    task = f"{one_line(subgoal.task)} " if subgoal.task and subgoal.task != str(subgoal.number) else ""
    yield f"{subgoal.number:>2}  {task}{one_line(subgoal.description, _DESCRIPTION)}"
    yield f"    {agent} ({subgoal.match_quality.value}){needs}{optional}"
    if subgoal.is_gap:
        said = f": {one_line(subgoal.ideal_agent_desc, _DESCRIPTION)}" if subgoal.ideal_agent_desc else ""
        yield f"    GAP: ideal would be {one_line(subgoal.ideal_agent)}{said}"


def _preview(preview: ExecutionPreview) -> Iterator[str]:
    agents = ", ".join(f"{one_line(name)} ({number})" for name, number in preview.agents.items())
    gaps = f"; {count(len(preview.gaps), 'gap')}" if preview.gaps else "; no gap"
    yield f"{count(preview.tasks, 'task')} for {agents}{gaps}; at most {preview.max_concurrent} at once"
    if preview.chosen_because is not None:
        yield f"@{one_line(preview.default_agent)} is the default: {one_line(preview.chosen_because, 400)}"
    if any(gap.assigned_agent == LOCAL_AGENT for gap in preview.gaps):
        yield "the local agent only looks things up: install an agent before you run it, or name one with --tool"
    yield f"policies: {preview.policies or 'the defaults'}"
    why = f" (too little history of {', '.join(map(one_line, preview.without_history))})"
    cost, time = preview.cost_usd, preview.time_s
    yield "estimated cost: " + (f"${cost.p50:.2f} (p50) to ${cost.p90:.2f} (p90)" if cost else f"unknown{why}")
    yield "estimated time: " + (f"{_time(time.p50)} (p50) to {_time(time.p90)} (p90)" if time else f"unknown{why}")


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3_600:.1f} h"


def _spread_document(spread: Spread | None) -> dict[str, float] | None:
    return {"p50": round(spread.p50, 4), "p90": round(spread.p90, 4)} if spread else None
