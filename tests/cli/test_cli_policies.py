"""`aur policies`: from the command line to the analyser; nothing is run, and a clone loosens nothing."""

from __future__ import annotations

import io
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


def feed(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    content = "".join(f"{line}\n" for line in lines).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_a_command_is_answered_and_not_run(aur: Aur, shop: Path) -> None:
    done = aur("policies", "check", "--command", "rm -rf .; touch ran", "--json")
    assert done.returncode == ExitCode.DONE
    found = json.loads(done.stdout)
    assert (found["action"], found["rule"]) == ("prompt", "file_delete")
    assert set(found) == {"schema", "action", "rule", "reason", "instead"}
    assert shop.is_dir()
    assert not (shop / "ran").exists()


def test_the_answer_as_text_says_what_to_do_instead(aur: Aur, shop: Path) -> None:
    assert aur("policies", "check", "--command", "ls").stdout == aur("policies", "check", "ls").stdout == "allow\n"
    said = aur("policies", "check", "--command", "git push -f").stdout
    assert said.startswith("deny  git_force_push: ")
    assert "instead: " in said


def test_many_commands_are_answered_line_by_line(
    aur: Aur, shop: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (shop / "sub").mkdir()
    feed(
        monkeypatch,
        json.dumps({"command": "rm ../a.txt", "cwd": "sub"}),
        json.dumps({"command": "rm ../a.txt"}),
        json.dumps({"command": "rm a.txt", "cwd": str(tmp_path)}),
    )
    done = aur("policies", "check", "--stdin")
    assert done.returncode == ExitCode.DONE
    assert [json.loads(line)["action"] for line in done.stdout.splitlines()] == ["allow", "prompt", "allow"]


@pytest.mark.parametrize(
    "line", ["nope", "[]", "{}", '{"command": 1}', '{"command": null}', '"rm"', '{"command": "ls", "cwd": 3}', "\xff"]
)
def test_a_line_that_cannot_be_read_is_denied(
    aur: Aur, shop: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    feed(monkeypatch, '{"command": "ls"}', line, '{"command": "pwd"}')
    done = aur("policies", "check", "--stdin")
    answers = [json.loads(each) for each in done.stdout.splitlines()]
    assert [each["action"] for each in answers] == ["allow", "deny", "allow"]
    assert answers[1]["error"] == "invalid_input"
    assert answers[1]["reason"].startswith("line 2: ")
    assert done.returncode == ExitCode.USAGE


def test_one_way_to_give_commands_is_needed(aur: Aur, shop: Path) -> None:
    assert aur("policies", "check").returncode == ExitCode.USAGE
    for two in (["--stdin", "--command", "ls"], ["--stdin", "ls"], ["--command", "ls", "ls"]):
        assert aur("policies", "check", *two).returncode == ExitCode.USAGE


def test_the_call_of_a_tool_is_answered_as_the_hook_would(
    aur: Aur, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policies(shop, "tools:\n  - {tool: mcp__github, action: deny}\n")
    assert aur("policies", "check", "--tool", "github-push").stdout.startswith("deny  tools: mcp__github: ")
    shell = ("policies", "check", "--tool", "mcp__sh__run", "--arguments")
    assert aur(*shell, '{"command": "rm -rf lib"}', "--json").stdout.count('"file_delete"') == 1
    for wrong in ("[]", "{", '{"command": [1]}'):
        assert aur("policies", "check", "--tool", "Bash", "--arguments", wrong).returncode == ExitCode.USAGE
    assert aur("policies", "check", "ls", "--arguments", "{}").returncode == ExitCode.USAGE
    tool = {"tool": "mcp__sh__run", "arguments": {"command": "git push -f"}}
    feed(monkeypatch, json.dumps(tool), '{"tool": "Bash"}', '{"tool": "x", "command": "ls"}')
    done = aur("policies", "check", "--stdin")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["rule"] for each in answers] == ["git_force_push", "invalid_input", "invalid_input"]


@pytest.mark.parametrize("name", ["", "x" * 3000])
def test_a_name_that_no_tool_has_is_refused_everywhere(aur: Aur, shop: Path, name: str) -> None:
    done = aur("policies", "check", "--tool", name, "--arguments", "{}")
    assert done.returncode == ExitCode.USAGE
    assert "tool: must have at " in done.stderr
    (shop / "examples.yaml").write_text(f'- {{command: ls, expect: allow}}\n- {{tool: "{name}", expect: allow}}\n')
    done = aur("policies", "test", "examples.yaml")
    assert done.returncode == ExitCode.USAGE
    assert "examples.yaml:2:4: tool: must have at " in done.stderr


def test_examples_may_be_about_tools(aur: Aur, shop: Path) -> None:
    policies(shop, "tools:\n  - {tool: mcp__github, action: deny}\n")
    (shop / "examples.yaml").write_text("- {tool: mcp__github__x, expect: deny}\n- {tool: mcp__a__x, expect: deny}\n")
    done = aur("policies", "test", "examples.yaml")
    assert done.stdout.splitlines() == ["line 2: expected deny, is allow: mcp__a__x", "1 of 2 examples as expected"]
    (shop / "examples.yaml").write_text("- {tool: a, command: ls, expect: deny}\n")
    assert "must have either a command or a tool" in aur("policies", "test", "examples.yaml").stderr


def policies(shop: Path, text: str) -> None:
    (shop / ".aurora").mkdir(exist_ok=True)
    (shop / ".aurora/policies.yaml").write_text(text)


def test_looser_policies_of_a_clone_have_no_effect_until_they_are_trusted(
    aur: Aur, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policies(
        shop,
        "destructive: {git_force_push: {action: allow}, truncate: {action: deny}}\n"
        "commands: [{pattern: rm -rf build, action: allow}]\n",
    )
    monkeypatch.delenv("AURORA_TRUST")

    def answers() -> list[str]:
        commands = ("git push -f", "rm -rf build", "truncate -s 0 a")
        found = [aur("policies", "check", "--json", "--command", command).stdout for command in commands]
        return [json.loads(text)["action"] for text in found]

    assert answers() == ["deny", "prompt", "deny"]
    assert aur("trust", "--yes").returncode == ExitCode.DONE
    assert answers() == ["allow", "allow", "deny"]


def test_the_users_own_policies_hold_in_every_answer(aur: Aur, shop: Path) -> None:
    own = Path.home() / ".config/aurora/policies.yaml"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(
        "destructive: {truncate: {action: deny}}\ncommands: [{pattern: npm publish, action: deny}]\n"
        "agents: {codex: {safety: {max_files_modified: 1}}}\n"
    )
    policies(shop, "safety: {max_lines_changed: 7}\n")
    for command in ("npm publish", "truncate -s 0 a"):
        assert json.loads(aur("policies", "check", "--json", "--command", command).stdout)["action"] == "deny"
    shown = json.loads(aur("policies", "show", "--agent", "codex", "--json").stdout)
    assert (shown["source"], shown["user_source"]) == (str(shop / ".aurora/policies.yaml"), str(own))
    assert shown["policies"]["destructive"]["truncate"] == {"action": "deny"}
    assert shown["policies"]["safety"]["max_files_modified"] == 1
    assert shown["policies"]["safety"]["max_lines_changed"] == 7
    assert f"# where stricter, from {own}" in aur("policies", "show").stdout
    (shop / "good.yaml").write_text("- {command: npm publish, expect: deny}\n")
    assert aur("policies", "test", "good.yaml").returncode == ExitCode.DONE
    own.write_text("destructive:\n  git_force_psh: {action: allow}\n")
    done = aur("policies", "check", "--command", "ls", "--json")
    assert done.returncode == ExitCode.USAGE
    assert f"{own}:2:3: destructive.git_force_psh" in done.stderr.replace("~", str(Path.home()))


def test_a_file_with_an_error_answers_nothing(aur: Aur, shop: Path) -> None:
    policies(shop, "destructive:\n  git_force_psh: {action: allow}\n")
    done = aur("policies", "check", "--command", "ls", "--json")
    assert done.returncode == ExitCode.USAGE
    assert done.stdout == ""
    assert (
        "policies.yaml:2:3: destructive.git_force_psh: is not a setting; did you mean git_force_push?" in done.stderr
    )


def test_init_writes_the_defaults_and_keeps_a_file(aur: Aur, shop: Path) -> None:
    assert aur("policies", "init").stdout.startswith("created")
    assert aur("policies", "init").stdout.startswith("kept")
    shown = json.loads(aur("policies", "show", "--json").stdout)
    assert shown["source"].endswith("policies.yaml")
    assert shown["policies"]["destructive"]["file_delete"] == {"action": "prompt", "max_files": 5}


def test_show_applies_the_section_of_an_agent(aur: Aur, shop: Path) -> None:
    policies(shop, "agents: {codex: {destructive: {truncate: {action: deny}}}}\n")
    assert "truncate:\n    action: prompt" in aur("policies", "show").stdout
    shown = json.loads(aur("policies", "show", "--agent", "codex", "--json").stdout)
    assert shown["policies"]["destructive"]["truncate"]["action"] == "deny"


def test_a_table_of_examples_is_tried(aur: Aur, shop: Path) -> None:
    (shop / "good.yaml").write_text("- {command: ls, expect: allow}\n- {command: git push -f, expect: deny}\n")
    done = aur("policies", "test", "good.yaml")
    assert (done.returncode, done.stdout) == (ExitCode.DONE, "2 of 2 examples as expected\n")
    (shop / "bad.jsonl").write_text('{"command": "ls", "expect": "allow"}\n{"command": "ls", "expect": "deny"}\n')
    done = aur("policies", "test", "bad.jsonl")
    assert done.returncode == ExitCode.NOT_REACHED
    assert done.stdout.startswith("line 2: expected deny, is allow: ls\n")
    (different,) = json.loads(aur("policies", "test", "bad.jsonl", "--json").stdout)["different"]
    assert (different["line"], different["action"]) == (2, "allow")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.yaml", "- {command: ls, expect: alow}\n", "a.yaml:1:17: expect"),
        ("a.yaml", "- {command: ls, expect: allow}\n- {expect: deny}\n", "a.yaml:2:3: must have either a command"),
        ("a.yaml", "command: ls\n", "a.yaml:1:1: must be a list"),
        ("a.yaml", "", "must be a list"),
        ("a.jsonl", '{"command": "ls", "expect": "allow"}\nnope\n', "a.jsonl:2:1: is not a JSON object"),
        ("a.jsonl", "\n", "holds no example"),
    ],
)
def test_a_table_with_an_error_is_refused(aur: Aur, shop: Path, name: str, text: str, said: str) -> None:
    (shop / name).write_text(text)
    done = aur("policies", "test", name)
    assert done.returncode == ExitCode.USAGE
    assert said in done.stderr
