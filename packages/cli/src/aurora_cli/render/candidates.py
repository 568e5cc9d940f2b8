"""Text and JSON of the candidates of a task, and of a pick among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_cli.render.words import count, one_line, printable
from aurora_spawner.tasks.work import MergeOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aurora_spawner.control.candidates import CandidateList, CandidateStatus, PickReport

__all__ = ["as_document", "as_lines", "pick_document", "pick_lines"]


def as_lines(run_id: str, found: CandidateList, costs: Mapping[str, float | None]) -> Iterator[str]:
    """Yields the task, two lines for each candidate, and the choice or how to make it.

    Args:
        costs: what the attempts at each task have cost, in US dollars; None for an unknown cost.
    """
    yield f"{one_line(found.row.task_id)}  {one_line(found.row.task.headline, 60)}"
    for each in found.candidates:
        mark = "*" if each.is_taken else " "
        yield f"{mark} {each.number}  @{one_line(each.agent)}  {each.row.state}  {_facts(each, costs)}"
        yield f"     {_place(each)}"
    if found.choice is not None:
        yield f"taken: {one_line(found.choice.why, 500)}"
    elif any(each.row.state == "succeeded" for each in found.candidates):
        yield f"none is taken; take one with: aur pick {run_id} {one_line(found.row.task_id)} NUMBER"


def _facts(each: CandidateStatus, costs: Mapping[str, float | None]) -> str:
    result = each.row.result
    facts = []
    if result is not None and result.checked is not None:
        runs = result.checked.runs
        facts.append(f"{sum(run.passed for run in runs)} of {count(len(runs), 'check')} passed")
    if each.row.checked[1:]:
        facts.append(count(len(each.row.checked) - 1, "round"))
    if result is not None and result.work is not None:
        work = result.work
        facts.append(f"{count(work.files, 'file')} +{work.insertions} -{work.deletions}")
    if each.row.task_id in costs:
        cost = costs[each.row.task_id]
        facts.append("cost unknown" if cost is None else f"${cost:.2f}")
    if result is not None and result.error:
        facts.append(one_line(result.error, 200))
    return ", ".join(facts) or "nothing is known of it yet"


def _place(each: CandidateStatus) -> str:
    if each.branch is not None:
        return f"branch {printable(each.branch)}"
    if each.attic is not None:
        return f"attic {printable(each.attic)}"
    if each.row.merge is not None and each.row.merge.outcome is MergeOutcome.MERGED:
        return "merged"
    return "no work is left of it"


def as_document(run_id: str, found: CandidateList, costs: Mapping[str, float | None]) -> dict[str, object]:
    """Returns the candidates as data for `--json`; `costs` as in `as_lines`."""
    return {
        "run_id": run_id,
        "task": found.row.task_id,
        "state": str(found.row.state),
        "pick": found.row.task.pick,
        "choice": found.choice.to_json() if found.choice else None,
        "candidates": [_row(each, costs) for each in found.candidates],
    }


def _row(each: CandidateStatus, costs: Mapping[str, float | None]) -> dict[str, object]:
    result = each.row.result
    return {
        "number": each.number,
        "id": each.row.task_id,
        "agent": each.agent,
        "state": str(each.row.state),
        "taken": each.is_taken,
        "attempts": each.row.attempts,
        "error": result.error if result else None,
        "checked": result.checked.to_json() if result and result.checked else None,
        "rounds": max(0, len(each.row.checked) - 1),
        "work": result.work.to_json() if result and result.work else None,
        "session_id": result.session_id if result else None,
        "cost_usd": costs.get(each.row.task_id),
        "branch": each.branch,
        "attic": each.attic,
    }


def pick_lines(run_id: str, report: PickReport) -> Iterator[str]:
    """Yields what was taken, and what to do next."""
    instead = f" instead of {one_line(report.before)}" if report.before else ""
    yield f"{one_line(report.winner)} is taken{instead}"
    yield from (one_line(sentence, 300) for sentence in report.kept)
    if report.reopened:
        yield f"{one_line(', '.join(report.reopened))} can run now: aur resume {run_id}"
    else:
        yield f"merge it with: aur merge {run_id}"


def pick_document(run_id: str, task_id: str, report: PickReport) -> dict[str, object]:
    """Returns the pick as data for `--json`."""
    return {
        "run_id": run_id,
        "task": task_id,
        "winner": report.winner,
        "before": report.before,
        "reopened": list(report.reopened),
        "kept": list(report.kept),
    }
