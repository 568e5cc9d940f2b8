"""The work of a run for its page: what is merged, what waits for it, and what will conflict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aurora_cli.render.work import outcome_of_run, task_work_lines
from aurora_spawner.control.lookup import find_run, open_journal
from aurora_spawner.control.run_work import work_of_run
from aurora_spawner.journal.change_views import load_foreseen

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["work_values"]


def work_values(journal: Path, run_id: str) -> dict[str, Any]:
    """Returns the values of the page of a run's work.

    Raises:
        UnknownRunError: there is no such run.
        JournalError: the journal cannot be read.
    """
    run, rows = find_run(journal, run_id)
    with open_journal(journal, run_id) as store:
        conflicts = load_foreseen(store, run_id)
    work = work_of_run(run, rows)
    tasks = [(each, list(task_work_lines(each))) for each in work.tasks.values()] if work else []
    return {
        "has_work": work is not None,
        "outcome": list(outcome_of_run(work, run_id)) if work else [],
        "waiting": [(each.task_id, lines) for each, lines in tasks if each.merge is None and not each.is_untaken],
        "merged": [(each.task_id, lines) for each, lines in tasks if each.merge is not None],
        "untaken": [(each.task_id, lines) for each, lines in tasks if each.is_untaken],
        "conflicts": conflicts,
    }
