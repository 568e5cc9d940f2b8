"""Resume of a task file's run: the task file as it is now, its agents, and the limit that the run was given."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_policies.schema import SandboxMode
from aurora_soar.errors import NotResumableError, StoredLimitError
from aurora_soar.taskruns.personas_for_tasks import keep_assignments
from aurora_soar.taskruns.plan import agents_of, assigned_personas
from aurora_soar.taskruns.run_kinds import RUNS_OF_TASKS, TASK_RUN, can_resume
from aurora_spawner import read_taskfile
from aurora_spawner.control.checkpoints import list_checkpoints
from aurora_spawner.control.lookup import check_unchanged, find_run
from aurora_spawner.control.status import run_status
from aurora_spawner.errors import UnknownRunError
from aurora_spawner.journal.views import StoredOptions
from aurora_spawner.taskfiles.model import ORDERS
from aurora_spawner.taskfiles.recipes import with_arguments
from aurora_spawner.tasks.candidates import attempted
from aurora_spawner.tasks.result import TaskState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from aurora_soar.personas import Roster
    from aurora_spawner import Backend, SpawnTask
    from aurora_spawner.control.checkpoints import RunSummary
    from aurora_spawner.journal.views import RunRow, TaskRow
    from aurora_spawner.taskfiles.model import TaskFile

__all__ = [
    "ResumePlan",
    "find_taskfile",
    "list_resumable",
    "plan_resume",
    "runs_working_on",
    "stored_limit",
    "stored_pool",
    "stored_sandbox",
    "taskfile_of",
]

_POINTER: Final = "taskfile"
_LIMIT: Final = "limit_usd"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumePlan:
    """A run that can be resumed.

    Attributes:
        file: its task file as it is now; None if there is none, and the journal's tasks count.
        changes_accepted: the user goes on although the journal may not be as it was written.
    """

    run: RunRow
    tasks: Sequence[TaskRow]
    file: TaskFile | None
    changes_accepted: bool = False

    @property
    def isolated(self) -> bool:
        """True if its tasks work in worktrees."""
        return self.run.options is not None and self.run.options.isolation is not None

    @property
    def answer_of(self) -> str | None:
        """The task whose answer the user asked for; None of a run of several."""
        wanted = (row for row in self.tasks if row.task.candidate_of is None and row.task.resolves is None)
        return next(wanted).task_id if self.run.kind == TASK_RUN else None

    @property
    def pool(self) -> str | None:
        """The pool of workers that runs its attempts; None for this machine."""
        return self.run.options.pool if self.run.options is not None else None

    @property
    def listed(self) -> tuple[SpawnTask, ...]:
        """The open tasks of the file; a new one also reads those finished tasks of the run that it depends on."""
        if self.file is None:
            return ()
        known = {row.task_id for row in self.tasks}
        done = {row.task_id for row in self.tasks if row.state is TaskState.SUCCEEDED}
        needs = {line.id: line.task.depends_on for line in self.file.lines if line.id not in known}
        return tuple(_with_results(task, done.intersection(needs.get(str(task.id), ()))) for task in self.file.tasks)

    @property
    def wanted(self) -> tuple[SpawnTask, ...]:
        """The tasks that a resume may run: those of the file, and those that comments have opened again."""
        if self.file is None:
            return tuple(row.task for row in self.tasks)
        listed = {task.id for task in self.file.tasks}
        commented = (row.task for row in self.tasks if row.is_commented and row.task_id not in listed)
        return (*self.listed, *commented)

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands of those tasks; those of the file as it has them."""
        written = {line.id for line in self.file.lines} if self.file else set()
        others = (each for task in self.wanted if task.id not in written for each in task.commands)
        return tuple(dict.fromkeys([*(self.file.commands if self.file else ()), *others]))

    @property
    def agents(self) -> frozenset[str]:
        """The agents of the tasks, finished ones included, and of conflicts of their work."""
        return self._agents_of(attempted(self.wanted))

    @property
    def all_agents(self) -> frozenset[str]:
        """The agents of all tasks that a resume loads, also of finished ones that the file has no more."""
        wanted = self.wanted
        listed = {task.id for task in wanted}
        return self._agents_of(attempted([*wanted, *(row.task for row in self.tasks if row.task_id not in listed)]))

    @property
    def open_agents(self) -> frozenset[str]:
        """The agents of the tasks that have not succeeded, and of conflicts, which may come after the last task."""
        done = {row.task_id for row in self.tasks if row.result is not None and row.result.success}
        return self._agents_of(task for task in attempted(self.wanted) if task.id not in done)

    @property
    def titles(self) -> dict[str, str]:
        """The titles of the tasks, by id."""
        from_journal = {row.task_id: row.task.headline for row in self.tasks}
        return from_journal | {line.id: line.title for line in (self.file.lines if self.file else ())}

    def _agents_of(self, tasks: Iterable[SpawnTask]) -> frozenset[str]:
        isolation = self.run.options.isolation if self.run.options is not None else None
        resolver = {isolation.resolver} if isolation is not None and isolation.resolver is not None else set()
        return frozenset(each for task in tasks for each in agents_of(task, self.run.default_agent)) | resolver


def _with_results(task: SpawnTask, done: set[str]) -> SpawnTask:
    met = sorted(done.difference(task.depends_on, task.order_only))
    return replace(task, depends_on=(*task.depends_on, *met)) if met else task


def plan_resume(
    journal: Path,
    run_id: str,
    *,
    backends: Callable[[], Mapping[str, Backend]],
    roster: Callable[[], Roster],
    taskfile: Path | None = None,
    accept_changes: bool = False,
) -> ResumePlan:
    """Finds a run and its task file as it is now; tasks keep the personas that the run found for them.

    Args:
        backends: builds the project's agents; called only if the run has a task file.
        roster: finds the project's personas; called only if a task names one.
        taskfile: replaces the file that the run was made from.
        accept_changes: continue although the run's part of the journal was changed.

    Raises:
        UnknownRunError: the journal has no such run.
        JournalChangedError: its part of the journal is not as it was written.
        NotResumableError: it is a question, or a part of one.
        TaskFileError, GraphError: the file cannot be understood now.
    """
    check_unchanged(journal, run_id, accept=accept_changes)
    run, tasks = find_run(journal, run_id)
    if run.kind not in RUNS_OF_TASKS:
        raise NotResumableError(run_id)
    file = find_taskfile(run, taskfile)
    if file:
        file = keep_assignments(assigned_personas(file, roster, backends(), run.default_agent).file, tasks)
    return ResumePlan(run=run, tasks=tasks, file=file, changes_accepted=accept_changes)


def stored_pool(journal: Path, run_id: str) -> str | None:
    """Returns the pool of workers that a run is on; None for this machine, or without such a run."""
    try:
        options = find_run(journal, run_id)[0].options
    except UnknownRunError:
        return None
    return options.pool if options is not None else None


def stored_sandbox(run: RunRow) -> SandboxMode | None:
    """Returns the use of a sandbox that the command of a run asked for; None if it asked for none."""
    mode = run.options.sandbox if run.options is not None else None
    return None if mode is None else SandboxMode(mode)


def stored_limit(run: RunRow) -> float | None:
    """Returns the most that a run may cost, in US dollars; None if it was given no limit.

    Raises:
        StoredLimitError: the file of an earlier version that stores the limit cannot be read; without it the run
            could cost more than allowed.
    """
    if run.options is not None:
        return run.options.limit_usd
    file = run.spool / run.run_id / _LIMIT
    try:
        return float(file.read_text(encoding="ascii"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StoredLimitError(file) from error


def find_taskfile(run: RunRow, instead: Path | None = None) -> TaskFile | None:
    """Reads the file that a run's tasks came from, in the run's order; None if it came from none, or it is gone.

    Args:
        instead: read this file.

    Raises:
        TaskFileError, GraphError: the file cannot be understood now.
    """
    path = instead or taskfile_of(run)
    if path is None or (instead is None and not path.is_file()):
        return None
    options = run.options or StoredOptions()
    order = next((each for each in ORDERS if each == options.order), None)
    file = with_arguments(read_taskfile(path, order=order, optional=options.optional), options.arguments)
    return file.with_candidates(options.candidates, options.candidate_agents)


def taskfile_of(run: RunRow) -> Path | None:
    """Returns the path of a run's task file; None if it has none. Earlier versions stored it beside the run."""
    if run.options is not None:
        return run.options.taskfile
    try:
        return Path(os.fsdecode((run.spool / run.run_id / _POINTER).read_bytes()))
    except FileNotFoundError:
        return None


def list_resumable(journal: Path) -> list[RunSummary]:
    """Returns the runs of tasks and the questions that can be resumed, the newest first."""
    return [summary for summary in list_checkpoints(journal) if can_resume(summary)]


def runs_working_on(journal: Path, file: Path) -> dict[str, bool]:
    """Returns the runs of a task file that living processes work on.

    Returns:
        For each run, True if it has crashed: its coordinator is dead, and agents of it still work.
    """
    wanted = file.absolute()
    working = {}
    for summary in list_checkpoints(journal):
        if (summary.run.state.settled and not summary.held) or taskfile_of(summary.run) != wanted:
            continue
        if summary.held:
            working[summary.run.run_id] = False
        elif any(task.since and not task.ended for task in run_status(journal, summary.run.run_id).running):
            working[summary.run.run_id] = True
    return working
