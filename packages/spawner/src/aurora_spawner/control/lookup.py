"""Runs of a journal by name, for programs that know the journal's path; nothing is made if there is no journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_spawner.control.audit import check_not_gone
from aurora_spawner.errors import UnknownRunError, UnknownTaskError
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_attempts, load_run, load_tasks
from aurora_spawner.rate_limits.gate_store import default_state_dir

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.journal.views import AttemptRow, RunRow, TaskRow
    from aurora_spawner.recovery.report import RecoveryReport

__all__ = [
    "attempts_of",
    "check_task",
    "check_unchanged",
    "find_run",
    "is_held",
    "open_journal",
    "recovery_of",
    "titles_of",
]


def open_journal(journal: Path, run_id: str) -> Journal:
    """Opens the journal that a run should be in.

    Raises:
        UnknownRunError: there is no journal, and there never was one.
        JournalError: it cannot be opened, or the user's own folder remembers a journal that is gone.
    """
    if not journal.exists():
        check_not_gone(journal)
        raise UnknownRunError(run_id)
    return Journal(journal, make=False)


def find_run(journal: Path, run_id: str) -> tuple[RunRow, list[TaskRow]]:
    """Returns a run and its tasks in their order.

    Raises:
        UnknownRunError: the journal has no such run.
        JournalError: it cannot be read, or was emptied.
    """
    with open_journal(journal, run_id) as store:
        try:
            return load_run(store, run_id), load_tasks(store, run_id)
        except UnknownRunError:
            check_not_gone(journal)
            raise


def titles_of(journal: Path, run_id: str) -> dict[str, str]:
    """Returns the titles of a run's tasks, by id; errors as `find_run`."""
    _, tasks = find_run(journal, run_id)
    return {row.task_id: row.task.headline for row in tasks}


def check_task(journal: Path, run_id: str, task_id: str) -> None:
    """Refuses a task that a run does not have.

    Raises:
        UnknownRunError, UnknownTaskError: the journal has no such run, or the run no such task.
    """
    titles = titles_of(journal, run_id)
    if task_id not in titles:
        raise UnknownTaskError(run_id, task_id, titles)


def is_held(journal: Path, run_id: str) -> bool:
    """Returns True if a living process works on a run; errors as `find_run`."""
    with open_journal(journal, run_id) as store:
        holder = load_run(store, run_id).holder
    return holder is not None and holder.alive()


def attempts_of(journal: Path, run_id: str) -> list[AttemptRow]:
    """Returns all attempts of a run, in the order they came; errors as `find_run`."""
    with open_journal(journal, run_id) as store:
        load_run(store, run_id)
        return load_attempts(store, run_id)


def hosts_of(journal: Path, run_id: str) -> dict[str, str]:
    """Returns by task the host or the pool of its last attempt, if that was elsewhere; errors as `find_run`."""
    last = {each.task_id: each.supervisor for each in attempts_of(journal, run_id) if each.supervisor}
    return {task_id: where for task_id, supervisor in last.items() if (where := supervisor.elsewhere)}


def recovery_of(journal: Path, run_id: str) -> RecoveryReport:
    """Returns what recovery did for a run; errors as `find_run`."""
    from aurora_spawner.recovery.report import recovery_report  # most commands show none

    with open_journal(journal, run_id) as store:
        return recovery_report(store, run_id)


def check_unchanged(journal: Path, run_id: str, *, accept: bool) -> None:
    """Checks a run's part of the journal against its hashes before anything of the run starts.

    Args:
        accept: continue although it was changed; the journal records that.

    Raises:
        JournalChangedError: it is not as it was written.
        UnknownRunError: the journal has no such run.
    """
    from aurora_spawner.runs.run_record import check_unchanged as check  # only what changes a run needs it

    with open_journal(journal, run_id) as store:
        load_run(store, run_id)
        check(store, run_id, default_state_dir(), accept=accept)
