"""Lessons from the journal of a task: of work that came back and was mended, and how recalls of others went. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from aurora_soar.lessons.lesson import CitedLines, Lesson, LessonKind, Recall, lesson_id_of, lines_digest
from aurora_spawner.classification.causes import Cause
from aurora_spawner.gates.masking import masked
from aurora_spawner.tasks.checked import CheckOutcome
from aurora_spawner.tasks.diff_gate import FileDiff
from aurora_spawner.tasks.prompts import shorten
from aurora_spawner.tasks.result import TaskState
from aurora_spawner.tasks.returned import ReturnedFor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from aurora_spawner.journal.views import TaskRow

__all__ = ["Failure", "failures_of", "lessons_of", "recall_in", "telling_lines"]


Changes = Callable[[str, str], Sequence[FileDiff]]

_LINES: Final = 3
_LINE_LIMIT: Final = 200
_REMARK_LIMIT: Final = 500
_FILES: Final = 5
_CITED: Final = 5
_CITED_LINES: Final = 20
_TELLS: Final = re.compile(
    r"error|fail|exception|assert|expected|missing|must|cannot|not found|undefined|denied|refused|unused",
    re.IGNORECASE,
)
_VARYING: Final = re.compile(r"0x[0-9a-fA-F]+|\d+")
_TEACHING: Final = frozenset(
    {
        Cause.TOO_LARGE,
        Cause.DEADLINE,
        Cause.STALLED,
        Cause.MEMORY,
        Cause.DISK,
        Cause.PROCESSES,
        Cause.NOT_ALLOWED,
        Cause.BAD_USAGE,
        Cause.LIMIT_REACHED,
    }
)
"""The causes that lie in how the work was done; an overloaded provider teaches nothing."""
_ITS_OWN: Final = frozenset({CheckOutcome.FAILED, CheckOutcome.UNCHANGED})
"""The ends of a check that lie in the work."""
_RETURNED: Final[Mapping[ReturnedFor, LessonKind]] = {
    ReturnedFor.REVIEW: LessonKind.REVIEW,
    ReturnedFor.COMMENTS: LessonKind.COMMENTS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The reason for which the work of an attempt came back, or the attempt ended.

    Attributes:
        id: that of the lesson which it would be.
        attempt: its number.
        before: the commit with the work that came back; None if nothing was to be mended.
    """

    id: str
    kind: LessonKind
    subject: str
    said: str
    attempt: int
    before: str | None


def failures_of(row: TaskRow, persona: str, recovery: Sequence[Mapping[str, object]] = ()) -> list[Failure]:
    """Returns what went wrong in a task, mended or not, each once.

    Args:
        persona: who does it.
        recovery: the changes of the state of its recovery, as the journal has them.
    """

    def failure(kind: LessonKind, subject: str, said: str, attempt: int, before: str | None) -> Failure:
        name = lesson_id_of(persona, kind, subject, _VARYING.sub("#", said))
        return Failure(id=name, kind=kind, subject=subject, said=said, attempt=attempt, before=before)

    found = []
    for checked in row.checked:
        if checked.outcome in _ITS_OWN and checked.failed:
            said = "\n".join(telling_lines(checked.failed.output))
            found.append(failure(LessonKind.CHECK, checked.failed.command, said, checked.number, checked.commit))
    commits = {each.number: each.commit for each in row.checked}
    for sent in row.returned:
        if sent.reason in _RETURNED:
            said = shorten(_plain("\n".join(sent.remarks)), _REMARK_LIMIT)
            found.append(
                failure(
                    _RETURNED[sent.reason], sent.source, said, sent.number, commits.get(sent.number) or _base(row)
                )
            )
    for number, change in enumerate(recovery, start=1):
        if change.get("cause") in _TEACHING:
            said = _plain(str(change.get("error") or ""))[:_LINE_LIMIT]
            found.append(failure(LessonKind.CAUSE, str(change["cause"]), said, number, None))
    return list({each.id: each for each in reversed(found)}.values())[::-1]


def lessons_of(
    row: TaskRow, failures: Iterable[Failure], *, run_id: str, persona: str, changes: Changes
) -> Iterator[Lesson]:
    """Yields what a task has shown: each failure after which it succeeded, with the change that mended it.

    Args:
        changes: returns what differs between two commits.
    """
    proven = not row.checked or row.checked[-1].passed
    if row.state is not TaskState.SUCCEEDED or row.result is None or not proven:
        return
    work = row.result.work
    about = _plain(row.task.headline)[:_LINE_LIMIT]
    for each in failures:
        mended = changes(each.before, work.head) if work is not None and each.before is not None else ()
        yield Lesson(
            id=each.id,
            persona=persona,
            kind=each.kind,
            text=_text(each, about, [file.path for file in mended]),
            subject=each.subject,
            about=about,
            run_id=run_id,
            task_id=row.task_id,
            attempt=each.attempt,
            learnt_at=row.ended_at or 0.0,
            cited=tuple(_cited(mended)),
        )


def recall_in(row: TaskRow, failures: Iterable[Failure], lesson: Lesson) -> Recall:
    """Returns how a recall of a lesson went, in a task that was given it."""
    of_its_kind = [
        each
        for each in failures
        if each.kind is lesson.kind and (each.subject == lesson.subject or each.kind is not LessonKind.CHECK)
    ]
    if any(each.id == lesson.id for each in of_its_kind):
        return Recall.REPEATED
    if of_its_kind:
        return Recall.BADLY
    return Recall.WELL if row.state is TaskState.SUCCEEDED else Recall.SILENT


def telling_lines(output: str, most: int = _LINES) -> list[str]:
    """Returns the first lines of a check's output that name an error; its last lines if none does."""
    lines = [" ".join(_plain(line).split())[:_LINE_LIMIT] for line in output.splitlines()]
    lines = [line for line in lines if any(map(str.isalnum, line))]
    telling = [line for line in lines if _TELLS.search(line)]
    return list(dict.fromkeys(telling))[:most] or lines[-most:]


def _base(row: TaskRow) -> str | None:
    return row.result.work.base if row.result and row.result.work else None


def _text(failure: Failure, about: str, files: Sequence[str]) -> str:
    named = ", ".join(files[:_FILES]) + (f" and {len(files) - _FILES} more" if len(files) > _FILES else "")
    mended = f"\nIt was mended by changes of {named}." if files else ""
    work, said = f"In work on {about!r}", failure.said
    if failure.kind is LessonKind.CHECK:
        return f"{work} the check `{_plain(failure.subject)[:_LINE_LIMIT]}` failed:\n{said}{mended}"
    if failure.kind is LessonKind.CAUSE:
        return f"{work} an attempt ended ({failure.subject}): {said}\nA later attempt succeeded."
    who = "the user commented" if failure.kind is LessonKind.COMMENTS else "the reviewer sent the work back"
    return f"{work} {who}:\n{said}{mended}"


def _cited(mended: Iterable[FileDiff]) -> Iterator[CitedLines]:
    """Yields the added lines of a mend, the first ones of each file."""
    for each in [each for each in mended if each.added and not each.is_link][:_CITED]:
        _, block = next(groupby(enumerate(each.added), key=lambda pair: pair[1][0] - pair[0]))
        lines = [text for _, (_, text) in block][:_CITED_LINES]
        if any(line.strip() for line in lines):
            yield CitedLines(file=each.path, count=len(lines), digest=lines_digest(lines))


def _plain(text: str) -> str:
    """Returns a text without keys, and without characters that control a terminal."""
    return "".join(each for each in masked(text) if each.isprintable() or each == "\n")
