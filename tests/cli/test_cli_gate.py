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


def test_other_policies_are_tried_on_earlier_tool_calls(aur: Aur, guarded: Path, tmp_path: Path) -> None:
    commands = ("touch one", "rm -rf lib", "git push --force", f"echo {'x' * 600}")
    tasks = [f"- [ ] {number} {command}\n  - Agent: claude\n" for number, command in enumerate(commands, start=1)]
    (guarded / "tasks.md").write_text("".join(tasks))
    (guarded / ".aurora" / "policies.yaml").write_text("approvals: {limit_seconds: 0}\n")
    aur("spawn", "tasks.md", "--isolation", "none")
    cut = "; the journal has only a part of 1 call\n"
    same = aur("policies", "rehearse").stdout
    assert f" tool calls: 0 that passed would be stopped, 0 that were stopped would pass{cut}" in same
    other = tmp_path / "other.yaml"
    other.write_text(
        "commands:\n  - {pattern: touch, action: deny, reason: is forbidden}\n"
        "destructive: {file_delete: {action: allow}, git_force_push: {action: prompt}}\n"
    )
    shown = aur("policies", "rehearse", str(other)).stdout
    assert "/1  touch one\n  deny  is forbidden [commands: touch]; was allow\n" in shown
    assert "/2  rm -rf lib\n  allow  was prompt by file_delete\n" in shown
    assert (
        " tool calls: 1 that passed would be stopped, 1 that were stopped would pass,"
        f" 1 would be asked about that were denied{cut}"
    ) in shown
    stricter = tmp_path / "stricter.yaml"
    stricter.write_text("destructive: {file_delete: {action: deny}}\n")
    assert f", 1 would be denied that were asked about{cut}" in aur("policies", "rehearse", str(stricter)).stdout
    document = json.loads(aur("policies", "rehearse", str(other), "--json").stdout)["calls"]
    assert document["cut"] == 1
    rows = {each["task"]: (each["then"]["action"], each["now"]["action"]) for each in document["changed"]}
    assert rows == {"1": ("allow", "deny"), "2": ("prompt", "allow"), "3": ("deny", "prompt")}


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
