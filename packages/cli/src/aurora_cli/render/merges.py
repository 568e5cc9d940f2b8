"""Text and data about the merge of a run's work: what could not be merged and why, and where the rest is."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from aurora_cli.render.words import count, one_line
from aurora_spawner.tasks.resolved import HunkChoice, Resolver
from aurora_spawner.tasks.work import Delivery, MergeOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aurora_spawner.tasks.resolved import ResolvedFile
    from aurora_spawner.tasks.work import RunDelivery, RunMerge, TaskMerge

__all__ = [
    "check_lines",
    "delivery_words",
    "merge_document",
    "merge_lines",
    "merge_words",
    "resolved_lines",
    "target_lines",
    "why_undelivered",
]

_SHOWN_LINES: Final = 8
_NAMED_FILES: Final = 5
_ARRIVED: Final[Mapping[Delivery, str]] = {
    Delivery.FAST_FORWARDED: "has the work",
    Delivery.MERGED: "has the work, merged with its new commits",
    Delivery.UP_TO_DATE: "has the work already",
}
_REFUSED: Final[Mapping[Delivery, tuple[str, str]]] = {
    Delivery.CONFLICT: ("its new commits conflict with the work", "git merge {branch}"),
    Delivery.RED: ("the checks fail with the work", "aur merge {run_id} checks again"),
    Delivery.CHECKED_OUT: (
        "it is checked out, with uncommitted changes{files}",
        "commit or stash them, then: aur merge {run_id}",
    ),
    Delivery.MOVING: ("it moved at each try", "aur merge {run_id} tries again"),
}
"""The reason for which a target lacks the work, and what to do."""
_RESOLVED: Final[Mapping[Resolver, str]] = {
    Resolver.COMMAND: "regenerated with `{by}`",
    Resolver.DRIVER: "merged by {by} (git could not)",
    Resolver.AGENT: "resolved by {by}",
}
_CHOICES: Final[Mapping[HunkChoice, str]] = {
    HunkChoice.INTEGRATED: "kept as already merged",
    HunkChoice.TASK: "kept as in the task",
    HunkChoice.BASE: "set back to the common base",
    HunkChoice.COMBINED: "combined",
}


def merge_lines(run_id: str, merge: RunMerge) -> Iterator[str]:
    """Yields what became of the work of a run that has ended."""
    for each in merge.unmerged:
        yield f"task {one_line(each.task_id)} is unmerged: {why_unmerged(each)}; its work is on {each.branch}"
    for each in merge.tasks.values():
        yield from (f"task {one_line(each.task_id)}: {line}" for line in resolved_lines(each.resolved))
    yield from target_lines(merge.delivery)
    yield from check_lines(merge)
    if merge.delivery.problem or any(each.outcome is MergeOutcome.MERGED for each in merge.tasks.values()):
        yield delivery_words(run_id, merge.delivery)


def check_lines(merge: RunMerge) -> Iterator[str]:
    """Yields what the checks have shown, if they did not simply pass."""
    delivery = merge.delivery
    if delivery.check_output and not merge.ok:
        yield "the failed check printed:"
        yield from (f"  {one_line(line, 200)}" for line in delivery.check_output.splitlines()[-_SHOWN_LINES:])
    if delivery.base_fails:
        yield "the checks fail without any of this work, so no task is blamed"
    if delivery.flaky:
        yield "a check failed once and then passed on the same commit: it is flaky"


def merge_words(merge: TaskMerge | None) -> str:
    """Returns what became of one task's work."""
    if merge is None:
        return "not merged yet"
    match merge.outcome:
        case MergeOutcome.MERGED:
            return "merged"
        case MergeOutcome.DISCARDED:
            return f"discarded; it is {merge.attic}"
        case MergeOutcome.CONFLICT | MergeOutcome.RED | MergeOutcome.UNCHECKED:
            return f"not merged: {why_unmerged(merge)}"


def target_lines(delivery: RunDelivery) -> Iterator[str]:
    """Yields what merged the files of the target's new commits that git alone could not merge."""
    yield from (
        f"new commits of {one_line(str(delivery.target))}: {line}" for line in resolved_lines(delivery.resolved)
    )


def resolved_lines(resolved: Sequence[ResolvedFile]) -> Iterator[str]:
    """Yields what merged files that git alone could not merge; a line for each program or agent."""
    groups: dict[tuple[Resolver, str], list[ResolvedFile]] = {}
    for each in resolved:
        groups.setdefault((each.kind, each.by), []).append(each)
    for (kind, by), files in groups.items():
        named = _several([f"{each.path}{_hunks(each)}" for each in files])
        yield f"{named} {_RESOLVED[kind].format(by=one_line(by, 200))}"


def _hunks(file: ResolvedFile) -> str:
    counted = Counter(file.hunks)
    parts = [f"{count(number, 'hunk')} {_CHOICES[choice]}" for choice, number in counted.items()]
    return f" ({', '.join(parts)})" if parts else ""


def _several(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED_FILES} more" if len(names) > _NAMED_FILES else ""
    return f"{', '.join(one_line(name, 200) for name in names[:_NAMED_FILES])}{more}"


def why_unmerged(merge: TaskMerge) -> str:
    """Returns why the work of a task is on its own branch only."""
    other = f" with task {one_line(merge.clashes_with)}" if merge.clashes_with else ""
    if merge.outcome is MergeOutcome.UNCHECKED:
        return "the checks fail without it, too"
    if merge.outcome is MergeOutcome.RED:
        return f"the checks fail{other}" if other else "the checks fail with it"
    if merge.problem:
        return one_line(merge.problem, 400)
    files = f" in {one_line(', '.join(merge.files), 200)}" if merge.files else ""
    return f"it conflicts{other or ' with other work'}{files}"


def delivery_words(run_id: str, delivery: RunDelivery, *, blocking: Sequence[str] = ()) -> str:
    """Returns where the merged work of a run is, and if the target lacks it, why and what to do.

    Args:
        blocking: Files with uncommitted changes that kept the target's checkout from being updated.
    """
    if delivery.outcome is not None and delivery.outcome.arrived:
        return f"{one_line(str(delivery.target))} {_ARRIVED[delivery.outcome]}"
    return f"the work is on {delivery.branch}{why_undelivered(run_id, delivery, blocking=blocking)}"


def why_undelivered(run_id: str, delivery: RunDelivery, *, blocking: Sequence[str] = ()) -> str:
    """Returns the end of a sentence about work on the integration branch: why no target has it, and what to do."""
    if delivery.target is None:
        return f"; no branch was checked out when the run was made: git merge {delivery.branch}"
    return f", not on {one_line(delivery.target)}: {_reason(run_id, delivery, blocking)}"


def _reason(run_id: str, delivery: RunDelivery, blocking: Sequence[str]) -> str:
    if delivery.problem:
        return f"{one_line(delivery.problem, 300)}; aur merge {run_id} tries again"
    conflict = _conflict(delivery)
    if delivery.base_fails:
        return f"the checks fail without the work, too{conflict and f'; {conflict}'}"
    if delivery.outcome is Delivery.REFUSED:
        return one_line(delivery.refusal, 400)
    if delivery.outcome is None:
        return f"deliver it with: aur merge {run_id}"
    reason, advice = (
        part.format(run_id=run_id, branch=delivery.branch, files=_named(blocking))
        for part in _REFUSED[delivery.outcome]
    )
    if delivery.files_problem:
        advice = f"aur merge {run_id} tries again"
    return f"{conflict or reason}; {advice}"


def _conflict(delivery: RunDelivery) -> str:
    """Returns what conflicts with the target's new commits; empty if that is not known of any file."""
    if delivery.files_problem:
        return f"its new commits cannot be merged: {one_line(delivery.files_problem, 400)}"
    return f"its new commits conflict with the work in {_several(delivery.files)}" if delivery.files else ""


def _named(files: Sequence[str]) -> str:
    return f" ({_several(files)})" if files else ""


def merge_document(merge: RunMerge) -> dict[str, object]:
    """Returns the merge as data for `--json`."""
    return {
        "ok": merge.ok,
        "delivery": merge.delivery.to_json(),
        "tasks": [each.to_json() for each in merge.tasks.values()],
    }
