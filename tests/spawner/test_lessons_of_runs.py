"""Lessons in a run: whoever begins a task is given them, once an attempt; reviewers and rounds are not."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from aurora_spawner import Run, RunOptions, SpawnTask
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder
from aurora_spawner.tasks.lessons import LESSONS_HEADING, GivenLesson
from aurora_spawner.tasks.review import Reviewer
from aurora_spawner.testing import SimulatedBackend, SimulatedExecutor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aurora_spawner.tasks.lessons import LessonSource


class Lessons:
    """One lesson for each task, and the record of who got it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str | None, str]] = []

    def given(self, run_id: str, task: SpawnTask, agent: str) -> Sequence[GivenLesson]:
        with pytest.raises(RuntimeError, match="no running event loop"):  # this may wait for another process
            asyncio.get_running_loop()
        self.asked.append((task.id, agent))
        return [GivenLesson(source=f"lesson of {run_id}", text="the parser needs a header")]

    def settle(self, journal: Path, run_id: str) -> None:
        raise AssertionError(f"{journal} {run_id}: a run itself settles nothing")


def prompts(folder: Path, lessons: LessonSource | None) -> list[tuple[str, bool]]:
    """The agents of a run with a round, and if the prompt of each has lessons."""
    verdicts = ["send_back", "approve"]

    def agent(order: AttemptOrder) -> AttemptEnd:
        reasons = [{"reason": "not so"}]
        verdict = {"verdict": verdicts.pop(0), "summary": "s", "reasons": reasons} if order.agent == "critic" else {}
        return AttemptEnd(reason=EndReason.EXITED, exit_code=0, stdout=json.dumps(verdict))

    executor = SimulatedExecutor(agent=agent)
    options = RunOptions(default_agent="a", cwd=folder, spool=folder / "runs", executor=executor, lessons=lessons)
    tasks = [SpawnTask("Find it", id="1", review=Reviewer(agent="critic", instructions="Be strict."))]
    backends = {name: SimulatedBackend(name) for name in ("a", "critic")}
    assert Run.create(folder / "runs.db", tasks, backends, options).execute_sync().ok
    return [(order.agent, LESSONS_HEADING in order.prompt) for order in executor.orders]


def test_only_an_agent_that_begins_is_given_lessons(tmp_path: Path) -> None:
    lessons = Lessons()
    assert prompts(tmp_path, lessons) == [("a", True), ("critic", False), ("a", False), ("critic", False)]
    assert lessons.asked == [("1", "a")]


def test_without_lessons_prompts_are_as_they_were(tmp_path: Path) -> None:
    assert not any(given for _agent, given in prompts(tmp_path, None))
