"""The prompt of a subgoal's agent has its code, the signatures beside it, earlier parts' results and the board."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from aurora_core import Memory, Project
from aurora_policies import PoliciesEngine
from aurora_soar import Agent, AgentRegistry, Completion, SOAROrchestrator
from aurora_spawner import CommandBackend

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

RETRY = (
    "LIMIT = 5\n\n\ndef backoff_delay(attempt):\n    return min(30, 2**attempt)  # the retry loop doubles it\n\n\n"
    "def colour_of(name):\n    return name.lower()\n"
)
STOCK = "def take_article(shelf):\n    return shelf.pop()  # an article leaves its shelf\n"
LONG = "def retry_table(attempt):\n" + f"    attempt += 1  # the retry loop doubles its delay {'.' * 60}\n" * 140
AGENT = """
import os, sys
from pathlib import Path
from aurora_spawner.control.own_board import post_on_own_board

task, prompt = os.environ["AURORA_TASK_ID"], sys.stdin.read()
Path(sys.argv[1], f"prompt-{task}").write_text(prompt)
if task == "0":
    post_on_own_board("The delay is capped at thirty seconds.")
print("- the delay is doubled (core.py:5)")
"""
PLAN = {
    "goal": "explain retries",
    "subgoals": [
        {
            "description": part,
            "ideal_agent": "coder",
            "assigned_agent": "coder",
            "is_critical": True,
            "depends_on": on,
        }
        for part, on in (
            ("Explain how the retry loop computes its backoff delay", []),
            ("Explain how an article leaves its shelf", [0]),
        )
    ],
}


class Planner:
    """A model that has one plan and one answer."""

    name = "coder"

    async def ask(self, prompt: str, *, title: str) -> Completion:
        given: dict[str, Any] = PLAN if title == "plan" else {"answer": "The delay is doubled (core.py:5)."}
        return Completion(text=json.dumps(given), agent="coder", usage=None, error=None)


def test_all_that_a_part_needs_is_in_its_prompt_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    root = tmp_path / "shop"
    root.mkdir()
    for name, text in (("core.py", RETRY), ("stock.py", STOCK), ("table.py", LONG)):
        (root / name).write_text(text)
    project = Project.init(root)
    coder = CommandBackend("coder", (sys.executable, "-c", AGENT, str(tmp_path)))
    registry = AgentRegistry.local(root).joined_by(Agent(id="coder", description="codes"), {"coder": coder})
    with Memory.open(root) as memory:
        memory.index()
        soar = SOAROrchestrator(
            project=project, memory=memory, policies=PoliciesEngine.load(None), registry=registry, model=Planner()
        )
        result = soar.execute("Explain how the retry loop doubles its delay and why an article leaves its shelf")
    assert result.ok
    first, second = ((tmp_path / f"prompt-{task}").read_text() for task in "01")
    assert "def backoff_delay(attempt):" in first
    assert "def take_article(shelf):" in second
    assert "return shelf.pop()" not in first, "code is given in full to the part that it fits best"
    assert "Other places, which other parts are given in full:" in second
    assert "- core.py:4-5 backoff_delay" in second
    assert "Left out here for length; look it up if you need it:\n- table.py:1-141 retry_table" in first
    assert "Beside it in the same files:\n- core.py:8 def colour_of(name)" in first
    assert "the delay is doubled (core.py:5)" in second, "the result of the part that it waits for"
    assert "The delay is capped at thirty seconds." in second, "what is on the board"
    assert "thirty seconds" not in first
