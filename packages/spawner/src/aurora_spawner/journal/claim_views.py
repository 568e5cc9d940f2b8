"""Reads of the files that tasks were seen to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_spawner.journal.facts import TaskReopened
from aurora_spawner.journal.sqlite_errors import translated
from aurora_spawner.journal.views import read_event, rows_of
from aurora_spawner.journal.work_facts import FilesClaimed

if TYPE_CHECKING:
    from collections.abc import Collection

    from aurora_spawner.journal.store import Journal


def load_seen_files(journal: Journal, run_id: str, *, goes_on: Collection[str] = ()) -> dict[str, tuple[str, ...]]:
    """Returns the files that each task was seen to change, whether it has ended or not.

    Args:
        goes_on: Reasons for opening a task again that keep its work; any other begins anew.
    """
    query = """
        SELECT seq, at, task_id, kind, payload FROM events
        WHERE run_id = ? AND kind IN (?, ?) ORDER BY seq
        """
    with translated(journal.path):
        rows = rows_of(journal, (query, (run_id, FilesClaimed.kind, TaskReopened.kind)))
    found: dict[str, dict[str, None]] = {}
    for event in (read_event(row, journal.path) for row in rows):
        task_id, fact = str(event.task_id), event.fact
        if isinstance(fact, FilesClaimed) and fact.seen:
            found.setdefault(task_id, {}).update(dict.fromkeys(fact.files))
        elif isinstance(fact, TaskReopened) and fact.why not in goes_on:
            found.pop(task_id, None)
    return {task_id: tuple(files) for task_id, files in found.items()}
