"""The content of the page of a task: prompt, answer, recovery, work and change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aurora_cli.render.work import task_work_lines
from aurora_policies.errors import PoliciesError
from aurora_soar.errors import SoarError
from aurora_spawner.control.diffs import work_diff
from aurora_spawner.control.lookup import find_run, recovery_of
from aurora_spawner.control.run_work import work_of_run
from aurora_spawner.control.timeline import run_timeline
from aurora_spawner.errors import SpawnerError, UnknownTaskError
from aurora_spawner.gates.masking import masked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aurora_soar import Aurora
    from aurora_spawner.control.commenting import CommentableWork

__all__ = ["task_values"]

MOST_LINES: Final = 5_000
"""Lines of a change that are shown."""
MOST_TEXT: Final = 200_000
MOST_EVENTS: Final = 500
"""The newest events of a task that are shown."""
_KINDS: Final = {"+": "add", "-": "remove", "@": "place"}


def task_values(aurora: Aurora, run_id: str, task_id: str, *, may_comment: bool) -> dict[str, Any]:
    """Returns the values of the page of a task.

    Args:
        may_comment: the page may have a form for comments on the change.

    Raises:
        UnknownRunError, UnknownTaskError: there is no such run or task.
        JournalError: the journal cannot be read.
    """
    journal = aurora.project.runs_db
    run, rows = find_run(journal, run_id)
    row = next((each for each in rows if each.task_id == task_id), None)
    if row is None:
        raise UnknownTaskError(run_id, task_id, {each.task_id: each for each in rows})
    work = work_of_run(run, rows)
    commentable = _commentable(aurora, run_id, task_id) if may_comment and work else None
    report = recovery_of(journal, run_id)
    steps = [
        f"{step.from_state} → {step.to_state} @{step.agent} {step.error or ''}".strip()
        for task in report.tasks
        if task.task_id == task_id
        for step in task.transitions
    ]
    return {
        "row": row,
        "agent": row.result.agent if row.result else row.task.agent or run.default_agent,
        "prompt": row.task.prompt[:MOST_TEXT],
        "answer": row.result.output[:MOST_TEXT] if row.result else "",
        "steps": steps,
        "course": _course(journal, run_id, task_id),
        "work": list(task_work_lines(work.tasks[task_id])) if work and task_id in work.tasks else [],
        "commentable": commentable,
        "diff": _lines_of(commentable.diff) if commentable else _diff(journal, run_id, task_id) if work else None,
        "cost": _cost(aurora, run_id, task_id),
    }


def _course(journal: Path, run_id: str, task_id: str) -> list[tuple[float, float | None, str, bool]]:
    """Returns what has happened to a task: when, for how many seconds, what, and whether it failed."""
    timeline = run_timeline(journal, run_id)
    task = next((each for each in timeline.tasks if each.task_id == task_id), None)
    if task is None:  # another candidate was taken
        return []
    spans = [(each.start, each.seconds, f"{each.kind}: {each.label}", each.failed) for each in task.spans]
    marks = [(each.at, None, each.label, each.failed) for each in task.marks]
    return sorted([*spans, *marks], key=lambda each: each[0])[-MOST_EVENTS:]


def _diff(journal: Path, run_id: str, task_id: str) -> list[tuple[str, str]] | None:
    try:
        text = work_diff(journal, run_id, task_id).decode(errors="replace")
    except SpawnerError:
        return None  # there is no work, or it is gone; the lines above say so
    return _lines_of(text)


def _commentable(aurora: Aurora, run_id: str, task_id: str) -> CommentableWork | None:
    """Returns the change of a task to comment on; None while its agent could not go on with it."""
    try:
        return aurora.commentable_work(run_id, task_id)
    except (SpawnerError, SoarError):
        return None


def _lines_of(text: str) -> list[tuple[str, str]]:
    return list(_lines(text.removesuffix("\n").split("\n"))) if text else []


def _lines(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines[:MOST_LINES]:
        header = line.startswith(("+++", "---", "diff ", "index "))
        yield ("faint" if header else _KINDS.get(line[:1], "plain")), masked(line[:2_000])
    if len(lines) > MOST_LINES:
        yield "faint", f"[{len(lines) - MOST_LINES} more lines: aur diff]"


def _cost(aurora: Aurora, run_id: str, task_id: str) -> float | None:
    try:
        entries = [each for each in aurora.ledger.history(limit=-1, run_id=run_id) if each.task_id == task_id]
    except PoliciesError:
        return None
    known = [each.cost_usd for each in entries if each.cost_usd is not None]
    return sum(known) if known else None
