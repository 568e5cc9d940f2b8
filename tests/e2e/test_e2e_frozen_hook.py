"""Hooks stopped by SIGSTOP: what a real CLI then lets pass is found in its work, and nothing of it arrives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.exhaustive import few

from aurora_spawner.gates.hook_command import CLI_LIMIT_S, HOOK
from aurora_spawner.journal.approval_facts import ToolCallJudged
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_events
from aurora_spawner.journal.work_facts import WorkJudged

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.stage import Played, Stage

    from aurora_spawner.journal.facts import Fact

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

ANOTHER = str(Path(__file__).with_name("aur_with_another_hook.py"))
FROZEN = f"""\
import os, runpy, signal, sys
if sys.argv[2] == "probe":  # the run begins with a hook that works
    runpy.run_path({str(HOOK)!r}, run_name="__main__")
open(__file__ + ".asked", "a").write("x")
os.kill(os.getpid(), signal.SIGSTOP)
"""
DELETED = ("file_delete", "victim/0.txt")
PASSES = {"codex": ("protected_paths", ".env"), "qwen": DELETED, "copilot": DELETED}
"""CLIs that let a call pass when they have waited long enough for its hook; and what is found of it."""
HOLDS = {"codex": CLI_LIMIT_S, "claude": 1, "gemini": 1, "opencode": 1, "qwen": CLI_LIMIT_S, "copilot": CLI_LIMIT_S}
"""How long CLIs are told to wait, so that nothing passes."""


@pytest.mark.parametrize("kind", few(PASSES, 1))
def test_what_a_frozen_hook_let_pass_fails_the_run(kind: str, stage: Stage, need: Callable[[str], None]) -> None:
    need(kind)
    freeze(stage, kind, cli_limit_s=1)
    stage.add_task(f"{kind}-frozen")
    played = stage.play()
    assert calls_asked(stage) >= 3
    assert (played.status, played.task["state"], played.task["output"]) == (1, "failed", "I tried it all.")
    happened = facts(played)
    assert not [fact for fact in happened if isinstance(fact, ToolCallJudged)]
    assert "its hook asked about none of them" in played.told
    (work,) = (fact for fact in happened if isinstance(fact, WorkJudged))
    rule, subject = PASSES[kind]
    assert [subject in each["subject"] for each in work.findings if each["rule"] == rule] == [True]
    assert "its work was not approved" in played.task["error"]
    assert f"[{rule}]" in played.task["error"]
    assert_untouched(played)


@pytest.mark.parametrize("kind", few(HOLDS, 1))
def test_nothing_passes_a_frozen_hook(kind: str, stage: Stage, need: Callable[[str], None]) -> None:
    """Claude Code denies; else the attempt ends, by default long before its CLI would give up on the hook."""
    need(kind)
    freeze(stage, kind, HOLDS[kind])
    stage.recovery["max_retries"] = 0
    stage.add_task(f"{kind}-frozen", "Please do it", f"Timeout: {8 if kind == 'codex' else 30}")
    played = stage.play()
    assert calls_asked(stage) == (4 if kind == "claude" else 1)
    if kind == "claude":
        assert (played.task["output"], played.task["work"]["files"]) == ("I tried it all.", 0)
    else:
        assert (played.status, played.task["termination_reason"]) == (1, "deadline")
        assert len(played.asked(f"{kind}-frozen")) == 1  # its model has not been told of an answer
    assert_untouched(played)


def freeze(stage: Stage, kind: str, cli_limit_s: int) -> None:
    """Prepares tasks in worktrees, for an agent whose hooks stop themselves."""
    frozen = stage.folder / "frozen.py"
    frozen.write_text(FROZEN)
    stage.program = (sys.executable, ANOTHER, str(frozen), str(cli_limit_s))
    victim = stage.project / "victim"
    victim.mkdir(parents=True)
    for number in range(6):  # one more than may be deleted without a question
        (victim / f"{number}.txt").write_text("kept\n")
    for command in (("init", "-q", "-b", "work"), ("add", "victim")):
        subprocess.run(["git", *command], cwd=stage.project, env=stage.environ, check=True)
    stage.commits = True
    stage.options = ["--merge", "auto"]
    stage.policies = "approvals: {limit_seconds: 0}\n"
    stage.add_agent(kind, "danger", f"{kind}-frozen")


def calls_asked(stage: Stage) -> int:
    """Returns how often a hook was started for a call of the agent."""
    return len((stage.folder / "frozen.py.asked").read_text())


def facts(played: Played) -> list[Fact | None]:
    """Returns the facts of the run, in order."""
    with Journal(played.stage.project / ".aurora" / "runs.db") as journal:
        return [each.fact for each in load_events(journal, played.document["run_id"])]


def assert_untouched(played: Played) -> None:
    """Asserts that the user's checkout is as it was, and that no process is left."""
    project = played.stage.project
    assert len(list((project / "victim").iterdir())) == 6
    assert not (project / ".env").exists()
    assert played.left_over() == []
