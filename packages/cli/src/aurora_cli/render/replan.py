"""The new plan of a run's rest as text and as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_cli.render.words import one_line
from aurora_soar.replanning.revision import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aurora_soar.replanning.record import RunReplan
    from aurora_soar.replanning.revision import RevisedTask

__all__ = ["as_document", "as_text"]

_WORDS: Final = 160
_CHANGES: Final = {
    Change.KEPT: "as it was",
    Change.HANDED_OVER: "once more, by another agent or in another way",
    Change.NEW: "new",
}


def as_text(replan: RunReplan, *, decided: bool) -> str:
    """Returns a plan for its review: what failed, what is to be done now, and what is no longer there.

    Args:
        decided: it holds already, and only its file is to be written.
    """
    return "\n".join(_lines(replan, decided=decided))


def as_document(replan: RunReplan) -> dict[str, object]:
    """Returns a plan that holds as data for `--json`."""
    revision = replan.revision
    return {
        "run_id": revision.run_id,
        "record": replan.record_id,
        "taskfile": replan.taskfile,
        "planned_by": revision.planned_by or "rules",
        "note": revision.note or None,
        "failed": [{"id": each.id, "agent": each.agent, "error": each.reason} for each in revision.failed],
        "tasks": [
            {
                "id": each.id,
                "description": each.words,
                "agent": each.agent,
                "needs": list(each.needs),
                "is_critical": each.is_critical,
                "change": each.change.value,
            }
            for each in revision.tasks
        ],
        "given_up": [each.id for each in revision.given_up],
        "lost_settings": list(replan.lost),
    }


def _lines(replan: RunReplan, *, decided: bool) -> Iterator[str]:
    revision = replan.revision
    for failed in revision.failed:
        yield f"failed for good: {one_line(failed.id)} {one_line(failed.words, _WORDS)} ({one_line(failed.agent)})"
        yield f"    {one_line(failed.reason, 300)}"
    by = one_line(revision.planned_by) if revision.planned_by else "rules, without a model"
    yield f"planned anew by {by}; what is done stays done" + ("; you have agreed to it before" if decided else "")
    if revision.note:
        yield f"note: {one_line(revision.note, 300)}"
    yield ""
    for task in revision.tasks:
        yield from _task(task)
    for given_up in revision.given_up:
        yield f"given up: {one_line(given_up.id)} {one_line(given_up.words, _WORDS)}"
    yield from (f"no longer there: {one_line(each, 300)}" for each in replan.lost)
    yield ""


def _task(task: RevisedTask) -> Iterator[str]:
    needs = f"; after {', '.join(map(one_line, task.needs))}" if task.needs else ""
    optional = "" if task.is_critical else "; not critical"
    agent = ("@" if task.is_persona else "") + one_line(task.agent)
    yield f"{one_line(task.id):>2}  {one_line(task.words, _WORDS)}"
    yield f"    {agent}{needs}{optional}; {_CHANGES[task.change]}"
    if task.is_gap:
        yield f"    GAP: ideal would be {one_line(task.ideal_agent)}"
