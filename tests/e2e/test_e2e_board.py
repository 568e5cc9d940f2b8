"""Real Claude Code and Codex tell each other what each needs, through the board of their run."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.e2e.stage import AUR
from tests.e2e.wirings import wiring

from aurora_spawner.control.board import posts_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.stage import Stage

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("first", "second"), [("claude", "codex"), ("codex", "claude")])
def test_two_agents_finish_together_what_neither_can_alone(
    first: str, second: str, stage: Stage, need: Callable[[str], None]
) -> None:
    need(first)
    need(second)
    stage.config = {"agent_tools": True, "isolation": "none"}
    stage.add_agent(first, "first-half", f"first-{first}")
    stage.add_agent(second, "second-half", f"second-{second}")
    stage.add_task(f"first-{first}", "Find the number")
    stage.add_task(f"second-{second}", "Find the number, too")
    played = stage.play()
    assert played.status == 0, played.told
    numbers = [(stage.project / f"whole-{task}.txt").read_text().strip() for task in "12"]
    assert numbers == ["42", "42"]
    posts = posts_of(stage.project / ".aurora" / "runs.db", played.document["run_id"])
    assert [(each.task_id, each.agent, each.to.task, each.text) for each in posts] == [
        ("1", f"first-{first}", "2", "the first half is 4"),
        ("2", f"second-{second}", "1", "the second half is 2"),
    ]
    assert played.left_over() == []


def test_claude_code_finds_the_skill_that_init_writes(stage: Stage, need: Callable[[str], None]) -> None:
    need("claude")
    stage.home.mkdir()
    stage.project.mkdir()
    environ = {**stage.environ, **wiring("claude", "crowd", "skilled", stage.home)["env"]}

    def inside(*command: str) -> str:
        return subprocess.run(
            stage.cell.inside(*command),
            cwd=stage.project,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=True,
        ).stdout

    inside(str(AUR), "init", "--no-index", "--skill")
    events = map(json.loads, inside("claude", "-p", "Hi", "--output-format", "stream-json", "--verbose").splitlines())
    assert "aurora" in next(each["skills"] for each in events if each.get("subtype") == "init")
