"""Text and data about the merge of a run's work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_cli.render.words import one_line
from aurora_spawner.tasks.work import Delivery, MergeOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aurora_spawner.tasks.work import RunDelivery, RunMerge, TaskMerge

__all__ = ["merge_document", "merge_lines", "why_unmerged"]

_SHOWN_LINES: Final = 8
_REASONS: Final[Mapping[Delivery, str]] = {
    Delivery.CONFLICT: "{target} has new commits that conflict with it",
    Delivery.RED: "the checks fail together with new commits of {target}",
    Delivery.CHECKED_OUT: "{target} is checked out with uncommitted changes; commit or stash them, then {again}",
    Delivery.MOVING: "{target} kept moving; {again} tries again",
}


def merge_lines(run_id: str, merge: RunMerge) -> Iterator[str]:
    """Yields what became of the work of a run: where it is, and what could not be merged and why."""
    for each in merge.unmerged:
        yield f"task {one_line(each.task_id)} is unmerged: {why_unmerged(each)}; its work is on {each.branch}"
    delivery = merge.delivery
    if delivery.check_output and not merge.ok:
        yield "the failed check printed:"
        yield from (f"  {one_line(line, 200)}" for line in delivery.check_output.splitlines()[-_SHOWN_LINES:])
    if delivery.base_fails:
        yield "the checks fail without any of this work, so no task is blamed"
    if delivery.flaky:
        yield "a check failed once and then passed on the same commit: it is flaky"
    if delivery.problem:
        yield f"the merge was not finished: {one_line(delivery.problem, 300)}; `aur merge {run_id}` tries again"
    elif len(merge.unmerged) < len(merge.tasks):
        yield _arrival(run_id, delivery)


def why_unmerged(merge: TaskMerge) -> str:
    """Returns why the work of a task is on its own branch only."""
    other = f" with task {one_line(merge.clashes_with)}" if merge.clashes_with else ""
    if merge.outcome is MergeOutcome.RED:
        return f"the checks fail{other}" if other else "the checks fail with it"
    files = f" in {one_line(', '.join(merge.files), 200)}" if merge.files else ""
    return f"it conflicts{other or ' with other work'}{files}"


def _arrival(run_id: str, delivery: RunDelivery) -> str:
    target, again = delivery.target, f"`aur merge {run_id}`"
    if delivery.outcome is not None and delivery.outcome.arrived:
        return f"merged into {target}"
    if target is None:
        reason = "no branch was checked out when the run began"
    elif delivery.outcome is None:
        reason = f"{again} brings it to {target}"
    else:
        reason = _REASONS[delivery.outcome].format(target=target, again=again)
    return f"the work is on {delivery.branch}: {reason}"


def merge_document(merge: RunMerge) -> dict[str, object]:
    """Returns the merge as data for `--json`."""
    return {
        "ok": merge.ok,
        "delivery": merge.delivery.to_json(),
        "tasks": [each.to_json() for each in merge.tasks.values()],
    }
