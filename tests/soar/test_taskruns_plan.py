"""A plan finds the agents of a task file before anything starts; its boxes are ticked as tasks succeed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aurora_soar import SpawnPlan, UnknownAgentError
from aurora_soar.taskruns.checkboxes import UPDATE_EVERY_S, Checkboxes
from aurora_soar.taskruns.plan import check_agents
from aurora_spawner import CommandBackend, RunEvent, SpawnResult, TaskState, read_taskfile
from aurora_spawner.tasks.run_events import TaskEnded

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
    made = SpawnPlan(
        file=read_taskfile(tasks),
        backends=backends,
        default_agent=default_agent,
        max_concurrent=4,
        timeout_s=120.0,
        policies=None,
    )
    check_agents(made, default_from="tool (flag)")
    return made


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
    assert "local, reviewer" in raised.value.hint


@pytest.mark.parametrize("text", ["- [ ] 1 Review it\n  - Agent: reviewer\n", "- [x] 1 Done\n"])
def test_an_unknown_default_agent_is_refused_although_no_task_needs_it(tasks: Path, text: str) -> None:
    tasks.write_text(text, encoding="utf-8")
    with pytest.raises(UnknownAgentError, match="no agent named 'gpt'"):
        plan(tasks, default_agent="gpt")


def test_a_known_default_agent_that_is_not_installed_is_refused_if_a_task_needs_it(tasks: Path) -> None:
    with pytest.raises(UnknownAgentError, match="claude is not on PATH"):
        plan(tasks, default_agent="claude")
    tasks.write_text("- [ ] 1 Review it\n  - Agent: reviewer\n", encoding="utf-8")
    assert plan(tasks, default_agent="claude").agents == ("reviewer",)


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
    boxes = Checkboxes(read_taskfile(tasks), clock=clock)
    boxes.follow(ended("2"))
    assert "- [ ] 2 " in tasks.read_text(encoding="utf-8")
    clock.now = UPDATE_EVERY_S
    boxes.follow(ended("3", TaskState.FAILED))
    assert "- [x] 2 " in tasks.read_text(encoding="utf-8")
    boxes.follow(ended("4"))
    boxes.flush()
    text = tasks.read_text(encoding="utf-8")
    assert "- [x] 4 " in text
    assert "- [ ] 3 " in text
    assert boxes.notices == []


def test_a_line_that_was_changed_meanwhile_is_left_alone_and_said(tasks: Path) -> None:
    boxes = Checkboxes(read_taskfile(tasks))
    tasks.write_text(TASKS.replace("Say it", "Sing it"), encoding="utf-8")
    boxes.follow(ended("4"))
    boxes.flush()
    assert "- [ ] 4 Sing it" in tasks.read_text(encoding="utf-8")
    assert len(boxes.notices) == 1


def test_a_file_that_vanished_is_a_notice_and_not_the_end(tasks: Path) -> None:
    boxes = Checkboxes(read_taskfile(tasks))
    tasks.unlink()
    boxes.follow(ended("4"))
    boxes.flush()
    assert "tasks.md" in boxes.notices[0]
