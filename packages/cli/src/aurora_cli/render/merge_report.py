"""Text and JSON of a merge that the user asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_cli.render.merges import check_lines, delivery_words, merge_words, resolved_lines, target_lines
from aurora_cli.render.words import one_line, printable
from aurora_cli.run_names import named, parted
from aurora_spawner.tasks.work import MergeOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aurora_spawner.control.merging import MergeReport

__all__ = ["as_document", "delivery_lines", "task_lines"]


def task_lines(report: MergeReport) -> Iterator[str]:
    """Yields a line for each task."""
    for each in report.merge.tasks.values():
        yield f"{one_line(each.task_id)}  {merge_words(each)}"
        if each.task_id in report.unaccepted:
            yield f"  although it did not succeed: {one_line(report.unaccepted[each.task_id], 300)}"
        yield from (f"  {line}" for line in resolved_lines(each.resolved))
    for task_id, reason in report.left_out.items():
        yield f"{one_line(task_id)}  not merged: {one_line(reason, 300)}"
    for task_id in report.uncommitted:
        yield f"{one_line(task_id)}  has uncommitted files in its worktree, which were not merged; commit them there"
    if not report.merge.tasks:
        yield "nothing to merge"


def delivery_lines(run_id: str, report: MergeReport) -> Iterator[str]:
    """Yields what became of the target branch, and how to resolve what is not merged.

    Args:
        run_id: The name by which commands are told to take the run, with its workspace if it has one.
    """
    yield from target_lines(report.merge.delivery)
    yield from check_lines(report.merge)
    if report.merged or report.merge.delivery.problem:
        yield delivery_words(run_id, report.merge.delivery, blocking=report.blocking)
    if report.approval:
        approval = named(parted(run_id)[0], report.approval)
        yield f"to deliver it: aur approve {approval}, then: aur merge {run_id} --yes"
    yield from (printable(sentence) for sentence in report.kept)
    delivery = report.merge.delivery
    onto = delivery.target if report.on_target else delivery.branch
    for each in report.merge.unmerged:
        if each.outcome is MergeOutcome.CONFLICT:
            how = f"in its worktree, `git merge {onto}`, resolve and commit; then: aur merge {run_id}"
            yield f"to resolve the conflict of {one_line(each.task_id)}: {how}"


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
        "refusal": delivery.refusal,
        "approval": report.approval or None,
        "flaky": delivery.flaky,
        "base_fails": delivery.base_fails,
        "conflicts": list(delivery.files),
        "conflicts_problem": delivery.files_problem,
        "resolved": [file.to_json() for file in delivery.resolved],
        "tasks": [
            {
                "id": each.task_id,
                "merge": str(each.outcome),
                "branch": each.branch,
                "commit": each.commit,
                "conflicts": list(each.files),
                "clashes_with": each.clashes_with,
                "resolved": [file.to_json() for file in each.resolved],
                "problem": each.problem,
            }
            for each in report.merge.tasks.values()
        ],
        "left_out": dict(report.left_out),
        "unaccepted": dict(report.unaccepted),
        "uncommitted": list(report.uncommitted),
        "blocking": list(report.blocking),
        "kept": list(report.kept),
    }
