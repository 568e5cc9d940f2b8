"""What the journal of a finished task shows: the lessons of work that came back and was mended. Pure."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING, Final

from aurora_soar.lessons.lesson import CitedLines, Lesson, LessonKind, lesson_id_of, lines_digest
from aurora_spawner.classification.causes import Cause
from aurora_spawner.gates.masking import masked
from aurora_spawner.tasks.checked import CheckOutcome
from aurora_spawner.tasks.prompts import shorten
from aurora_spawner.tasks.result import TaskState
from aurora_spawner.tasks.returned import ReturnedFor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from aurora_spawner.journal.views import TaskRow
    from aurora_spawner.tasks.checked import CheckedWork
    from aurora_spawner.tasks.diff_gate import FileDiff

__all__ = ["lessons_of", "telling_lines", "went_well"]


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
_RETURNED: Final[Mapping[ReturnedFor, LessonKind]] = {
    ReturnedFor.REVIEW: LessonKind.REVIEW,
    ReturnedFor.COMMENTS: LessonKind.COMMENTS,
}


def lessons_of(
    row: TaskRow,
    *,
    run_id: str,
    persona: str,
    changes: Callable[[str, str], Sequence[FileDiff]],
    recovery: Sequence[Mapping[str, object]] = (),
) -> Iterator[Lesson]:
    """Yields what a task that has succeeded has shown.

    Args:
        persona: who did it.
        changes: returns what differs between two commits.
        recovery: the changes of the state of its recovery, as the journal has them.
    """
    if row.state is not TaskState.SUCCEEDED or row.result is None:
        return
    work = row.result.work

    def lesson(kind: LessonKind, subject: str, said: str, *, attempt: int, before: str | None) -> Lesson:
        mended = changes(before, work.head) if work is not None and before is not None else ()
        about = _plain(row.task.headline)[:_LINE_LIMIT]
        return Lesson(
            id=lesson_id_of(persona, kind, subject, _VARYING.sub("#", said)),
            persona=persona,
            kind=kind,
            text=_text(kind, subject, said, about, [each.path for each in mended]),
            subject=subject,
            about=about,
            run_id=run_id,
            task_id=row.task_id,
            attempt=attempt,
            learnt_at=row.ended_at or 0.0,
            cited=tuple(_cited(mended)),
        )

    for checked in _mended_checks(row.checked):
        said = "\n".join(telling_lines(checked.failed.output)) if checked.failed else ""
        command = checked.failed.command if checked.failed else ""
        yield lesson(LessonKind.CHECK, command, said, attempt=checked.number, before=checked.commit)
    commits = {each.number: each.commit for each in row.checked}
    for sent in row.returned:
        if sent.reason in _RETURNED:
            said = shorten(_plain("\n".join(sent.remarks)), _REMARK_LIMIT)
            before = commits.get(sent.number) or (work.base if work else None)
            yield lesson(_RETURNED[sent.reason], sent.source, said, attempt=sent.number, before=before)
    for number, change in enumerate(_failures(recovery), start=1):
        said = _plain(str(change.get("error") or ""))[:_LINE_LIMIT]
        yield lesson(LessonKind.CAUSE, str(change["cause"]), said, attempt=number, before=None)


def went_well(row: TaskRow, lesson: Lesson) -> bool | None:
    """Returns True if a task that was given a lesson needed no mending, False if it did or failed for it.

    None if its end says nothing of the lesson: the task was cancelled, or failed for something else.
    """
    if lesson.kind is LessonKind.CHECK:
        failed = any(each.failed and each.failed.command == lesson.subject for each in row.checked)
    else:
        failed = any(each.reason in _RETURNED for each in row.returned)
    if failed:
        return False
    return True if row.state is TaskState.SUCCEEDED else None


def telling_lines(output: str, most: int = _LINES) -> list[str]:
    """Returns the first lines of a check's output that name an error; its last lines if none does."""
    lines = [" ".join(_plain(line).split())[:_LINE_LIMIT] for line in output.splitlines()]
    lines = [line for line in lines if any(map(str.isalnum, line))]
    telling = [line for line in lines if _TELLS.search(line)]
    return list(dict.fromkeys(telling))[:most] or lines[-most:]


def _mended_checks(rounds: Sequence[CheckedWork]) -> Iterator[CheckedWork]:
    """Yields the first failed round of each command whose checks passed in the end."""
    if not rounds or not rounds[-1].passed:
        return
    seen = set()
    for each in rounds:
        if each.outcome is CheckOutcome.FAILED and each.failed and each.failed.command not in seen:
            seen.add(each.failed.command)
            yield each


def _failures(recovery: Sequence[Mapping[str, object]]) -> list[Mapping[str, object]]:
    found = {str(each["cause"]): each for each in recovery if each.get("cause") in _TEACHING}
    return list(found.values())


def _text(kind: LessonKind, subject: str, said: str, about: str, files: Sequence[str]) -> str:
    named = ", ".join(files[:_FILES]) + (f" and {len(files) - _FILES} more" if len(files) > _FILES else "")
    mended = f"\nIt was mended by changes of {named}." if files else ""
    if kind is LessonKind.CHECK:
        return f"In work on {about!r} the check `{_plain(subject)[:_LINE_LIMIT]}` failed:\n{said}{mended}"
    if kind is LessonKind.CAUSE:
        return f"In work on {about!r} an attempt ended ({subject}): {said}\nA later attempt succeeded."
    who = "the user commented" if kind is LessonKind.COMMENTS else "the reviewer sent the work back"
    return f"In work on {about!r} {who}:\n{said}{mended}"


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
