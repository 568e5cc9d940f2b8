"""Every setting that a check can act on: flipped, and the answer changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.policies.commands import HOME, WORKSPACE, ask

from aurora_policies import Operation, OperationType, Policies, PoliciesEngine, PolicyFileError
from aurora_policies.check import check

FLIPS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "file_delete.action": ("rm -rf x", {"destructive": {"file_delete": {"action": "deny"}}}, "prompt", "deny"),
    "file_delete.max_files": ("rm a b", {"destructive": {"file_delete": {"max_files": 1}}}, "allow", "prompt"),
    "git_force_push": ("git push -f", {"destructive": {"git_force_push": {"action": "allow"}}}, "deny", "allow"),
    "git_push_main": ("git push o main", {"destructive": {"git_push_main": {"action": "deny"}}}, "prompt", "deny"),
    "protected_branches": (
        "git push o release/1",
        {"safety": {"protected_branches": ["release/*"]}},
        "allow",
        "prompt",
    ),
    "drop_table": ("psql -c 'drop table t'", {"destructive": {"drop_table": {"action": "prompt"}}}, "deny", "prompt"),
    "truncate": ("psql -c 'truncate t'", {"destructive": {"truncate": {"action": "allow"}}}, "prompt", "allow"),
    "protected_paths": ("echo x > secret/a", {"safety": {"protected_paths": ["secret/"]}}, "allow", "prompt"),
    "network": ("curl x.example", {"network": [{"host": "x.*", "action": "deny"}]}, "allow", "deny"),
    "commands": ("npm version 2", {"commands": [{"pattern": "npm version", "action": "deny"}]}, "allow", "deny"),
}


@pytest.mark.parametrize("name", FLIPS)
def test_a_setting_that_is_flipped_changes_the_answer(name: str) -> None:
    command, settings, before, after = FLIPS[name]
    assert ask(command).action == before
    assert ask(command, Policies.model_validate(settings)).action == after


@pytest.mark.parametrize(
    ("settings", "files", "lines", "rule"),
    [
        ({"max_files_modified": 1}, ("a.py", "b.py"), 1, "max_files_modified"),
        ({"max_lines_changed": 5}, ("a.py",), 6, "max_lines_changed"),
    ],
)
def test_a_bound_of_a_change_is_kept(settings: dict[str, int], files: tuple[str, ...], lines: int, rule: str) -> None:
    operation = Operation(
        type=OperationType.EDIT, files=files, lines_changed=lines, workspace=WORKSPACE, cwd=WORKSPACE, home=HOME
    )
    assert check(operation, Policies()).action == "allow"
    found = check(operation, Policies.model_validate({"safety": settings}))
    assert (found.action, found.rule) == ("prompt", rule)


def rules(*given: dict[str, Any]) -> Policies:
    return Policies.model_validate({"commands": list(given)})


def test_an_allowance_excuses_what_it_names_and_nothing_else() -> None:
    policies = rules({"pattern": "rm -rf node_modules/.cache", "action": "allow"})
    assert ask("rm -rf node_modules/.cache", policies).action == "allow"
    assert ask("rm -rf node_modules/.cache src", policies).action == "prompt"
    assert ask("rm -rf node_modules/.cache; rm -rf src", policies).action == "prompt"
    assert ask("rm -rf node_modules/.cache && git push -f", policies).action == "deny"
    assert ask("bash -c 'rm -rf node_modules/.cache'", policies).action == "allow"


def test_an_allowance_with_a_wildcard_does_not_lead_upwards_or_to_what_is_not_known() -> None:
    policies = rules({"pattern": "rm -rf build/*", "action": "allow"})
    assert ask("rm -rf build/a", policies).action == "allow"
    assert ask("rm -rf build/../src", policies).action == "prompt"
    assert ask("rm -rf build/$X", policies).action == "prompt"


@pytest.mark.parametrize("pattern", ["rm *", "sed -i *", "echo *"])
def test_an_allowance_never_reaches_what_is_built_in(pattern: str) -> None:
    policies = rules({"pattern": pattern, "action": "allow"})
    assert ask("rm -rf /", policies).action == "deny"
    assert ask("sed -i s/a/b/ .aurora/policies.yaml", policies).rule == "self_protection"


def test_a_rule_sees_a_command_however_it_is_written() -> None:
    policies = rules({"pattern": "git push --tags", "action": "deny", "reason": "no tags", "instead": "Leave tags."})
    for command in (
        "git push --tags",
        "git -C . push origin --tags",
        "sudo git push --tags",
        "x=git; $x push --tags",
    ):
        found = ask(command, policies)
        assert (found.action, found.rule, found.reason) == ("deny", "commands: git push --tags", "no tags"), command
    assert ask("echo git push --tags", policies).action == "allow"
    assert ask("git push origin feature", policies).action == "allow"


def test_the_strictest_rule_counts() -> None:
    policies = rules({"pattern": "npm run *", "action": "allow"}, {"pattern": "npm run deploy", "action": "deny"})
    assert ask("npm run deploy", policies).action == "deny"


def test_the_section_of_an_agent_holds_for_that_agent(tmp_path: Path) -> None:
    path = tmp_path / "policies.yaml"
    path.write_text("agents:\n  codex:\n    destructive: {file_delete: {action: deny, max_files: 0}}\n")
    engine = PoliciesEngine.load(path)

    def answer(agent: str | None) -> str:
        operation = Operation(
            type=OperationType.COMMAND, command="rm a.txt", agent=agent, workspace=WORKSPACE, cwd=WORKSPACE, home=HOME
        )
        return engine.check(operation).action

    assert (answer(None), answer("claude"), answer("codex")) == ("allow", "allow", "deny")


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        (
            "commands:\n- pattern: npm publish\n  action: deny\n  match:\n  - npm publish\n  - npm t\n",
            6,
            "match.1",
        ),
        ("commands:\n- pattern: npm publish\n  action: deny\n  not_match: [npm publish --x]\n", 4, "not_match.0"),
        ("commands:\n- pattern: npm\n  action: deny\n  not_match:\n  - a; sudo npm i\n", 5, "not_match.0"),
        ("tools:\n- tool: mcp__a\n  action: deny\n  not_match:\n  - mcp__a__b\n", 5, "not_match.0"),
        ("tools:\n- {tool: mcp__a__b, action: deny, match: [a_b, a_c]}\n", 2, "match.1"),
        ("network:\n- {host: a.example, action: deny, match: [b.example]}\n", 2, "match.0"),
    ],
)
def test_an_example_that_its_rule_does_not_keep_is_an_error(tmp_path: Path, text: str, line: int, field: str) -> None:
    path = tmp_path / "policies.yaml"
    path.write_text(text)
    with pytest.raises(PolicyFileError) as caught:
        PoliciesEngine.load(path)
    (problem,) = caught.value.problems
    assert (problem.line, problem.field) == (line, f"{text.partition(':')[0]}.0.{field}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tools: [{tool: a b, action: deny}]", "must be the name of a tool"),
        ("tools: [{tool: 'Bash(rm:*)', action: deny}]", "must be the name of a tool"),
        ("tools: [{tol: x, tool: x, action: deny}]", "did you mean tool?"),
        ("tools: [{tool: x}]", "is required"),
        ("network: [{host: 'https://x.example', action: deny}]", "must be the name of a host"),
        ("network: [{host: 'x.example:80', action: deny}]", "must be the name of a host"),
        ("network: [{host: x.example, action: allow}]", "must be prompt or deny"),
    ],
)
def test_a_rule_for_tools_or_hosts_that_is_none_is_an_error(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "policies.yaml"
    path.write_text(f"{text}\n")
    with pytest.raises(PolicyFileError, match=r"policies.yaml:1:\d+: ") as caught:
        PoliciesEngine.load(path)
    assert words in str(caught.value)
