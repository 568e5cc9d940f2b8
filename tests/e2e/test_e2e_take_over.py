"""A take-over of real Claude Code: its own program opens on the session of the task, and the task goes on in it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from tests.cli.screens import Tmux, needs_tmux
from tests.cli.waiting import wait_for
from tests.e2e.stage import AUR
from tests.e2e.wirings import KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.stage import Stage

POINTER = "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), needs_tmux]


def trusted(screen: Tmux) -> bool:
    """Chooses to trust the folder; keys that come too early are lost."""
    if f"{POINTER} Yes" not in screen.screen():
        screen.press("Down")
        time.sleep(0.5)
    return f"{POINTER} Yes" in screen.screen()


def entered(screen: Tmux, shows: str) -> None:
    """Presses Enter until it has its effect: right behind what was typed it is taken for a part of that."""

    def shown() -> bool:
        screen.press("Enter")
        time.sleep(1.5)
        return shows in screen.screen()

    wait_for(shown, limit_s=90)


def welcome_before(stage: Stage) -> None:
    """Let Claude Code have met its user before, who uses a key."""
    (known,) = (stage.project / ".aurora" / "runs").rglob(".claude.json")
    met = {"hasCompletedOnboarding": True, "theme": "dark", "customApiKeyResponses": {"approved": [KEY[-20:]]}}
    known.write_text(json.dumps({**json.loads(known.read_text()), **met}))


def test_the_user_speaks_in_the_session_of_a_task_which_goes_on_in_it(
    stage: Stage, need: Callable[[str], None]
) -> None:
    need("claude")
    stage.commits = True
    stage.options = ["--yes"]
    stage.add_agent("claude", "sleep", "claude-taken")
    stage.add_task("claude-taken", "Please do it")
    run = stage.start()
    stage.attempt_file("stdout")
    (run_folder,) = (stage.project / ".aurora" / "runs").glob("spawn-*/")
    wait_for(lambda: [*(stage.home / ".aurora" / "worktrees").rglob("tool.pid")] != [])
    welcome_before(stage)
    words = stage.cell.inside(str(AUR), "attach", f"{run_folder.name}/1", "--take-over")
    there = f'cd "{stage.project}" && exec "$@"'
    environ = [f"{name}={value}" for name, value in stage.environ.items()]
    screen = Tmux("env", "-i", *environ, "TERM=xterm-256color", "sh", "-c", there, "sh", *words, columns=120, rows=40)
    try:
        screen.wait_for("Yes, I trust this folder", limit_s=90)
        wait_for(lambda: trusted(screen))
        screen.press("Enter")
        screen.wait_for(f"{POINTER} Please do it", limit_s=90)
        screen.press("Hello there")
        screen.wait_for("Hello there")
        entered(screen, "● Done after all.")
        screen.press("/exit")
        screen.wait_for("/exit")
        entered(screen, "handed back: task 1 goes on in the same session")
        screen.wait_for("status 0")
    finally:
        screen.kill()
    played = stage.finish(run)
    assert (played.status, played.task["state"], played.task["resumed"]) == (0, "succeeded", True)
    grows = [each["messages"] for each in played.asked("claude-taken")]
    assert (grows, len({*grows}) >= 3) == (
        sorted(grows),
        True,
    )  # the task, the user, and the task again in one session
    assert played.left_over() == []
