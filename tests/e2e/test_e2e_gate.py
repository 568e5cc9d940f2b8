"""Real agent CLIs in their most permissive mode try what the policies forbid, under `aur spawn`."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from tests.e2e.alone import run_alone
from tests.exhaustive import few

from aurora_spawner.control.board import posts_of
from aurora_spawner.gates.hook_command import HOOK, SOCKET_NAME, HookCommand
from aurora_spawner.gates.wirings import CLAUDE_OFFS, QWEN_OFFS
from aurora_spawner.journal.approval_facts import ToolCallJudged
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_events
from aurora_spawner.storage.private_sockets import short_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.cut_off import Cell
    from tests.e2e.stage import Played, Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

ANY = mock.ANY
HOOKED = ("claude", "gemini", "qwen", "opencode", "copilot", "codex")


def judged(played: Played) -> list[tuple[str, str, str, str]]:
    """What the journal says of each tool call: the call, the action, the rule, and who answered."""
    with Journal(played.stage.project / ".aurora" / "runs.db") as journal:
        events = load_events(journal, played.document["run_id"])
    facts = [each.fact for each in events if isinstance(each.fact, ToolCallJudged)]
    return [(each.subject, each.action, each.rule, each.answered_by) for each in facts]


@pytest.mark.parametrize("kind", few(HOOKED, 1))
def test_dangerous_calls_are_stopped_and_a_harmless_one_is_not(
    kind: str, stage: Stage, need: Callable[[str], None]
) -> None:
    need(kind)
    victim = stage.project / "victim" / "kept.txt"
    victim.parent.mkdir(parents=True)
    victim.write_text("kept\n")
    stage.add_agent(kind, "danger", f"{kind}-danger")
    stage.policies = "approvals: {limit_seconds: 0}\n"
    stage.add_task(f"{kind}-danger", f"Please do it in the folder {stage.project}")
    played = stage.play()
    answered = [(each["counts"], each["messages"], each["act"]) for each in played.asked(f"{kind}-danger")]
    assert victim.exists(), (answered, played.told)
    assert not (stage.project / ".env").exists(), (answered, played.told)
    assert (stage.project / "allowed.txt").exists(), (judged(played), answered, played.document["tasks"], played.told)
    written = [(ANY, "prompt", "protected_paths", "limit")]
    assert judged(played) == [
        ("rm -rf victim", "prompt", "file_delete", "limit"),
        ("git push --force origin main", "deny", "git_force_push", ""),
        *(written if kind != "gemini" else []),  # its own check of the path comes before the hook
        ("echo allowed > allowed.txt", "allow", "", ""),
    ]


@pytest.mark.parametrize("kind", few(("claude", "codex"), 1))
def test_a_tool_of_a_server_that_a_rule_names_is_not_called(
    kind: str, stage: Stage, need: Callable[[str], None]
) -> None:
    """The board's tools, which come from an MCP server: the rule names it once for all CLIs."""
    need(kind)
    stage.config = {"agent_tools": True, "isolation": "none"}
    stage.policies = "tools:\n  - {tool: mcp__aurora_run, action: deny, reason: no talk}\n"
    stage.add_agent(kind, "first-half", f"first-{kind}")
    stage.add_task(f"first-{kind}", "Find the number")
    played = stage.play()
    named = [(call, action, rule) for call, action, rule, _by in judged(played) if "aurora_run" in call]
    assert named, (judged(played), played.told)
    assert {(action, rule) for _call, action, rule in named} == {("deny", "tools: mcp__aurora_run")}
    assert posts_of(stage.project / ".aurora" / "runs.db", played.document["run_id"]) == []


def test_an_agent_without_a_word_on_permissions_may_work_where_it_is_gated(
    stage: Stage, need: Callable[[str], None]
) -> None:
    """In a worktree: Claude Code writes a file, and the file gets into the checkout."""
    need("claude")
    stage.commits = True
    stage.options = ["--merge", "auto"]
    stage.add_agent("claude", "tool", "claude-unsaid", permissive=None)
    stage.add_task("claude-unsaid")
    played = stage.play()
    assert played.task["state"] == "succeeded", played.task["error"]
    assert [(action, by) for _call, action, _rule, by in judged(played)] == [("allow", "")]
    assert (stage.project / "note.txt").exists()
    assert "is on: a hook asks the policies before each tool call" in played.told


@pytest.mark.parametrize(
    ("broken", "kind"), few(((broken, kind) for broken in ("gone", "killed", "slow") for kind in HOOKED), 1)
)
def test_without_a_working_hook_nothing_happens(
    kind: str, broken: str, cell: Cell, tmp_path: Path, need: Callable[[str], None]
) -> None:
    """The hook's file is gone, the hook is killed, or nobody answers it: no tool call passes."""
    need(kind)
    programs = {"gone": tmp_path / "gone.py", "killed": tmp_path / "killed.py", "slow": HOOK}
    programs["killed"].write_text("import os; os.kill(os.getpid(), 9)\n")
    with socket.socket(socket.AF_UNIX) as silent:
        with short_path(tmp_path) as short:
            silent.bind(str(short / SOCKET_NAME))
        silent.listen()
        hook = HookCommand(
            socket=tmp_path / SOCKET_NAME,
            token=broken,
            program=programs[broken],
            answer_limit_s=0.5,
            reach_limit_s=0.5,
        )
        work = run_alone(kind, cell, tmp_path / "alone", key=f"{kind}-{broken}", hook=hook)
    assert len(cell.asked(f"{kind}-{broken}")) == 5
    assert sorted(path.name for path in work.iterdir()) == ["victim"]
    assert (work / "victim" / "kept.txt").exists()


@pytest.mark.parametrize(
    ("kind", "variable"),
    few(((kind, each) for kind, offs in (("claude", CLAUDE_OFFS), ("qwen", QWEN_OFFS)) for each in offs), 2),
)
def test_no_inherited_variable_turns_the_hook_off(
    kind: str, variable: str, cell: Cell, tmp_path: Path, need: Callable[[str], None]
) -> None:
    need(kind)
    hook = HookCommand(socket=tmp_path / SOCKET_NAME, token=variable, program=tmp_path / "gone.py")
    key = f"{kind}-{variable}"
    work = run_alone(kind, cell, tmp_path / "alone", key=key, hook=hook, inherited={variable: "1"})
    assert len(cell.asked(key)) == 5
    assert (work / "victim" / "kept.txt").exists()
    assert not (work / "allowed.txt").exists()
