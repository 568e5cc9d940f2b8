"""What commands ask of a project's journal of runs; a project where nothing has run yet has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_cli.errors import UnknownTaskError
from aurora_cli.output import note
from aurora_spawner import JournalError, RunState, UnknownRunError
from aurora_spawner.control import steering
from aurora_spawner.control.audit import check_not_gone
from aurora_spawner.control.checkpoints import clean_checkpoints, export_checkpoint, list_checkpoints
from aurora_spawner.control.logs import follow_log, read_log
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_attempts, load_run, load_tasks
from aurora_spawner.providers.gate_store import default_state_dir
from aurora_spawner.runs.run import check_unchanged as check_run_unchanged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Literal

    from aurora_core import Project
    from aurora_spawner.attempts.executor import Executor
    from aurora_spawner.control.checkpoints import CleanReport, RunSummary
    from aurora_spawner.control.status import RunStatus
    from aurora_spawner.journal.views import AttemptRow, RunRow, TaskRow
    from aurora_spawner.recovery.report import RecoveryReport
    from aurora_spawner.tasks.result import TaskState

__all__ = [
    "TASKFILE_RUN",
    "attempts_of",
    "can_resume",
    "cancel_run",
    "check_unchanged",
    "clean_runs",
    "export_run",
    "find_run",
    "is_held",
    "list_resumable",
    "list_runs",
    "log_pieces",
    "pause_run",
    "recovery_of_run",
    "run_statuses",
    "titles_of",
    "unpause_run",
    "warn_of_lost",
]


TASKFILE_RUN: Final = "spawn"
"""The kind of the runs that `aur spawn` makes."""
_UNFINISHED: Final = (RunState.CREATED, RunState.RUNNING, RunState.INTERRUPTED)


def list_runs(project: Project, *, limit: int | None = None) -> list[RunSummary]:
    """Returns the newest runs."""
    return list_checkpoints(project.runs_db, limit=limit)


def find_run(project: Project, run_id: str) -> tuple[RunRow, list[TaskRow]]:
    """Returns a run and its tasks.

    Raises:
        UnknownRunError: there is none of that name.
    """
    with Journal(_journal_with(project, run_id)) as store:
        return load_run(store, run_id), load_tasks(store, run_id)


def titles_of(project: Project, run_id: str) -> dict[str, str]:
    """Returns what people call the tasks of a run, by id."""
    _, tasks = find_run(project, run_id)
    return {row.task_id: row.task.headline for row in tasks}


def is_held(project: Project, run_id: str) -> bool:
    """Whether a living process works on a run.

    Raises:
        UnknownRunError: there is none of that name.
    """
    with Journal(_journal_with(project, run_id)) as store:
        run = load_run(store, run_id)
    return run.holder is not None and run.holder.alive()


def list_resumable(project: Project) -> list[RunSummary]:
    """Returns the runs of task files that `aur spawn --resume` can go on with, the newest first."""
    return [summary for summary in list_runs(project) if can_resume(summary)]


def can_resume(summary: RunSummary) -> bool:
    """Whether something of a task file's run is left to do and nobody does it."""
    return summary.resumable and summary.run.kind == TASKFILE_RUN


def clean_runs(project: Project, *, older_than_days: float, before: Callable[[str], None]) -> CleanReport:
    """Removes the contents of old runs; `before` is called with the name of each one while it is still there."""
    return clean_checkpoints(project.runs_db, older_than_days=older_than_days, before=before)


def attempts_of(project: Project, run_id: str) -> list[AttemptRow]:
    """Returns all attempts of a run, as they came."""
    with Journal(_journal_with(project, run_id)) as store:
        return load_attempts(store, run_id)


def export_run(project: Project, run_id: str, folder: Path | None) -> Path:
    """Writes a run as a JSON file into a folder, by default the project's; returns its path."""
    target = folder or project.aurora_dir / "checkpoints"
    return export_checkpoint(_journal_with(project, run_id), run_id, target)


def warn_of_lost(project: Project) -> None:
    """Says that a journal that was here is gone; a new one begins."""
    try:
        check_not_gone(project.runs_db)
    except JournalError as error:
        note(f"warning: {error}")


def check_unchanged(project: Project, run_id: str, *, accept: bool) -> None:
    """Holds a run's part of the journal against its hashes before anything of it starts.

    Args:
        accept: go on though it was changed, and note that.

    Raises:
        JournalChangedError: it is not as it was written.
        UnknownRunError: there is none of that name.
    """
    with Journal(_journal_with(project, run_id)) as store:
        check_run_unchanged(store, run_id, default_state_dir(), accept=accept)


def run_statuses(project: Project, run_id: str | None) -> list[RunStatus]:
    """Tells how one run stands, or every run that goes on or was cut off."""
    if run_id is not None:
        return [steering.run_status(_journal_with(project, run_id), run_id)]
    unfinished = [summary for summary in list_runs(project) if summary.held or summary.run.state in _UNFINISHED]
    return [steering.run_status(project.runs_db, summary.run.run_id) for summary in unfinished]


def recovery_of_run(project: Project, run_id: str) -> RecoveryReport:
    """Returns what recovery did for a run.

    Raises:
        UnknownRunError: there is none of that name.
    """
    from aurora_spawner.recovery.report import recovery_report

    with Journal(_journal_with(project, run_id)) as store:
        return recovery_report(store, run_id)


def pause_run(project: Project, run_id: str) -> None:
    """Lets a run start nothing more."""
    steering.pause_run(_journal_with(project, run_id), run_id)


def unpause_run(project: Project, run_id: str) -> None:
    """Lets a paused run go on."""
    steering.unpause_run(_journal_with(project, run_id), run_id)


def cancel_run(
    project: Project, run_id: str, *, task_id: str | None, at_once: bool, executor: Executor | None
) -> TaskState | RunState | None:
    """Ends a run or one of its tasks; returns how the task stood, or the state of a run that has ended already.

    Args:
        executor: what ends the attempts of a coordinator that has died; None for one without a budget.
    """
    database = _journal_with(project, run_id)
    return steering.cancel_run(database, run_id, task_id=task_id, at_once=at_once, executor=executor)


def log_pieces(
    project: Project, run_id: str, task_id: str | None, *, follow: bool, errors: bool, told: bool = False
) -> Iterator[bytes]:
    """Gives what a task's agent has printed, or what all of a run's tasks have, each below its name.

    Args:
        told: events as lines for people, where the agent prints events.

    Raises:
        UnknownRunError, UnknownTaskError: there is none of that name.
    """
    stream: Literal["stdout", "stderr"] = "stderr" if errors else "stdout"
    titles = titles_of(project, run_id)
    if task_id is not None and task_id not in titles:
        raise UnknownTaskError(run_id, task_id, titles)
    with Journal(project.runs_db) as store:
        if task_id is None:
            for each, title in titles.items():
                yield f"== {each} {title}\n".encode(errors="replace")
                yield read_log(store, run_id, each, stream=stream, told=told)
        elif follow:
            yield from follow_log(store, run_id, task_id, stream=stream, told=told)
        else:
            yield read_log(store, run_id, task_id, stream=stream, told=told)


def _journal_with(project: Project, run_id: str) -> Path:
    if not project.runs_db.exists():
        check_not_gone(project.runs_db)
        raise UnknownRunError(run_id)
    return project.runs_db
