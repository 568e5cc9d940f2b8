"""Text and JSON of the work of tasks: their commits, and what became of each at the merge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_cli.render.merges import why_unmerged
from aurora_cli.render.words import count, one_line, printable
from aurora_spawner.tasks.work import Delivery, MergeOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aurora_spawner.control.run_work import WorkOfRun, WorkOfTask
    from aurora_spawner.tasks.work import RunDelivery, TaskMerge, TaskWork

__all__ = ["merge_words", "outcome_of_run", "run_work_document", "task_work_document", "task_work_lines"]

_HASH: Final = 9
_REFUSED: Final[Mapping[Delivery, str]] = {
    Delivery.CONFLICT: "its new commits conflict with the work",
    Delivery.RED: "the checks fail together with its new commits",
    Delivery.CHECKED_OUT: "it is checked out, with uncommitted changes",
    Delivery.MOVING: "it moved at each try",
}


def outcome_of_run(work: WorkOfRun, run_id: str) -> Iterator[str]:
    """Yields what became of the merged work of a run, and the command that delivers it."""
    if work.trouble:
        yield f"work: git cannot be asked: {one_line(work.trouble, 200)}"
    delivery = work.delivery
    if delivery is not None and not any(each.merge for each in work.tasks.values()):
        yield "work: no task has finished work with changes"
        return
    if delivery is None:
        yield f"work: not merged yet; merge it with: aur merge {run_id}"
        return
    place = f"{delivery.branch} ({delivery.commit[:_HASH]})"
    if work.on_target:
        how = f" ({delivery.outcome})" if delivery.outcome and delivery.outcome.arrived else ""
        yield f"work: on {one_line(str(work.target))}{how}"
    elif work.target is None:
        yield f"work: on {place}; no branch was checked out when the run was made: git merge {delivery.branch}"
    else:
        target = one_line(work.target)
        yield f"work: on {place}, not on {target}{_refusal(delivery)}; deliver it with: aur merge {run_id}"
    if delivery.flaky:
        yield "  the checks failed once and passed when they were run again on the same commit"


def _refusal(delivery: RunDelivery) -> str:
    if delivery.problem:
        return f": {one_line(delivery.problem, 200)}"
    if delivery.base_fails:
        return ": the checks fail without the work, too"
    reason = _REFUSED.get(delivery.outcome) if delivery.outcome else None
    return f": {reason}" if reason else ""


def task_work_lines(work: WorkOfTask) -> Iterator[str]:
    """Yields the branch and commit of a task, its merge, and its worktree if that is still there."""
    base = f" from {work.base[:_HASH]}" if work.base else ""
    if work.work is None:
        unfinished = "no finished work" if work.merge is None else merge_words(work.merge)
        yield f"{printable(work.branch)}{base}: {unfinished}"
    elif work.work.commit is None:
        yield f"{printable(work.branch)}{base}: changed nothing"
    else:
        on = f"{printable(work.branch)} at {work.work.commit[:_HASH]}{base}"
        yield f"{on}: {_size(work.work)}; {merge_words(work.merge)}"
    if work.went_on and work.head:
        yield f"its branch is now at {work.head[:_HASH]}"
    if work.worktree:
        yield f"worktree {printable(str(work.worktree))}"


def _size(work: TaskWork) -> str:
    return f"{count(work.files, 'file')} +{work.insertions} -{work.deletions}"


def merge_words(merge: TaskMerge | None) -> str:
    """Returns what became of one task's work."""
    if merge is None:
        return "not merged yet"
    match merge.outcome:
        case MergeOutcome.MERGED:
            return "merged"
        case MergeOutcome.DISCARDED:
            return f"discarded; it is {merge.attic}"
        case MergeOutcome.CONFLICT | MergeOutcome.RED:
            return f"not merged: {why_unmerged(merge)}"


def run_work_document(work: WorkOfRun) -> dict[str, object]:
    """Returns what became of the merged work of a run as data for `--json`."""
    delivery = work.delivery
    return {
        "branch": work.branch,
        "commit": work.commit or (delivery.commit if delivery else None),
        "base": work.base,
        "target": work.target,
        "outcome": str(delivery.outcome) if delivery and delivery.outcome else None,
        "on_target": work.on_target,
        "flaky": bool(delivery and delivery.flaky),
        "base_fails": bool(delivery and delivery.base_fails),
        "problem": work.trouble or (delivery.problem if delivery else None),
    }


def task_work_document(work: WorkOfTask) -> dict[str, object]:
    """Returns the work of a task as data for `--json`."""
    done, merge = work.work, work.merge
    return {
        "base": work.base,
        "branch": work.branch,
        "head": work.head,
        "commit": done.commit if done else None,
        "files": done.files if done else None,
        "insertions": done.insertions if done else None,
        "deletions": done.deletions if done else None,
        "out_of_scope": list(done.out_of_scope) if done else [],
        "worktree": str(work.worktree) if work.worktree else None,
        "merge": str(merge.outcome) if merge else None,
        "conflicts": list(merge.files) if merge else [],
        "clashes_with": merge.clashes_with if merge else None,
        "attic": merge.attic if merge else None,
    }
