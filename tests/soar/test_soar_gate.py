"""The policies as a gate of tool calls: verdicts, shapes, and which agents pass it."""

import sys
from pathlib import Path

import pytest

from aurora_policies import Policies, PoliciesEngine
from aurora_soar.doctor.enforcement import enforcement_of
from aurora_soar.taskruns.gate import GATED, PolicyGate, find_gate
from aurora_spawner import Backend, CliBackend, CommandBackend, ModelBackend
from aurora_spawner.gates.hook_command import HOOK
from aurora_spawner.gates.tool_calls import GateAction, ToolCall, ToolUse, UseKind, Verdict

DEFAULTS = PoliciesEngine.load(None)


def call(*uses: ToolUse, workspace: Path = Path("/w"), tool: str = "Bash", isolated: bool = True) -> ToolCall:
    return ToolCall(
        task_id="1", agent="claude", tool=tool, uses=uses, cwd=workspace, workspace=workspace, isolated=isolated
    )


def command(text: str) -> ToolUse:
    return ToolUse(kind=UseKind.COMMAND, command=text)


def write(*files: str, lines: int | None = 1) -> ToolUse:
    return ToolUse(kind=UseKind.WRITE, files=files, lines_changed=lines)


@pytest.mark.parametrize(
    ("use", "action", "rule"),
    [
        (command("rm -rf victim"), "prompt", "file_delete"),
        (command("git push --force"), "deny", "git_force_push"),
        (command("echo hello > hello.txt"), "allow", ""),
        (command("pytest -q"), "allow", ""),
        (write("src/a.py"), "allow", ""),
        (write(".env"), "prompt", "protected_paths"),
        (write("/home/somebody/other/a.py"), "prompt", "worktree_escape"),
        (write(".claude/settings.json"), "prompt", "self_protection"),
        (write("a.py", lines=5000), "prompt", "max_lines_changed"),
        (ToolUse(kind=UseKind.DELETE, files=("a.py",)), "allow", ""),
        (ToolUse(kind=UseKind.DELETE, files=("../other",)), "prompt", "file_delete"),
        (ToolUse(kind=UseKind.FETCH, url="https://example.invalid/docs"), "allow", ""),
        (ToolUse(kind=UseKind.UNSEEN), "prompt", "undecidable"),
        (ToolUse(kind=UseKind.TYPED), "prompt", "undecidable"),
    ],
)
def test_a_verdict_is_that_of_the_policies(use: ToolUse, action: str, rule: str) -> None:
    verdict = PolicyGate(policies=DEFAULTS).judge(call(use))
    assert (verdict.action.value, verdict.rule) == (action, rule)
    assert bool(verdict.reason) == (action != "allow")
    assert bool(verdict.instead) == (action != "allow")


@pytest.mark.parametrize("place", [HOOK, Path(sys.executable), Path(sys.prefix) / "pyvenv.cfg", Path(sys.prefix)])
@pytest.mark.parametrize("verb", ["echo x >", "cp x", "ln -sf x", "mv x", "sed -i s/a/b/", "mv {} x; echo"])
def test_the_hook_and_its_interpreter_control_agents(place: Path, verb: str) -> None:
    gate = PolicyGate(policies=DEFAULTS)
    text = verb.format(place) if "{}" in verb else f"{verb} {place}"
    for workspace in (Path("/w"), place.parent, place.parents[2]):
        verdict = gate.judge(call(command(text), workspace=workspace, isolated=False))
        assert (verdict.action, verdict.rule, verdict.shape) == (GateAction.PROMPT, "self_protection", "")
        verdict = gate.judge(call(write(str(place)), workspace=workspace, isolated=False))
        assert (verdict.action, verdict.rule, verdict.shape) == (GateAction.PROMPT, "self_protection", "")


def test_of_several_effects_the_strictest_counts() -> None:
    gate = PolicyGate(policies=DEFAULTS)
    assert gate.judge(call(write("a.py"), command("git push -f"), write(".env"))).rule == "git_force_push"
    assert gate.judge(call()) == Verdict(action=GateAction.ALLOW)


def ruled(*rules: dict[str, object]) -> PolicyGate:
    policies = Policies.model_validate({"tools": list(rules)})
    return PolicyGate(policies=PoliciesEngine(policies=policies, source=None))


def test_a_tool_is_judged_by_its_name_and_by_what_it_does() -> None:
    gate = ruled({"tool": "mcp__github", "exclude": ["mcp__github__get_*"], "action": "deny"})
    verdict = gate.judge(call(tool="mcp__github__push"))
    assert (verdict.action, verdict.rule) == (GateAction.DENY, "tools: mcp__github")
    assert gate.judge(call(tool="mcp__github__get_me")) == Verdict(action=GateAction.ALLOW)
    assert gate.judge(call(command("git push -f"), tool="mcp__github__get_me")).rule == "git_force_push"


def test_an_allowance_of_a_tool_is_about_its_name_alone() -> None:
    gate = ruled({"tool": "mcp__wiki__delete_page", "action": "allow"})
    unseen = ToolUse(kind=UseKind.UNSEEN)
    assert gate.judge(call(unseen, tool="mcp__wiki__delete_page")) == Verdict(action=GateAction.ALLOW)
    assert gate.judge(call(unseen, tool="mcp__wiki__delete_all")).action is GateAction.PROMPT
    assert gate.judge(call(command("rm -rf a"), tool="mcp__wiki__delete_page")).rule == "file_delete"


def test_an_approval_of_a_tool_for_a_run_covers_no_other_rule() -> None:
    gate = ruled({"tool": "mcp__a__b", "action": "prompt"})
    assert gate.judge(call(tool="mcp__a__b")).shape == "calls of mcp__a__b"
    assert gate.judge(call(command("ls"), tool="mcp__a__b")).shape == "calls of mcp__a__b"
    assert gate.judge(call(command("rm -rf a.d"), tool="mcp__a__c")).shape
    assert gate.judge(call(command("rm -rf a.d"), tool="mcp__a__b")).shape == ""


def test_a_rule_that_stops_every_tool_does_not_turn_the_gate_off() -> None:
    policies = Policies.model_validate({"tools": [{"tool": "*", "action": "deny"}]})
    engine = PoliciesEngine(policies=policies, source=None)
    found = find_gate(engine, {"claude": CliBackend(name="claude", kind="claude")}, ["claude"])
    assert (found.problem, found.words["claude"]) == ("", GATED)


def test_of_the_users_policies_and_the_projects_the_stricter_ones_count(tmp_path: Path) -> None:
    file = tmp_path / "policies.yaml"
    file.write_text(
        "commands:\n  - {pattern: npm publish, action: deny}\n  - {pattern: rm -rf victim, action: allow}\n"
    )
    own = PoliciesEngine.load(file)
    for policies in (DEFAULTS.beside(own), own.beside(DEFAULTS)):
        gate = PolicyGate(policies=policies)
        assert gate.judge(call(command("npm publish"))).action is GateAction.DENY
        assert gate.judge(call(command("rm -rf victim"))).action is GateAction.PROMPT


def test_a_gate_is_built_only_for_agents_with_hooks_and_says_which_have_none() -> None:
    backends: dict[str, Backend] = {
        "claude": CliBackend(name="claude", kind="claude"),
        "bare": CliBackend(name="bare", kind="claude", args=("--settings={}",)),
        "gemini": CliBackend(name="gemini", kind="gemini"),
        "aider": CliBackend(name="aider", kind="aider"),
        "bold": CliBackend(name="bold", kind="cline", permissive=True),
        "mine": CommandBackend("mine", ("true",)),
        "local": CommandBackend("local", ("true",)),
    }
    found = find_gate(DEFAULTS, backends, [*backends, "unknown"])
    assert found.gate is not None
    assert found.problem == ""
    assert found.words["claude"] == GATED
    assert "--settings" in found.words["bare"]
    assert "isolated: true" in found.words["gemini"]
    assert all(each.startswith("off: ") for name, each in found.words.items() if name != "claude")
    assert found.words["bold"] == "off: Aurora has no hook for it; it may use every tool"
    assert "local" not in found.words
    assert find_gate(DEFAULTS, backends, ["aider", "mine"]).gate is None


def test_what_is_enforced_is_said_of_agents_that_can_change_something_alone() -> None:
    backends: dict[str, Backend] = {
        "claude": CliBackend(name="claude", kind="claude"),
        "mine": CommandBackend("mine", ("true",)),
        "local": CommandBackend("local", ("true",)),
        "talker": ModelBackend(name="talker", api="openai", model="m"),
    }
    found = enforcement_of(backends, DEFAULTS)
    assert found.gated == ("claude",)
    assert found.ungated == {"mine": "it is a program without hooks"}, "a model has no tools"
    assert "talker" not in "".join(found.sentences)


def test_a_hook_that_does_not_work_is_found_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aurora_spawner.gates.hook_command.sys.executable", str(tmp_path / "gone"))
    found = find_gate(DEFAULTS, {"claude": CliBackend(name="claude", kind="claude")}, ["claude"])
    assert found.gate is None
    assert "exit status 2" in found.problem
    assert found.words["claude"].startswith("off: ")


def test_a_gate_that_allows_everything_is_found_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PolicyGate, "judge", lambda _gate, _call: Verdict(action=GateAction.ALLOW))
    found = find_gate(DEFAULTS, {"claude": CliBackend(name="claude", kind="claude")}, ["claude"])
    assert found.gate is None
    assert "rm -rf /" in found.problem
