"""Rules for tools by name: one rule for a server whatever a CLI calls its tools, and the strictest one counts."""

from __future__ import annotations

from typing import Any

import pytest
from tests.policies.commands import WORKSPACE

from aurora_policies import Operation, OperationType, Policies, PoliciesEngine, PolicyResult


def answer(tool: str, *rules: dict[str, Any], agent: str | None = None, **more: Any) -> PolicyResult:
    policies = Policies.model_validate({"tools": list(rules), **more})
    engine = PoliciesEngine(policies=policies, source=None)
    return engine.check(Operation(type=OperationType.TOOL, target=tool, agent=agent, workspace=WORKSPACE))


DENY = {"tool": "mcp__github__delete_*", "action": "deny"}


@pytest.mark.parametrize(
    "tool",
    [
        "mcp__github__delete_repo",  # Claude Code, Codex, Qwen Code
        "mcp_github_delete_repo",  # Gemini CLI
        "github_delete_repo",  # OpenCode
        "github-delete_repo",  # Copilot CLI
        "mcp__GitHub__delete-repo",
        "mcp__plugin_any_github__delete_repo",
        "mcp__claude_ai_GitHub__delete_repo",
    ],
)
def test_a_rule_fits_a_tool_under_the_name_of_each_cli(tool: str) -> None:
    found = answer(tool, DENY)
    assert (found.action, found.rule) == ("deny", "tools: mcp__github__delete_*")
    assert found.reason
    assert found.instead


@pytest.mark.parametrize(
    "tool",
    [
        "mcp__github__get_repo",
        "mcp__plugin_any_gitlab__delete_repo",
        "mcp__gitlab__delete_repo",
        "Bash",
        "mcp__x__github_delete_x",
        "delete_repo",
        "",
    ],
)
def test_a_rule_fits_no_other_tool(tool: str) -> None:
    assert answer(tool, DENY) == PolicyResult(action=answer("x").action)


@pytest.mark.parametrize("pattern", ["mcp__github", "mcp__github__*"])
def test_a_rule_for_a_server_leaves_out_what_it_excludes(pattern: str) -> None:
    rule = {"tool": pattern, "exclude": ["mcp__github__get_*"], "action": "prompt"}
    for tool in ("mcp__github__get_me", "github-get_me", "mcp_github_get_me", "mcp__githubby__push", "webfetch"):
        assert answer(tool, rule).action == "allow", tool
    for tool in ("mcp__github__push", "github_push", "mcp_github_push"):
        assert answer(tool, rule).action == "prompt", tool


def test_a_rule_for_all_servers_reaches_no_built_in_tool() -> None:
    rule = {"tool": "mcp__*", "action": "deny"}
    assert answer("mcp__any__thing", rule).action == answer("mcp_any_thing", rule).action == "deny"
    assert {answer(tool, rule).action for tool in ("Bash", "web_fetch", "read_file")} == {"allow"}


def test_the_strictest_rule_counts_and_an_allowance_is_named() -> None:
    allow, deny = ({"tool": "mcp__a__b", "action": action} for action in ("allow", "deny"))
    assert answer("mcp__a__b", allow).rule == "tools: mcp__a__b"
    assert answer("mcp__a__b", allow, deny).action == answer("mcp__a__b", deny, allow).action == "deny"


def test_the_section_of_an_agent_has_rules_of_its_own_and_allows_nothing() -> None:
    section = {"codex": {"tools": [{"tool": "WebFetch", "action": "deny"}, {"tool": "mcp__a__b", "action": "allow"}]}}
    assert answer("WebFetch", agent="codex", agents=section).action == "deny"
    assert answer("WebFetch", agent="claude", agents=section).action == "allow"
    assert answer("mcp__a__b", agent="codex", agents=section).rule is None
