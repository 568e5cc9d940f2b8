"""The lessons of a project at work: given to agents that begin, and settled and learnt at the end of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from aurora_soar.errors import LessonStoreError
from aurora_soar.lessons.choosing import chosen, code_is_there
from aurora_soar.lessons.learnt import failures_of, lessons_of, recall_in
from aurora_soar.notices import Notice, Notify, log_notice
from aurora_soar.personas.assignment import persona_in
from aurora_spawner.control.lookup import open_journal
from aurora_spawner.control.mends import changed_between
from aurora_spawner.journal.recovery_views import load_recoveries
from aurora_spawner.journal.views import load_run, load_tasks
from aurora_spawner.tasks.lessons import GivenLesson

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from aurora_soar.lessons.learnt import Failure
    from aurora_soar.lessons.lesson import Lesson
    from aurora_soar.lessons.store import LessonStore
    from aurora_spawner import SpawnTask
    from aurora_spawner.journal.views import TaskRow
    from aurora_spawner.tasks.diff_gate import FileDiff

__all__ = ["ProjectLessons", "learnt_in"]


@dataclass(slots=True, kw_only=True)
class ProjectLessons:
    """Gives the agents of a run the lessons of their personas; meets `LessonSource` of the spawner.

    Attributes:
        root: of the project, whose files lessons cite.
        checks: commands that must pass on the work of each task.
        notify: is told once if the store cannot be used.
    """

    store: LessonStore
    root: Path
    checks: tuple[str, ...] = ()
    notify: Notify = log_notice
    _told: bool = field(default=False, init=False)

    def given(self, run_id: str, task: SpawnTask, agent: str) -> Sequence[GivenLesson]:
        """Returns the lessons for an agent that begins a task, and counts them as recalled by it."""
        if task.resolves is not None:  # a conflict is work of another kind
            return ()
        found: list[Lesson] = []
        checks = (*self.checks, *task.checks, *((task.until,) if task.until else ()))
        choose = partial(
            chosen, persona=persona_in(task.instructions) or task.agent or agent, checks=checks, holds=self._holds
        )

        def recalled(lessons: Sequence[Lesson]) -> Iterable[Lesson]:
            found.extend(choose(lessons, task))
            ids = {each.id for each in found}
            return (each.given_to(f"{run_id}/{task.id}") if each.id in ids else each for each in lessons)

        try:
            if self.store.all():
                self.store.change(recalled)
        except LessonStoreError as error:
            self._tell(error)
        return [GivenLesson(source=f"lesson {each.id}, from {each.origin}", text=each.text) for each in found]

    def settle(self, journal: Path, run_id: str) -> None:
        """Counts how the recalls of a run went, and keeps what the run has shown.

        Doing so again changes nothing.

        Raises:
            JournalError, UnknownRunError: the run cannot be read.
        """
        ended = _read(journal, run_id)

        def changed(lessons: Sequence[Lesson]) -> Iterable[Lesson]:
            known = {each.id: each for each in lessons}
            for task in ended:
                work = f"{run_id}/{task.row.task_id}"
                for each in (told for told in lessons if work in told.open):
                    known[each.id] = known[each.id].settled(work, recall_in(task.row, task.failures, each))
                for new in task.lessons:
                    known[new.id] = known[new.id].shown_again(new) if new.id in known else new
            return known.values()

        try:
            self.store.change(changed)
        except LessonStoreError as error:
            self._tell(error)

    def _holds(self, lesson: Lesson) -> bool:
        return code_is_there(lesson, self.root)

    def _tell(self, error: LessonStoreError) -> None:
        if not self._told:
            self._told = True
            self.notify(Notice(message=f"no lessons are given or kept: {error}", warning=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """A task that has ended, with what it shows."""

    row: TaskRow
    failures: Sequence[Failure]
    lessons: Sequence[Lesson]


def learnt_in(journal: Path, run_id: str) -> list[Lesson]:
    """Returns what a run has shown, whether it is kept or not.

    Raises:
        JournalError, UnknownRunError: the run cannot be read.
    """
    return [lesson for task in _read(journal, run_id) for lesson in task.lessons]


def _read(journal: Path, run_id: str) -> list[_Ended]:
    with open_journal(journal, run_id) as store:
        run, rows = load_run(store, run_id), load_tasks(store, run_id)
        recoveries = {each.task_id: each.changes for each in load_recoveries(store, run_id)}
    isolation = run.options.isolation if run.options else None

    def changes(before: str, after: str) -> Sequence[FileDiff]:
        return () if isolation is None else changed_between(isolation, before, after)

    found = []
    for row in rows:
        if row.state.settled:
            persona = persona_in(row.task.instructions) or row.task.agent or run.default_agent
            failures = failures_of(row, persona, recoveries.get(row.task_id, ()))
            lessons = lessons_of(row, failures, run_id=run_id, persona=persona, changes=changes)
            found.append(_Ended(row=row, failures=failures, lessons=tuple(lessons)))
    return found
