"""Lessons as lines and as data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_cli.render.words import count, one_line
from aurora_soar.lessons.choosing import code_is_there
from aurora_soar.lessons.lesson import Standing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from aurora_soar.lessons.lesson import Lesson

__all__ = ["as_documents", "as_lines"]


def as_lines(lessons: Sequence[Lesson], root: Path) -> Iterator[str]:
    """Yields two lines for each lesson: its id, state, persona, recalls and origin; and what it says.

    Args:
        root: of the project whose files they cite.
    """
    for each in lessons:
        recalls = f"{count(each.recalls, 'recall')}, {each.failures} with a failure"
        persona, state = one_line(each.persona, 40), _state(each, root)
        yield f"{each.id}  {state:<8}  {persona}  {recalls}  from {one_line(each.origin)}"
        yield f"    {one_line(each.text, 300)}"


def as_documents(lessons: Sequence[Lesson], root: Path) -> list[dict[str, object]]:
    """Returns lessons as data for `--json`."""
    return [{**each.model_dump(mode="json"), "state": _state(each, root)} for each in lessons]


def _state(lesson: Lesson, root: Path) -> str:
    if lesson.standing is Standing.DROPPED or code_is_there(lesson, root):
        return lesson.standing
    return "stale"
