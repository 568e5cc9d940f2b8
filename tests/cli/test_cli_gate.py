"""`aur spawn` with an agent whose tool calls the policies judge: a stand-in for Claude Code that runs its hooks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]

FAKE = Path(__file__).parents[1] / "spawner" / "gates" / "fake_claude.py"


@pytest.fixture
def guarded(shop: Path) -> Path:
    """A project whose agent runs what its tasks say."""
    (shop / ".aurora").mkdir()
    agents = {"claude": {"kind": "claude", "command": [sys.executable, str(FAKE)]}}
    (shop / ".aurora" / "config.yaml").write_text(json.dumps({"backends": agents}))
    (shop / "tasks.md").write_text("- [ ] 1 touch harmless.txt\n  - Agent: claude\n")
    return shop


def test_the_preview_says_who_is_gated_and_the_report_what_was_stopped(aur: Aur, guarded: Path) -> None:
    (guarded / "tasks.md").write_text("- [ ] 1 rm -rf lib\n  - Agent: claude\n")
    (guarded / "lib").mkdir()
    (guarded / ".aurora" / "policies.yaml").write_text("approvals: {limit_seconds: 0}\n")
    shown = aur("spawn", "tasks.md", "--dry-run")
    assert "policy gate for claude is on: a hook asks the policies before each tool call" in shown.stdout
    ended = aur("spawn", "tasks.md", "--isolation", "none")
    assert (guarded / "lib").exists()
    assert "the policy gate stopped 1 tool call: rm -rf lib (file_delete)" in ended.stderr + ended.stdout


def test_the_users_own_policies_hold_in_each_project(aur: Aur, guarded: Path) -> None:
    own = Path.home() / ".config" / "aurora" / "policies.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("commands:\n  - {pattern: touch forbidden, action: deny}\n")
    (guarded / "tasks.md").write_text("- [ ] 1 touch forbidden\n  - Agent: claude\n")
    ended = aur("spawn", "tasks.md", "--isolation", "none")
    assert not (guarded / "forbidden").exists()
    assert "touch forbidden" in ended.stderr + ended.stdout


def test_a_rule_for_a_tool_holds_in_the_hook(aur: Aur, guarded: Path) -> None:
    (guarded / ".aurora" / "policies.yaml").write_text("tools:\n  - {tool: Bash, action: deny, reason: no shell}\n")
    ended = aur("spawn", "tasks.md", "--isolation", "none")
    assert not (guarded / "harmless.txt").exists()
    assert "the policy gate stopped 1 tool call: touch harmless.txt (tools: Bash)" in ended.stderr + ended.stdout


@pytest.mark.parametrize("whose", ["the user's", "the project's"])
def test_policies_that_are_not_valid_stop_the_run_before_anything_starts(aur: Aur, guarded: Path, whose: str) -> None:
    file = (
        Path.home() / ".config" / "aurora" / "policies.yaml"
        if whose == "the user's"
        else guarded / ".aurora" / "policies.yaml"
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("safety:\n  protected_path: []\n")
    for command in (("spawn", "tasks.md"), ("soar", "What does the shop sell?")):
        ended = aur(*command)
        assert ended.returncode == ExitCode.USAGE
        assert f"{file}:2:3: safety.protected_path" in ended.stderr
    assert not (guarded / "harmless.txt").exists()
    assert not (guarded / ".aurora" / "runs.db").exists()
