"""Choice of the lessons for a task, within a budget. Pure but for the code that they cite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_core.bounded import read_regular
from aurora_soar.lessons.lesson import LessonKind, Standing, lines_digest
from aurora_soar.personas.wording import FUNCTION_WORDS, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from aurora_soar.lessons.lesson import CitedLines, Lesson
    from aurora_spawner import SpawnTask

__all__ = ["LESSON_TOKENS", "MOST_LESSONS", "chosen", "code_is_there"]

LESSON_TOKENS: Final = 600
"""The most that the lessons of one prompt may take, one token counted for each 4 bytes."""
MOST_LESSONS: Final = 5
_BYTES_PER_TOKEN: Final = 4
_COMMON_WORDS: Final = 2
"""The words that a lesson without a check must share with the task."""
_LARGEST: Final = 4_000_000


def chosen(
    lessons: Iterable[Lesson],
    task: SpawnTask,
    *,
    persona: str,
    checks: tuple[str, ...],
    holds: Callable[[Lesson], bool],
) -> list[Lesson]:
    """Returns the lessons that a task's agent is given: promoted ones first, then those about like work.

    One of a check is given where that check will judge the work, any other where the task has words of it.

    Args:
        checks: the commands that must pass on the task's work.
        holds: True of a lesson whose code is as it was.
    """
    asked = _words(f"{task.headline}\n{task.prompt}")
    fitting = []
    for each in lessons:
        common = len(asked & _words(f"{each.about}\n{each.text}"))
        fits = each.subject in checks if each.kind is LessonKind.CHECK else common >= _COMMON_WORDS
        if fits and each.persona == persona and each.standing is not Standing.DROPPED:
            fitting.append((each.standing is Standing.PROMOTED, common, each.learnt_at, each))
    fitting.sort(key=lambda found: found[:3], reverse=True)
    return _within_budget(each for *_, each in fitting if holds(each))


def code_is_there(lesson: Lesson, root: Path) -> bool:
    """Returns True if the files of a project have all lines that a lesson cites."""
    return all(_has(root, each) for each in lesson.cited)


def _within_budget(lessons: Iterable[Lesson]) -> list[Lesson]:
    taken: list[Lesson] = []
    left = LESSON_TOKENS * _BYTES_PER_TOKEN
    for each in lessons:
        size = len(each.text.encode(errors="replace"))
        if size <= left:
            taken.append(each)
            left -= size
        if len(taken) == MOST_LESSONS:  # no further one is looked for in the files
            break
    return taken


def _words(text: str) -> set[str]:
    return {each.lower() for each in words(text)} - FUNCTION_WORDS


def _has(root: Path, cited: CitedLines) -> bool:
    try:
        path = (root / cited.file).resolve()
        if not path.is_relative_to(root.resolve()):
            return False
        lines = read_regular(path, _LARGEST).decode(errors="replace").split("\n")
    except (OSError, ValueError):
        return False
    windows = (lines[at : at + cited.count] for at in range(len(lines) - cited.count + 1))
    return any(lines_digest(each) == cited.digest for each in windows)
