"""One lesson: what it says, where it comes from, and how its standing follows from its recalls. Pure."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "PROMOTED_AFTER",
    "CitedLines",
    "Lesson",
    "LessonKind",
    "Recall",
    "Standing",
    "lesson_id_of",
    "lines_digest",
]

PROMOTED_AFTER: Final = 3
"""Recalls in a row that went with a success."""
DROPPED_AFTER: Final = 4
"""Misses since the last recall that went with a success: a failure that repeats the lesson's own counts two."""
_MOST_OPEN: Final = 100


class LessonKind(StrEnum):
    """The origin of a lesson: what had sent the work back, or ended the attempt."""

    CHECK = "check"
    REVIEW = "review"
    COMMENTS = "comments"
    CAUSE = "cause"


class Standing(StrEnum):
    """The standing of a lesson, by its recalls."""

    NEW = "new"
    PROMOTED = "promoted"
    """It goes before others."""
    DROPPED = "dropped"
    """It is not given any more, and not learnt again."""


class Recall(StrEnum):
    """The outcome of the work on a task that was given a lesson."""

    WELL = "well"
    """It succeeded, without a failure of the lesson's kind on the way."""
    REPEATED = "repeated"
    """The failure that the lesson tells of came again."""
    BADLY = "badly"
    """The same check failed in another way, or the work came back for something else."""
    SILENT = "silent"
    """It says nothing of the lesson: it was cancelled, or failed for something of another kind."""


_MISSES: Final = {Recall.REPEATED: 2, Recall.BADLY: 1}


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CitedLines(_Stored):
    """Lines of a file that a lesson rests on; wherever they stand in it.

    Attributes:
        file: relative to the project.
        count: of the lines.
        digest: see `lines_digest`.
    """

    file: str
    count: Annotated[int, Field(ge=1)]
    digest: str


class Lesson(_Stored):
    """Something that one piece of work has shown.

    Attributes:
        id: the same for the same failure of the same persona's work.
        persona: the id of the persona, or the name of the agent, that gets it.
        subject: the check's command, the reviewer, or the name of the cause.
        about: the title of the task.
        attempt: the number of the one whose work came back.
        learnt_at: Unix seconds.
        seen: tasks that have shown it.
        recalls: settled ones that say something; `failures` of them went with a failure.
        streak: recalls in a row that went with a success.
        misses: since the last such recall.
        open: tasks that it was given to, as `run/task`, and that are not settled.
    """

    id: str
    persona: str
    kind: LessonKind
    text: str
    subject: str
    about: str
    run_id: str
    task_id: str
    attempt: int
    learnt_at: float
    cited: tuple[CitedLines, ...] = ()
    seen: int = 1
    standing: Standing = Standing.NEW
    recalls: int = 0
    failures: int = 0
    streak: int = 0
    misses: int = 0
    open: tuple[str, ...] = ()

    @property
    def origin(self) -> str:
        """The task that has shown it, as `run/task`."""
        return f"{self.run_id}/{self.task_id}"

    def given_to(self, work: str) -> Lesson:
        """Returns the lesson once a task, as `run/task`, was given it."""
        if work in self.open:
            return self
        return self.model_copy(update={"open": (*self.open, work)[-_MOST_OPEN:]})

    def settled(self, work: str, recall: Recall) -> Lesson:
        """Returns the lesson after the end of a task that was given it."""
        if work not in self.open:
            return self
        left = tuple(each for each in self.open if each != work)
        return self.model_copy(update={"open": left, **self._counted(recall)})

    def shown_again(self, lesson: Lesson) -> Lesson:
        """Returns the lesson after another task has shown it, with the code that stands there now."""
        if lesson.origin == self.origin:
            return self
        fresh = {name: getattr(lesson, name) for name in ("run_id", "task_id", "attempt", "about", "cited", "text")}
        return self.model_copy(update={**fresh, "learnt_at": lesson.learnt_at, "seen": self.seen + 1})

    def _counted(self, recall: Recall) -> dict[str, object]:
        if recall is Recall.SILENT:
            return {}
        well = recall is Recall.WELL
        streak = self.streak + 1 if well else 0
        misses = 0 if well else self.misses + _MISSES[recall]
        standing = self.standing if well else Standing.NEW
        if streak >= PROMOTED_AFTER:
            standing = Standing.PROMOTED
        elif misses >= DROPPED_AFTER:
            standing = Standing.DROPPED
        counts = {"recalls": self.recalls + 1, "failures": self.failures + (not well)}
        return {**counts, "streak": streak, "misses": misses, "standing": standing}


def lesson_id_of(persona: str, kind: LessonKind, subject: str, essence: str) -> str:
    """Returns the id of a lesson: the same for failures that differ only in numbers.

    Args:
        essence: what was said, without what differs each time.
    """
    named = f"{persona}\0{kind}\0{subject}\0{essence}"
    return hashlib.sha256(named.encode(errors="replace")).hexdigest()[:10]


def lines_digest(lines: Iterable[str]) -> str:
    """Returns the digest of lines, without the blanks at their ends."""
    return hashlib.sha256("\n".join(each.rstrip() for each in lines).encode(errors="replace")).hexdigest()[:16]
