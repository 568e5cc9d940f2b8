"""Go on with a run that was cut off: its task file as it is now, its agents, its place in the journal."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_cli.errors import LimitFileError
from aurora_cli.journal import list_runs
from aurora_spawner import RunOptions, read_taskfile
from aurora_spawner.taskfiles.model import ORDERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_core import Project
    from aurora_spawner import TaskFile
    from aurora_spawner.journal.views import RunRow, TaskRow

__all__ = [
    "Resumption",
    "find_taskfile",
    "limit_of",
    "runs_at_work_on",
    "taskfile_of",
]

_POINTER: Final = "taskfile"
_LIMIT: Final = "limit_usd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """A run that can go on.

    Attributes:
        file: its task file as it is now; None where it has none any more, and the journal's tasks hold.
    """

    run: RunRow
    tasks: Sequence[TaskRow]
    file: TaskFile | None

    @property
    def agents(self) -> frozenset[str]:
        """The agents of the tasks, done ones included."""
        tasks = self.file.tasks if self.file else [row.task for row in self.tasks]
        return frozenset(task.agent or self.run.default_agent for task in tasks)

    @property
    def open_agents(self) -> frozenset[str]:
        """The agents of the tasks that are not done."""
        done = {row.task_id for row in self.tasks if row.result is not None and row.result.success}
        tasks = self.file.tasks if self.file else [row.task for row in self.tasks]
        return frozenset(task.agent or self.run.default_agent for task in tasks if task.id not in done)

    @property
    def titles(self) -> dict[str, str]:
        """What people call the tasks, by id."""
        from_journal = {row.task_id: row.task.headline for row in self.tasks}
        return from_journal | {line.id: line.title for line in (self.file.lines if self.file else ())}


def limit_of(run: RunRow) -> float | None:
    """Returns what a run may cost at most, in US dollars; None where nothing was asked for.

    Raises:
        LimitFileError: what an earlier version noted beside the run cannot be read; without it the run could cost
            more than allowed.
    """
    if run.options is not None:
        return run.options.limit_usd
    note = run.spool / run.run_id / _LIMIT
    try:
        return float(note.read_text(encoding="ascii"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise LimitFileError(note) from error


def find_taskfile(run: RunRow, instead: Path | None = None) -> TaskFile | None:
    """Reads the file that a run's tasks came from as it was read before; None if it came from none, or it is gone.

    Args:
        instead: read this file.

    Raises:
        TaskFileError, GraphError: the file makes no sense now.
    """
    path = instead or taskfile_of(run)
    if path is None or (instead is None and not path.is_file()):
        return None
    options = run.options or RunOptions()
    order = next((each for each in ORDERS if each == options.order), None)
    return read_taskfile(path, order=order, optional=options.optional)


def taskfile_of(run: RunRow) -> Path | None:
    """Returns where a run's tasks came from; None if not from a file. Earlier versions noted it beside the run."""
    if run.options is not None:
        return run.options.taskfile
    try:
        return Path(os.fsdecode((run.spool / run.run_id / _POINTER).read_bytes()))
    except FileNotFoundError:
        return None


def runs_at_work_on(project: Project, file: Path) -> list[str]:
    """Names the runs that living processes make of a task file now."""
    wanted = file.absolute()
    held = (summary.run for summary in list_runs(project) if summary.held)
    return [run.run_id for run in held if taskfile_of(run) == wanted]
