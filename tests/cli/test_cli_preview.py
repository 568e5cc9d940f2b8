"""The preview of a task file's run, for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aurora_cli.render import preview
from aurora_soar import SpawnPlan
from aurora_spawner import CommandBackend, read_taskfile

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


def plan(tasks: Path) -> SpawnPlan:
    backends = {
        "local": CommandBackend(name="local", command=("true",)),
        "reviewer": CommandBackend(name="reviewer", command=("true",), timeout_s=60.0),
    }
    return SpawnPlan(
        file=read_taskfile(tasks),
        backends=backends,
        default_agent="local",
        max_concurrent=4,
        timeout_s=120.0,
        policies=None,
    )


def test_the_preview_names_tasks_agents_limits_and_dependencies(tasks: Path) -> None:
    text = preview.as_text(plan(tasks))
    assert "3 tasks to run, 1 already done" in text
    assert "  2  Read the parser  (@local, timeout 120 s)" in text
    assert "  3  Review it  (@reviewer, timeout 60 s, after 2, not critical)" in text
    assert "4 concurrent · default policies" in text


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
