"""Text and JSON of a merge that the user asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_cli.render.words import one_line, printable
from aurora_cli.render.work import merge_words
from aurora_spawner.tasks.work import Delivery, MergeOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aurora_spawner.control.merging import MergeReport
    from aurora_spawner.tasks.work import RunDelivery

__all__ = ["as_document", "delivery_lines", "merge_lines"]

_NAMED_FILES: Final = 5
_ARRIVED: Final[Mapping[Delivery, str]] = {
    Delivery.FAST_FORWARDED: "has the work",
    Delivery.MERGED: "has the work, merged with its new commits",
    Delivery.UP_TO_DATE: "has the work already",
}


def merge_lines(report: MergeReport) -> Iterator[str]:
    """Yields a line for each task."""
    for each in report.merge.tasks.values():
        yield f"{one_line(each.task_id)}  {merge_words(each)}"
    for task_id, reason in report.left_out.items():
        yield f"{one_line(task_id)}  not merged: {one_line(reason, 300)}"
    for task_id in report.uncommitted:
        yield f"{one_line(task_id)}  has uncommitted files in its worktree, which were not merged; commit them there"
    if not report.merge.tasks:
        yield "nothing to merge"


def delivery_lines(run_id: str, report: MergeReport) -> Iterator[str]:
    """Yields what became of the target branch, and how to resolve what is not merged."""
    if report.merge.tasks:
        yield _delivery(run_id, report)
    yield from (printable(sentence) for sentence in report.kept)
    delivery = report.merge.delivery
    onto = delivery.target if report.on_target else delivery.branch
    for each in report.merge.unmerged:
        if each.outcome is MergeOutcome.CONFLICT:
            how = f"in its worktree, `git merge {onto}`, resolve and commit; then: aur merge {run_id}"
            yield f"to resolve the conflict of {one_line(each.task_id)}: {how}"


def _delivery(run_id: str, report: MergeReport) -> str:
    delivery = report.merge.delivery
    where = f"the work is on {delivery.branch}"
    if delivery.target is None:
        return f"{where}; no branch was checked out when the run was made: git merge {delivery.branch}"
    target = one_line(delivery.target)
    if delivery.outcome is not None and delivery.outcome.arrived:
        return f"{target} {_ARRIVED[delivery.outcome]}"
    return f"{target} stays as it is: {_reason(run_id, report, delivery)}; {where}"


def _reason(run_id: str, report: MergeReport, delivery: RunDelivery) -> str:
    if delivery.problem:
        return one_line(delivery.problem, 300)
    if delivery.base_fails:
        return "the checks fail without the work, too"
    if delivery.outcome is Delivery.CHECKED_OUT:
        return f"it is checked out, with uncommitted files{_named(report)}; commit them, then: aur merge {run_id}"
    reasons = {
        Delivery.CONFLICT: f"its new commits conflict with the work: git merge {delivery.branch}",
        Delivery.RED: "the checks fail together with its new commits",
        Delivery.MOVING: f"it moved at each try; try again: aur merge {run_id}",
    }
    return reasons.get(delivery.outcome, "") if delivery.outcome else f"deliver the work with: aur merge {run_id}"


def _named(report: MergeReport) -> str:
    names = [one_line(name) for name in report.blocking[:_NAMED_FILES]]
    more = len(report.blocking) - len(names)
    listed = ", ".join(names) + (f" and {more} more" if more else "")
    return f" ({listed})" if names else ""


def as_document(run_id: str, report: MergeReport) -> dict[str, object]:
    """Returns a merge as data for `--json`."""
    delivery = report.merge.delivery
    return {
        "run_id": run_id,
        "arrived": report.arrived,
        "branch": delivery.branch,
        "commit": delivery.commit,
        "target": delivery.target,
        "outcome": str(delivery.outcome) if delivery.outcome else None,
        "problem": delivery.problem,
        "flaky": delivery.flaky,
        "base_fails": delivery.base_fails,
        "tasks": [
            {
                "id": each.task_id,
                "merge": str(each.outcome),
                "branch": each.branch,
                "commit": each.commit,
                "conflicts": list(each.files),
                "clashes_with": each.clashes_with,
            }
            for each in report.merge.tasks.values()
        ],
        "left_out": dict(report.left_out),
        "uncommitted": list(report.uncommitted),
        "blocking": list(report.blocking),
        "kept": list(report.kept),
    }
