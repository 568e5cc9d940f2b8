"""Lessons of earlier work for agents that begin: the port that has them, and how a prompt has them as data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from aurora_spawner.tasks.prompts import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aurora_spawner.tasks.task import SpawnTask

LESSONS_HEADING: Final = "Lessons from earlier work on this project; they may not apply to this task:"
"""The sentence before the lessons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenLesson:
    """A lesson as an agent gets it."""

    source: str
    """Its name, and the work that it comes from."""
    text: str


class LessonSource(Protocol):
    """Has the lessons of earlier work."""

    def given(self, run_id: str, task: SpawnTask, agent: str) -> Sequence[GivenLesson]:
        """Returns the lessons for an agent that begins a task, and notes that it got them; this raises nothing."""
        ...

    def settle(self, journal: Path, run_id: str) -> None:
        """Counts what became of the tasks that were given lessons, and keeps what a run has shown.

        Raises:
            JournalError: The run cannot be read.
        """
        ...


def prompt_with_lessons(prompt: str, lessons: Sequence[GivenLesson], *, as_json: bool = False) -> str:
    """Returns a prompt that ends with lessons, as data.

    Args:
        as_json: The prompt is a JSON object, and gets them as `lessons`.
    """
    if as_json:
        told = [{"source": each.source, "text": each.text} for each in lessons]
        return json.dumps({**json.loads(prompt), "lessons": told}, ensure_ascii=False)
    parts = [(each.source, each.text) for each in lessons]
    return f"{prompt.rstrip()}\n\n{LESSONS_HEADING}\n{quoted(parts, by='earlier work')}"
