"""A task file on its way to a run: agents are found before anything starts, boxes are ticked as tasks succeed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aurora_cli.errors import UnknownAgentError
from aurora_cli.render import preview
from aurora_cli.spawning import TICK_EVERY_S, SpawnPlan, Ticker, plan_spawn
from aurora_spawner import CommandBackend, RunEvent, SpawnResult, TaskEnded, TaskState, read_taskfile

if TYPE_CHECKING:
    from pathlib import Path

TASKS = """\
# Plan

- [x] 1 Look around
- [ ] 2 Read the parser
  - Depends: 1
- [ ] 3 Review it
  - Agent: @reviewer
  - Depends: 2
  - Critical: no
- [ ] 4 Say it
  - Timeout: 5m
"""


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    path = tmp_path / "tasks.md"
    path.write_text(TASKS, encoding="utf-8")
    return path


def plan(tasks: Path, *, default_agent: str = "local") -> SpawnPlan:
    backends = {
        "local": CommandBackend(name="local", command=("true",)),
        "reviewer": CommandBackend(name="reviewer", command=("true",), timeout_s=60.0),
    }
    return plan_spawn(
        read_taskfile(tasks),
        backends=backends,
        default_agent=default_agent,
        default_from="tool (flag)",
        max_concurrent=4,
        timeout_s=120.0,
        policies=None,
    )


def test_a_task_gets_its_own_agent_else_the_default(tasks: Path) -> None:
    made = plan(tasks)
    assert [made.agent_of(task) for task in made.file.tasks] == ["local", "reviewer", "local"]
    assert made.agents == ("local", "reviewer")


def test_the_time_limit_is_the_tasks_else_the_backends_else_the_policies(tasks: Path) -> None:
    made = plan(tasks)
    assert [made.timeout_of(task) for task in made.file.tasks] == [120.0, 60.0, 300.0]


def test_an_unknown_agent_is_named_with_its_line_and_the_nearest_known(tasks: Path) -> None:
    tasks.write_text(TASKS.replace("@reviewer", "@reviwer"), encoding="utf-8")
    with pytest.raises(UnknownAgentError) as raised:
        plan(tasks)
    assert raised.value.where == f"{tasks}:6"
    assert "did you mean 'reviewer'?" in raised.value.hint
    assert "local, reviewer" in raised.value.hint


def test_an_unknown_default_agent_is_named_with_where_it_was_set(tasks: Path) -> None:
    with pytest.raises(UnknownAgentError, match="no agent named 'gpt'") as raised:
        plan(tasks, default_agent="gpt")
    assert raised.value.where == "tool (flag)"


def test_the_preview_names_tasks_agents_limits_and_dependencies(tasks: Path) -> None:
    text = preview.as_text(plan(tasks))
    assert "3 tasks to run, 1 done already" in text
    assert "  2  Read the parser  (@local, at most 120 s)" in text
    assert "  3  Review it  (@reviewer, at most 60 s, after 2, not critical)" in text
    assert "4 at once; limits from the default policies" in text


def test_a_long_preview_is_cut_and_says_so(tasks: Path) -> None:
    text = preview.as_text(plan(tasks), limit=1)
    assert "… and 2 more (--dry-run shows all)" in text
    assert "Review it" not in text


def test_the_preview_for_programs_has_every_task(tasks: Path) -> None:
    document = preview.as_document(plan(tasks))
    assert document["done"] == ["1"]
    listed = document["tasks"]
    assert isinstance(listed, list)
    assert [task["id"] for task in listed] == ["2", "3", "4"]
    assert listed[1]["depends_on"] == ["2"]


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def ended(task_id: str, state: TaskState = TaskState.SUCCEEDED) -> RunEvent:
    result = SpawnResult(task_id=task_id, agent="local", state=state)
    return TaskEnded(task_id=task_id, result=result)


def test_boxes_are_ticked_while_the_run_goes_on_and_at_its_end(tasks: Path) -> None:
    clock = Clock()
    ticker = Ticker(read_taskfile(tasks), clock=clock)
    ticker.follow(ended("2"))
    assert "- [ ] 2 " in tasks.read_text(encoding="utf-8")
    clock.now = TICK_EVERY_S
    ticker.follow(ended("3", TaskState.FAILED))
    assert "- [x] 2 " in tasks.read_text(encoding="utf-8")
    ticker.follow(ended("4"))
    ticker.flush()
    text = tasks.read_text(encoding="utf-8")
    assert "- [x] 4 " in text
    assert "- [ ] 3 " in text
    assert ticker.notices == []


def test_a_line_that_was_changed_meanwhile_is_left_alone_and_said(tasks: Path) -> None:
    ticker = Ticker(read_taskfile(tasks))
    tasks.write_text(TASKS.replace("Say it", "Sing it"), encoding="utf-8")
    ticker.follow(ended("4"))
    ticker.flush()
    assert "- [ ] 4 Sing it" in tasks.read_text(encoding="utf-8")
    assert len(ticker.notices) == 1


def test_a_file_that_vanished_is_a_notice_and_not_the_end(tasks: Path) -> None:
    ticker = Ticker(read_taskfile(tasks))
    tasks.unlink()
    ticker.follow(ended("4"))
    ticker.flush()
    assert "tasks.md" in ticker.notices[0]
