"""`aur agents`, and tasks that name a persona, from the command line to the agent's stdin."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]

CONFIG = 'backends:\n  echo: {kind: command, command: ["cat"]}\ntool: echo\n'
TESTER = "---\nid: tester\ngoal: Write tests that can fail\ncategory: qa\nskills: [fixtures]\n---\nBe strict.\n"
REVIEWER = "---\nname: reviewer\ndescription: Reviews diffs\nmodel: opus\ntools: Read\n---\nBe kind.\n"


@pytest.fixture
def team(shop: Path) -> Path:
    """Configure an agent that says what it reads, and two personas."""
    (shop / ".aurora").mkdir()
    (shop / ".aurora" / "config.yaml").write_text(CONFIG, encoding="utf-8")
    put(shop / ".aurora/agents/tester.md", TESTER)
    put(shop / ".claude/agents/reviewer.md", REVIEWER)
    return shop


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_personas_are_listed_and_a_broken_file_is_a_warning(aur: Aur, team: Path) -> None:
    put(team / ".claude/agents/broken.md", "no head")
    outcome = aur("agents", "list")
    assert outcome.returncode == ExitCode.DONE
    assert [line.split()[:3] for line in outcome.stdout.splitlines()] == [
        ["tester", "qa", "aurora"],
        ["reviewer", "qa", "claude"],
    ]
    assert "broken.md:1: has no front matter" in outcome.stderr


def test_a_category_picks_some(aur: Aur, team: Path) -> None:
    assert aur("agents", "list", "--category", "qa").stdout.split()[0] == "tester"
    assert aur("agents", "list", "--category", "product").stdout == ""


def test_in_a_folder_without_a_project_nothing_is_made(aur: Aur, shop: Path) -> None:
    outcome = aur("agents", "list")
    assert outcome.returncode == ExitCode.DONE
    assert "no personas found" in outcome.stderr
    assert not (shop / ".aurora").exists()


def test_the_cache_is_made_and_refreshed(aur: Aur, team: Path) -> None:
    cache = team / ".aurora" / "cache" / "agent_manifest.json"
    aur("agents", "list")
    assert len(json.loads(cache.read_text(encoding="utf-8"))["personas"]) == 2
    cache.write_text("{", encoding="utf-8")
    assert aur("agents", "refresh").stdout == "2 personas, 0 problems\n"
    assert len(json.loads(cache.read_text(encoding="utf-8"))["personas"]) == 2


def test_one_is_shown_with_what_an_agent_is_told(aur: Aur, team: Path) -> None:
    outcome = aur("agents", "show", "@reviewer")
    assert "You work as Reviewer (reviewer). Reviews diffs" in outcome.stdout
    assert "Use these tools only, as far as you have them: Read." in outcome.stdout
    assert json.loads(aur("agents", "show", "reviewer", "--json").stdout)["model"] == "opus"


def test_an_unknown_one_is_a_usage_error_with_the_nearest(aur: Aur, team: Path) -> None:
    outcome = aur("agents", "show", "revewer")
    assert outcome.returncode == ExitCode.USAGE
    assert "did you mean 'reviewer'?" in outcome.stderr
    assert "backends:" not in outcome.stderr, "what is looked for is a persona"


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("zzz", "is a Markdown file in .aurora/agents"),
        ("claude", "claude is an agent, and no persona: see `aur agents doctor`"),
        ("echo", "echo is an agent, and no persona"),
        ("@local", "local is an agent, and no persona"),
    ],
)
def test_one_that_is_no_persona_is_told_what_to_do(aur: Aur, team: Path, name: str, advice: str) -> None:
    outcome = aur("agents", "show", name)
    assert outcome.returncode == ExitCode.USAGE
    assert advice in outcome.stderr


def test_a_personas_instructions_reach_the_default_agent(aur: Aur, team: Path) -> None:
    put(team / "tasks.md", "- [ ] 1 Test the till\n  - Agent: @tester\n- [ ] 2 Say hello\n")
    outcome = aur("spawn", "tasks.md", "--json")
    assert outcome.returncode == ExitCode.DONE
    first, second = json.loads(outcome.stdout)["tasks"]
    assert first["agent"] == "echo"
    assert first["output"] == (
        "You work as Tester (tester). Write tests that can fail\n\nBe strict.\n\nYour task:\n\nTest the till"
    )
    assert second["output"].strip() == "Say hello"
    assert "(@tester on echo," in outcome.stderr


def test_the_preview_for_programs_names_the_persona(aur: Aur, team: Path) -> None:
    put(team / "tasks.md", "- [ ] 1 Test the till\n  - Agent: @tester\n- [ ] 2 Say hello\n")
    tasks = json.loads(aur("spawn", "tasks.md", "--dry-run", "--json").stdout)["tasks"]
    assert [(task["agent"], task["persona"]) for task in tasks] == [("echo", "tester"), ("echo", None)]


def test_a_model_is_passed_on_to_the_tool_only_that_it_was_written_for(aur: Aur, team: Path) -> None:
    config = 'backends:\n  NAME: {kind: command, command: ["sh", "-c", "echo $AURORA_MODEL."]}\ntool: NAME\n'
    put(team / "tasks.md", "- [ ] 1 Look\n  - Agent: @reviewer\n")
    answers = {}
    for name in ("claude", "other"):
        put(team / ".aurora/config.yaml", config.replace("NAME", name))
        answers[name] = json.loads(aur("spawn", "tasks.md", "--json").stdout)["tasks"][0]["output"].strip()
        put(team / "tasks.md", "- [ ] 1 Look\n  - Agent: @reviewer\n")
    assert answers == {"claude": "opus.", "other": "."}


def test_a_backend_comes_before_a_persona_of_its_name(aur: Aur, team: Path) -> None:
    put(team / ".aurora/agents/echo.md", TESTER.replace("tester", "echo"))
    put(team / "tasks.md", "- [ ] 1 Say hello\n  - Agent: @echo\n")
    assert json.loads(aur("spawn", "tasks.md", "--json").stdout)["tasks"][0]["output"].strip() == "Say hello"


def test_a_mistyped_persona_is_an_error_before_anything_runs(aur: Aur, team: Path) -> None:
    put(team / "tasks.md", "- [ ] 1 Test the till\n  - Agent: @testr\n")
    outcome = aur("spawn", "tasks.md")
    assert outcome.returncode == ExitCode.USAGE
    assert "tasks.md:1: no agent named 'testr'" in outcome.stderr
    assert "did you mean 'tester'?" in outcome.stderr


def test_a_resumed_run_knows_its_personas(aur: Aur, team: Path) -> None:
    config = 'backends:\n  echo: {kind: command, command: ["sh", "-c", "cat; test -e go"]}\ntool: echo\n'
    put(team / ".aurora/config.yaml", config)
    put(team / ".aurora/policies.yaml", "agent_recovery: {max_retries: 0, fallback_to_llm: false}\n")
    put(team / "tasks.md", "- [ ] 1 Test the till\n  - Agent: @tester\n- [ ] 2 Say hello\n  - Agent: @reviewer\n")
    run_id = json.loads(aur("spawn", "tasks.md", "--json").stdout)["run_id"]
    put(team / "go", "")
    outcome = aur("spawn", "--resume", run_id, "--retry-failed", "--json")
    assert outcome.returncode == ExitCode.DONE
    first, second = json.loads(outcome.stdout)["tasks"]
    assert "Be strict." in first["output"]
    assert "Be kind." in second["output"]


def test_the_local_agent_is_asked_the_task_alone(aur: Aur, team: Path) -> None:
    put(team / "tasks.md", "- [ ] 1 What does price_of raise?\n  - Agent: @tester\n")
    (task,) = json.loads(aur("spawn", "tasks.md", "--tool", "local", "--json").stdout)["tasks"]
    assert task["state"] == "succeeded"
    assert "src/shop/stock.py:" in task["output"]


def test_a_search_names_the_persona_that_fits(aur: Aur, team: Path) -> None:
    outcome = aur("agents", "search", "write", "a", "unit", "test", "with", "fixtures")
    assert outcome.returncode == ExitCode.DONE
    assert outcome.stdout.split()[0] == "tester"
    document = json.loads(aur("agents", "search", "review the diff", "--json").stdout)
    assert (document["ideal"], document["assigned"], document["gap"]) == ("reviewer", "reviewer", False)


def test_a_gap_is_said_with_what_such_an_agent_would_be_told(aur: Aur, team: Path) -> None:
    outcome = aur("agents", "search", "Port the app to iOS with Swift")
    assert outcome.returncode == ExitCode.NOT_REACHED
    assert "gap: no persona fits (ios-developer)" in outcome.stdout
    assert "You work as Ios developer" in outcome.stdout


def test_matching_gives_each_task_its_persona_or_one_that_is_made_up(aur: Aur, team: Path) -> None:
    put(team / "tasks.md", "- [ ] 1 Write unit tests\n- [ ] 2 Port the app to iOS\n- [ ] 3 Say it\n  - Agent: echo\n")
    plan = json.loads(aur("spawn", "tasks.md", "--match", "--dry-run", "--json").stdout)["tasks"]
    assert [(task["persona"], task["gap"]) for task in plan] == [
        ("tester", False),
        ("ios-developer", True),
        (None, False),
    ]
    outcome = aur("spawn", "tasks.md", "--match", "--json")
    assert "(@ios-developer (ad hoc: no such persona) on echo," in outcome.stderr
    first, second, third = (task["output"] for task in json.loads(outcome.stdout)["tasks"])
    assert "Be strict." in first
    assert "You work as Ios developer" in second
    assert third.strip() == "Say it"


def test_a_resumed_run_keeps_the_personas_that_were_found(aur: Aur, team: Path) -> None:
    config = 'backends:\n  echo: {kind: command, command: ["sh", "-c", "cat; test -e go"]}\ntool: echo\n'
    put(team / ".aurora/config.yaml", config)
    put(team / ".aurora/policies.yaml", "agent_recovery: {max_retries: 0, fallback_to_llm: false}\n")
    put(team / "tasks.md", "- [ ] 1 Write unit tests\n")
    run_id = json.loads(aur("spawn", "tasks.md", "--match", "--json").stdout)["run_id"]
    (team / ".aurora/agents/tester.md").unlink()
    put(team / "go", "")
    (task,) = json.loads(aur("spawn", "--resume", run_id, "--retry-failed", "--json").stdout)["tasks"]
    assert "Be strict." in task["output"]


def test_matching_is_for_new_runs(aur: Aur, team: Path) -> None:
    assert aur("spawn", "--resume", "x", "--match").returncode == ExitCode.USAGE


def program(folder: Path, name: str, text: str) -> None:
    put(folder / name, f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a folder of our own before PATH, and no key into the environment."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    for name in [name for name in os.environ if name.endswith(("_KEY", "_TOKEN"))]:
        monkeypatch.delenv(name)
    return folder


def checks(aur: Aur) -> dict[str, dict[str, str | None]]:
    return {each["name"]: each for each in json.loads(aur("agents", "doctor", "--json").stdout)["agents"]}


def test_the_doctor_says_of_each_agent_what_can_be_known(
    aur: Aur, team: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(programs, "codex", "echo codex-cli 0.169.0")
    program(programs, "gemini", "exit 3")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    found = checks(aur)
    assert list(found)[:8] == ["claude", "codex", "gemini", "opencode", "qwen", "copilot", "aider", "cline"]
    codex = found["codex"]
    assert (codex["version"], codex["signed_in"], codex["signed_in_by"]) == (
        "codex-cli 0.169.0",
        "yes",
        "OPENAI_API_KEY",
    )
    assert codex["gate"] == "on: a hook asks the policies before each tool call"
    assert "Aurora has no hook for it" in str(found["aider"]["gate"])
    assert found["gemini"]["version"] is None
    assert "--version` fails" in (found["gemini"]["advice"] or "")
    assert found["claude"]["program"] is None
    assert found["claude"]["advice"] == "install it: npm install -g @anthropic-ai/claude-code"
    assert found["aider"]["advice"] == "install it: pip install aider-chat"
    assert found["echo"]["program"] == "/usr/bin/cat"
    outcome = aur("agents", "doctor")
    assert outcome.returncode == ExitCode.DONE
    assert "codex-cli 0.169.0; signed in: yes (OPENAI_API_KEY)\n          policy gate on: a hook" in outcome.stdout
    assert "          aur interact: one process, by Codex's app-server\n" in outcome.stdout
    assert found["echo"]["talks"] == "one process a turn, which is told the earlier turns"
    assert "sk-secret" not in outcome.stdout + outcome.stderr


def test_the_doctor_knows_a_login_by_its_file_and_none_where_it_would_see_one(
    aur: Aur, team: Path, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checks(aur)["codex"]["signed_in"] == "no"
    assert checks(aur)["copilot"]["signed_in"] == "unknown"
    put(tmp_path / "own" / "auth.json", "{}")
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "own"))
    assert checks(aur)["codex"]["signed_in_by"] == str(tmp_path / "own" / "auth.json")


@pytest.mark.parametrize(
    ("agent", "file", "content", "spends"),
    [
        ("codex", ".codex/auth.json", '{"tokens": {"id": "t0ps3cret"}}', "the ChatGPT plan of HOME/.codex/auth.json"),
        (
            "codex",
            ".codex/auth.json",
            '{"OPENAI_API_KEY": "t0ps3cret"}',
            "the key in HOME/.codex/auth.json, billed by use",
        ),
        (
            "claude",
            ".claude/.credentials.json",
            '{"claudeAiOauth": {"accessToken": "t0ps3cret", "subscriptionType": "max"}}',
            "the Claude plan max of HOME/.claude/.credentials.json",
        ),
        ("claude", ".claude/.credentials.json", "[", "the account of HOME/.claude/.credentials.json"),
        (
            "gemini",
            ".gemini/oauth_creds.json",
            "{}",
            "the quota of the Google account of HOME/.gemini/oauth_creds.json",
        ),
    ],
)
def test_the_doctor_says_what_an_agent_spends_as_its_login_file_tells(
    aur: Aur, team: Path, programs: Path, agent: str, file: str, content: str, spends: str
) -> None:
    put(Path.home() / file, content)
    program(programs, agent, "echo 1")
    outcome = aur("agents", "doctor")
    said = outcome.stdout.replace(str(Path.home()), "HOME")
    assert f"spends {spends}; shares the limits of " in said
    assert "t0ps3cret" not in said


def test_the_doctor_says_what_an_agent_spends_as_variables_tell(
    aur: Aur, team: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://user:sk-secret@gate.example:8443/v1")
    model = "{kind: model, api: anthropic, model: m, base_url: 'http://localhost:9/v1'}"
    put(team / ".aurora/config.yaml", f"backends: {{mine: {model}, own: {{kind: command, command: [cat]}}}}\n")
    found = checks(aur)
    assert found["claude"]["spends"] == "the key ANTHROPIC_API_KEY, billed by use, at gate.example"
    assert (found["mine"]["spends"], found["local"]["spends"]) == (
        "whatever localhost asks, without a key",
        "nothing",
    )
    assert (found["own"]["spends"], found["own"]["pool"]) == ("unknown: whatever its command uses", None)
    assert (found["codex"]["spends"], found["codex"]["pool"]) == (
        "unknown: no variable or file shows its login",
        "openai",
    )


def test_a_configured_agent_whose_program_is_gone_is_an_error(aur: Aur, team: Path, programs: Path) -> None:
    put(team / ".aurora/config.yaml", 'backends:\n  mine: {kind: command, command: ["no-such-thing"]}\n')
    outcome = aur("agents", "doctor")
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert "correct its `command:`" in outcome.stdout


def test_a_program_in_the_project_is_found_from_a_folder_inside_it(
    aur: Aur, team: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(team, "mine", "cat")
    put(team / ".aurora/config.yaml", 'backends:\n  mine: {kind: command, command: ["./mine"]}\n')
    monkeypatch.chdir(team / "src")
    assert checks(aur)["mine"]["program"] == str(team / "mine")


def test_a_program_that_hangs_is_given_up_with_what_it_started(
    aur: Aur, team: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aurora_soar.doctor.agents.VERSION_LIMIT_S", 0.3)
    program(programs, "claude", "sleep 29.77 & wait")
    assert checks(aur)["claude"]["version"] is None
    import psutil

    assert not [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "29.77"]]


def test_a_persona_that_has_the_name_of_a_backend_is_told(aur: Aur, team: Path) -> None:
    put(team / ".aurora/agents/echo.md", TESTER.replace("tester", "echo"))
    outcome = aur("agents", "list")
    assert "@echo means the backend" in outcome.stderr
    assert "@tester means the backend" not in outcome.stderr


def test_problems_of_personas_are_told_by_the_commands_about_them_only(aur: Aur, team: Path) -> None:
    put(team / ".claude/agents/broken.md", "no head")
    put(team / "tasks.md", "- [ ] 1 Test the till\n  - Agent: @tester\n")
    telling = (("agents", "list"), ("agents", "refresh"), ("agents", "doctor"))
    silent = (("agents", "search", "review"), ("agents", "show", "tester"), ("spawn", "tasks.md", "--dry-run"))
    assert ["broken.md" in aur(*each).stderr for each in telling] == [True] * 3
    assert ["broken.md" in aur(*each).stderr for each in silent] == [False] * 3


def test_a_persona_in_any_script_can_be_named_by_a_task(aur: Aur, team: Path) -> None:
    put(
        team / ".claude/agents/reviewer-zh.md",
        "---\nname: 代码审查员\ndescription: 审查每次提交的代码\n---\n请检查。\n",
    )
    put(team / "tasks.md", "- [ ] 1 Look\n  - Agent: @代码审查员\n")
    (task,) = json.loads(aur("spawn", "tasks.md", "--json").stdout)["tasks"]
    assert "请检查。" in task["output"]
