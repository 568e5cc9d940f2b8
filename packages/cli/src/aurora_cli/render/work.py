"""Text and JSON of the work of tasks: their commits, and what became of each at the merge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_cli.render.merges import merge_words, resolved_lines, target_lines, why_undelivered
from aurora_cli.render.words import count, one_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aurora_spawner.control.run_work import WorkOfRun, WorkOfTask
    from aurora_spawner.tasks.work import TaskWork

__all__ = ["outcome_of_run", "run_work_document", "task_work_document", "task_work_lines"]

_HASH: Final = 9


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
    else:
        yield f"work: on {place}{why_undelivered(run_id, delivery)}"
    yield from (f"  {line}" for line in target_lines(delivery))
    if delivery.flaky:
        yield "  a check failed once and then passed on the same commit: it is flaky"


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
        outcome = "not taken" if work.is_untaken else merge_words(work.merge)
        yield f"{on}: {_size(work.work)}; {outcome}"
    if work.merge:
        yield from resolved_lines(work.merge.resolved)
    if work.went_on and work.head:
        yield f"its branch is now at {work.head[:_HASH]}"
    if work.worktree:
        yield f"worktree {printable(str(work.worktree))}"


def _size(work: TaskWork) -> str:
    return f"{count(work.files, 'file')} +{work.insertions} -{work.deletions}"


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
        "refusal": delivery.refusal if delivery else "",
        "problem": work.trouble or (delivery.problem if delivery else None),
        "conflicts": list(delivery.files) if delivery else [],
        "conflicts_problem": delivery.files_problem if delivery else "",
        "resolved": [each.to_json() for each in delivery.resolved] if delivery else [],
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
        "resolved": [each.to_json() for each in merge.resolved] if merge else [],
        "merge_problem": merge.problem if merge else "",
    }
