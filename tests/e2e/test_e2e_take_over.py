"""Take-overs of real agents: their program opens on the session of the task, under the gate, and the task goes on."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from tests.cli.screens import Tmux, needs_tmux
from tests.cli.waiting import wait_for
from tests.e2e.stage import AUR
from tests.e2e.wirings import KEY
from tests.exhaustive import few

from aurora_spawner.journal.approval_facts import ToolCallJudged
from aurora_spawner.journal.facts import TaskHandedBack, TaskTakenOver
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_events

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.stage import Played, Stage

POINTER = "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The program of a kind of agent at a terminal.

    Attributes:
        trusts: what it asks first in a new folder; empty if it asks nothing.
        leaves: the command that ends it.
    """

    kind: str
    trusts: str = ""
    leaves: str = "/quit"


PROGRAMS = (
    Program(kind="claude", trusts="Yes, I trust this folder", leaves="/exit"),
    Program(kind="gemini"),
    Program(kind="opencode", leaves="/exit"),
    Program(kind="qwen"),
    Program(kind="copilot", trusts="Do you trust the files in this folder?", leaves="/exit"),
    Program(kind="codex", trusts="Trust this folder?"),
)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(480), needs_tmux]


def trusted(screen: Tmux) -> bool:
    """Chooses to trust the folder; keys that come too early are lost."""
    if f"{POINTER} Yes" not in screen.screen():
        screen.press("Down")
        time.sleep(0.5)
    return f"{POINTER} Yes" in screen.screen()


def has_answered(screen: Tmux, program: Program) -> bool:
    """Answers the question; keys that come too early are lost."""
    if program.trusts in screen.screen():
        screen.press("Enter")
        time.sleep(0.5)
    return program.trusts not in screen.screen()


def typed(screen: Tmux, words: str) -> bool:
    """Types words that are not there yet: what comes while a program starts anew is lost."""
    if words not in screen.screen():
        screen.press(words)
        time.sleep(3)
    return words in screen.screen()


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


def stopped_meanwhile(played: Played) -> set[tuple[str, str]]:
    """The tool calls that were not allowed while the user had the task: each with the rule."""
    with Journal(played.stage.project / ".aurora" / "runs.db") as journal:
        facts = [each.fact for each in load_events(journal, played.document["run_id"])]
    (taken,) = (at for at, each in enumerate(facts) if isinstance(each, TaskTakenOver))
    (back,) = (at for at, each in enumerate(facts) if isinstance(each, TaskHandedBack))
    judged = [each for each in facts[taken:back] if isinstance(each, ToolCallJudged)]
    return {(each.subject, each.rule) for each in judged if each.action != "allow"}


def begun(screen: Tmux, program: Program) -> None:
    """Trusts the folder, and waits for the session."""
    if program.trusts:
        screen.wait_for(program.trusts, limit_s=90)
        if program.kind == "claude":
            wait_for(lambda: trusted(screen))
        wait_for(lambda: has_answered(screen, program), limit_s=90)
    screen.wait_for("Please do it", limit_s=90)


@pytest.mark.parametrize("program", few(PROGRAMS, 2), ids=lambda each: each.kind)
def test_the_user_speaks_in_the_session_of_a_task_which_goes_on_in_it(
    program: Program, stage: Stage, need: Callable[[str], None]
) -> None:
    """What the agent does for the user meanwhile is judged: a push that overwrites a branch does not happen."""
    need(program.kind)
    key = f"{program.kind}-taken"
    stage.commits = True
    stage.options = ["--yes"]
    stage.add_agent(program.kind, "taken", key)
    stage.add_task(key, "Please do it")
    run = stage.start()
    stage.attempt_file("stdout", within_s=240)  # OpenCode needs minutes to start on a busy machine
    (run_folder,) = (stage.project / ".aurora" / "runs").glob("spawn-*/")
    wait_for(lambda: [*(stage.home / ".aurora" / "worktrees").rglob("tool.pid")] != [], limit_s=90)
    if program.kind == "claude":
        welcome_before(stage)
    words = stage.cell.inside(str(AUR), "attach", f"{run_folder.name}/1", "--take-over")
    there = f'cd "{stage.project}" && exec "$@"'
    environ = [f"{name}={value}" for name, value in stage.environ.items()]
    screen = Tmux("env", "-i", *environ, "TERM=xterm-256color", "sh", "-c", there, "sh", *words, columns=120, rows=40)
    try:
        begun(screen, program)
        wait_for(lambda: typed(screen, "Hello there"), limit_s=90)
        entered(screen, "Done after all.")
        screen.press(program.leaves)
        screen.wait_for(program.leaves)
        entered(screen, "handed back: task 1 goes on in the same session")
        screen.wait_for("status 0")
    finally:
        screen.kill()
    played = stage.finish(run)
    assert (played.status, played.task["state"], played.task["resumed"]) == (0, "succeeded", True)
    assert stopped_meanwhile(played) == {("git push --force origin main", "git_force_push")}
    grows = [each["messages"] for each in played.asked(key)]
    assert grows == sorted(grows)  # the task, the user, and the task again in one session
    assert len({*grows}) >= 3
    assert played.left_over() == []
