"""Several real agents at once in one run, one of them rate limited and one broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.stage import Stage

pytestmark = pytest.mark.slow

TEAMS = {
    "two": ("claude", "codex", "claude", "codex"),
    "four": ("claude", "codex", "gemini", "opencode"),
}


@pytest.mark.parametrize("team", TEAMS)
def test_eight_tasks_are_done_although_one_agent_is_limited_and_one_is_broken(
    team: str, stage: Stage, need: Callable[[str], None]
) -> None:
    limited, broken, well, also_well = TEAMS[team]
    for kind in TEAMS[team]:
        need(kind)
    stage.recovery |= {"max_retries": 1}
    stage.add_agent(limited, "r429long", f"{team}-limited", name="limited", provider="busy")
    stage.add_agent(broken, "r500", f"{team}-broken", name="broken", provider="down", fallback=["well"])
    for name, kind in (("well", well), ("also-well", also_well)):
        stage.add_agent(kind, "crowd", f"{team}-{name}", name=name, provider=name)
    for agent in ("limited", "broken", "well", "also-well") * 2:
        stage.add_task(agent, f"Please help, {agent}")
    played = stage.play()

    assert played.status == 0, [task["error"] for task in played.document["tasks"]]
    assert played.document["counts"]["succeeded"] == 8
    by_first = [(task["original_agent"] or task["agent"], task["agent"]) for task in played.document["tasks"]]
    assert by_first.count(("broken", "well")) == 2
    assert by_first.count(("limited", "limited")) == 2
    assert [task["retry_count"] for task in played.document["tasks"] if task["agent"] == "limited"] == [0, 0]
    assert played.left_over() == []
    story = played.told + " ".join(played.notices())
    assert "busy" in story
    assert "from broken to well" in story
