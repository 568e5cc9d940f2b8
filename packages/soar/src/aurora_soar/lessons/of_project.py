"""The lessons of a project at work: given to agents that begin, and settled and learnt at the end of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from aurora_soar.errors import LessonStoreError
from aurora_soar.lessons.choosing import chosen, code_is_there
from aurora_soar.lessons.learnt import lessons_of, went_well
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
        """Counts what became of the tasks of a run that were given lessons, and keeps what the run has shown.

        Doing so again changes nothing.

        Raises:
            JournalError, UnknownRunError: the run cannot be read.
        """
        rows, new = _read(journal, run_id)

        def changed(lessons: Sequence[Lesson]) -> Iterable[Lesson]:
            known = {each.id: _settled(each, run_id, rows) for each in lessons}
            for each in new:
                known[each.id] = known[each.id].shown_again(each) if each.id in known else each
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


def learnt_in(journal: Path, run_id: str) -> list[Lesson]:
    """Returns what a run has shown, whether it is kept or not.

    Raises:
        JournalError, UnknownRunError: the run cannot be read.
    """
    return _read(journal, run_id)[1]


def _read(journal: Path, run_id: str) -> tuple[list[TaskRow], list[Lesson]]:
    with open_journal(journal, run_id) as store:
        run, rows = load_run(store, run_id), load_tasks(store, run_id)
        recoveries = {each.task_id: each.changes for each in load_recoveries(store, run_id)}
    isolation = run.options.isolation if run.options else None

    def changes(before: str, after: str) -> Sequence[FileDiff]:
        return () if isolation is None else changed_between(isolation, before, after)

    found = [
        lesson
        for row in rows
        for lesson in lessons_of(
            row,
            run_id=run_id,
            persona=persona_in(row.task.instructions) or row.task.agent or run.default_agent,
            changes=changes,
            recovery=recoveries.get(row.task_id, ()),
        )
    ]
    return rows, list({each.id: each for each in found}.values())


def _settled(lesson: Lesson, run_id: str, rows: Sequence[TaskRow]) -> Lesson:
    for row in rows:
        if row.state.settled:
            lesson = lesson.settled(f"{run_id}/{row.task_id}", went_well(row, lesson))
    return lesson
