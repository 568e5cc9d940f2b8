"""The file claims of a run, as its tasks in the journal show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_spawner.control.lookup import open_journal
from aurora_spawner.journal.claim_views import load_seen_files
from aurora_spawner.runs.resume_state import CUT_OFF
from aurora_spawner.tasks.file_claims import FileClaim
from aurora_spawner.workspaces.merging import is_ancestor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aurora_spawner.journal.views import RunRow, TaskRow
    from aurora_spawner.workspaces.git import Git


def built_on(git: Git, row: TaskRow, rows: Sequence[TaskRow]) -> list[str]:
    """Returns the tasks whose work a task has in its own, because both declare a file and it started after them."""
    claim, work = FileClaim.of(row.task), row.result.work if row.result else None
    if not claim.files or work is None:
        return []
    others = [
        (each.task_id, each.result.work) for each in rows if each.result and claim.common(FileClaim.of(each.task))
    ]
    return [
        task_id
        for task_id, other in others
        if other is not None and other.commit is not None and is_ancestor(git, other.commit, work.head)
    ]


def seen_files(journal: Path, run_id: str) -> dict[str, tuple[str, ...]]:
    """Returns the files that each task of a run was seen to change, ended tasks included.

    Raises:
        UnknownRunError: The journal has no such run.
    """
    with open_journal(journal, run_id) as store:
        return load_seen_files(store, run_id, goes_on=CUT_OFF)


def is_working(row: TaskRow) -> bool:
    """Returns True if a task has started and has not ended, so that its claim holds."""
    return bool(row.attempts) and not row.state.settled


def file_holders(rows: Sequence[TaskRow]) -> list[TaskRow]:
    """Returns the tasks that have claimed files."""
    return [row for row in rows if row.task.files and is_working(row)]


def awaited(row: TaskRow, holders: Sequence[TaskRow], run: RunRow) -> FileClaim | None:
    """Returns the claim that a task waits for; None if it waits for none."""
    allowed = run.options is not None and run.options.overlaps == "allow"
    if allowed or not holders or not row.task.files or row.state.settled or row.attempts:
        return None
    claim = FileClaim.of(row.task)
    return next((each for each in map(FileClaim.of, (held.task for held in holders)) if claim.common(each)), None)
