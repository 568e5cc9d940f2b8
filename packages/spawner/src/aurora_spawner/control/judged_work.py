"""The work that the policies have judged in earlier runs, read again from git, to try other policies on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_spawner.control.audit import existing_journal
from aurora_spawner.journal.views import list_runs, load_events, load_run, load_tasks
from aurora_spawner.journal.work_facts import WorkJudged
from aurora_spawner.tasks.diff_gate import WorkDiff
from aurora_spawner.workspaces.diff_reading import read_diff
from aurora_spawner.workspaces.errors import WorkspaceError
from aurora_spawner.workspaces.git import Git

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aurora_spawner.journal.store import Journal
    from aurora_spawner.journal.views import RunRow, TaskRow
    from aurora_spawner.workspaces.isolation import Isolation


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedWork:
    """The work of one attempt, and what was said of it when it was judged."""

    run_id: str
    task_id: str
    title: str
    at: float
    """Unix time."""
    rules: frozenset[str]
    """The rules that objected to it then."""
    diff: WorkDiff | None
    """None if its commits are gone."""


def judged_work(journal: Path, run_id: str | None = None) -> Iterator[JudgedWork]:
    """Yields the work that was judged in a run, or in all runs, the newest run first.

    Raises:
        UnknownRunError: The journal has no such run.
        JournalError: It cannot be read.
    """
    with existing_journal(journal) as store:
        if store is None:
            return
        for run in list_runs(store) if run_id is None else [load_run(store, run_id)]:
            yield from _of_run(store, run)


def _of_run(store: Journal, run: RunRow) -> Iterator[JudgedWork]:
    isolation = run.options.isolation if run.options else None
    if isolation is None:
        return
    rows = {row.task_id: row for row in load_tasks(store, run.run_id)}
    for event in load_events(store, run.run_id):
        row = rows.get(event.task_id or "")
        if row is not None and isinstance(event.fact, WorkJudged):
            yield JudgedWork(
                run_id=run.run_id,
                task_id=row.task_id,
                title=row.task.headline,
                at=event.at,
                rules=frozenset(str(each.get("rule")) for each in event.fact.findings),
                diff=_diff(isolation, row, event.fact),
            )


def _diff(isolation: Isolation, row: TaskRow, judged: WorkJudged) -> WorkDiff | None:
    try:
        git = Git.of_checkout(isolation.repository)
        files = read_diff(git, judged.base, judged.commit, folder=isolation.folder)
    except WorkspaceError:  # the commits were removed, or the repository
        return None
    return WorkDiff(task_id=row.task_id, agent=judged.agent, planned=row.task.files, files=files)
