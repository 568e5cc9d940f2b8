"""Real agent CLIs whose account's usage window is used up: held until its reset, at the cost of one probe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.mark.parametrize("kind", ["claude", "codex"])
def test_a_usage_window_is_held_until_its_reset(kind: str, stage: Stage, need: Callable[[str], None]) -> None:
    """Claude Code tells windows to subscribers, by an event; Codex in words, and in the log of its session."""
    need(kind)
    key = f"{kind}-window"
    stage.add_agent(kind, "window", key)
    if kind == "claude":
        env = stage.backends[key]["env"]
        env["CLAUDE_CODE_OAUTH_TOKEN"] = env.pop("ANTHROPIC_API_KEY")
    stage.add_task(key)
    stage.add_task(key, "Please do that too", "Depends: 1")
    played = stage.play()
    assert [task["state"] for task in played.document["tasks"]] == ["succeeded"] * 2, played.task["error"]
    assert [task["retry_count"] for task in played.document["tasks"]] == [0, 0], "no attempt is burned"
    asked = played.asked(key)
    assert len(asked) == 3, "one refusal, one probe, one for the second task"
    assert asked[1]["at"] - asked[0]["at"] > 6.5, "nothing is asked before the reset"
    assert "5-hour usage limit: paused until" in played.told
