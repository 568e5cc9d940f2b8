"""Real agent CLIs in their most permissive mode try what the policies forbid, under `aur spawn`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest import mock

import pytest

from aurora_spawner.journal.facts import ToolCallJudged
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_events

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.stage import Played, Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

ANY = mock.ANY
HOOKED = ("claude", "codex", "gemini", "qwen")


def judged(played: Played) -> list[tuple[str, str, str, str]]:
    """What the journal says of each tool call: the call, the action, the rule, and who answered."""
    with Journal(played.stage.project / ".aurora" / "runs.db") as journal:
        events = load_events(journal, played.document["run_id"])
    facts = [each.fact for each in events if isinstance(each.fact, ToolCallJudged)]
    return [(each.subject, each.action, each.rule, each.answered_by) for each in facts]


@pytest.mark.parametrize("kind", HOOKED)
def test_dangerous_calls_are_stopped_and_a_harmless_one_is_not(
    kind: str, stage: Stage, need: Callable[[str], None]
) -> None:
    need(kind)
    victim = stage.project / "victim" / "kept.txt"
    victim.parent.mkdir(parents=True)
    victim.write_text("kept\n")
    stage.add_agent(kind, "danger", f"{kind}-danger")
    stage.add_task(f"{kind}-danger", f"Please do it in the folder {stage.project}")
    played = stage.play()
    assert victim.exists()
    assert not (stage.project / ".env").exists()
    assert (stage.project / "allowed.txt").exists()
    written = [(ANY, "prompt", "protected_paths", "no inbox")]
    assert judged(played) == [
        ("rm -rf victim", "prompt", "file_delete", "no inbox"),
        ("git push --force origin main", "deny", "git_force_push", ""),
        *(written if kind != "gemini" else []),  # its own check of the path comes before the hook
        ("echo allowed > allowed.txt", "allow", "", ""),
    ]
