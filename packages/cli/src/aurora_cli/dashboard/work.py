"""The work of a run for its page: what is merged, what waits for it, and what will conflict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aurora_cli.render.work import outcome_of_run, task_work_lines
from aurora_spawner.control.lookup import find_run, open_journal
from aurora_spawner.control.run_work import work_of_run
from aurora_spawner.journal.change_views import load_foreseen

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.control.run_work import WorkOfTask

__all__ = ["work_values"]

_HEADINGS: Final = {
    "waiting": "Finished, not merged",
    "unfinished": "Not finished",
    "merged": "Merged",
    "untaken": "Candidates not taken",
}


def work_values(journal: Path, run_id: str, *, shown_as: str) -> dict[str, Any]:
    """Returns the values of the page of a run's work.

    Args:
        shown_as: the name by which commands are told to take the run.

    Raises:
        UnknownRunError: there is no such run.
        JournalError: the journal cannot be read.
    """
    run, rows = find_run(journal, run_id)
    with open_journal(journal, run_id) as store:
        conflicts = load_foreseen(store, run_id)
    work = work_of_run(run, rows)
    at_work = run.holder is not None and run.holder.alive()  # what to do about its work is said once it has ended
    tasks = [(_part(each), each.task_id, list(task_work_lines(each))) for each in work.tasks.values()] if work else []
    return {
        "has_work": work is not None,
        "outcome": list(outcome_of_run(work, shown_as)) if work and not at_work else [],
        "parts": [(_HEADINGS[part], [each for each in tasks if each[0] == part]) for part in _HEADINGS],
        "conflicts": conflicts,
    }


def _part(work: WorkOfTask) -> str:
    if work.is_untaken:
        return "untaken"
    if work.merge is not None:
        return "merged"
    return "unfinished" if work.work is None else "waiting"
