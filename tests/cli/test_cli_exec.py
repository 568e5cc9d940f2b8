"""`aur exec`: one task by a real agent process, and its result again later."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from tests.cli.test_cli_spawn import CONFIG
from tests.cli.waiting import wait_for
from tests.exhaustive import few

from aurora_cli.exits import ExitCode
from aurora_spawner.supervision.environment import TOKEN_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess, Popen

    from tests.cli.finished_runs import Shed

    Aur = Callable[..., CompletedProcess[str]]

WRITER = '  writer: {kind: command, command: ["sh", "-c", "cat; echo better > app.py"]}\n'
PERSONA = "---\nid: poet\nrole: Poet\ngoal: Write verse\n---\nSpeak in verse.\n"


def configure(root: Path, text: str = CONFIG + WRITER) -> None:
    (root / ".aurora").mkdir(exist_ok=True)
    (root / ".aurora" / "config.yaml").write_text(text, encoding="utf-8")


@pytest.fixture
def works(shop: Path) -> Path:
    configure(shop)
    return shop


def test_the_answer_alone_is_on_standard_output(aur: Aur, works: Path) -> None:
    outcome = aur("exec", "Say", "hello", "--agent", "echo")
    assert (outcome.returncode, outcome.stdout) == (ExitCode.DONE, "Say hello\n")
    assert "1  Say hello  (@echo" in outcome.stderr
    assert "1 of 1 succeeded in" in outcome.stderr
    assert "concurrent" not in outcome.stderr


def test_the_result_can_be_had_again_with_or_without_the_name_of_the_task(aur: Aur, works: Path) -> None:
    run_id = json.loads(aur("exec", "Say hello", "--agent", "echo", "--json").stdout)["run_id"]
    assert run_id.startswith("exec-")
    assert aur("runs", "result", run_id).stdout == "Say hello\n"
    assert aur("runs", "result", f"{run_id}/1").stdout == "Say hello\n"
    document = json.loads(aur("runs", "result", run_id, "--json").stdout)
    assert (document["run_id"], document["id"], document["output"]) == (run_id, "1", "Say hello")


def test_of_a_very_long_answer_the_journal_has_the_ends_and_the_log_all(aur: Aur, works: Path) -> None:
    task = "begin " + "x" * 90_000 + " end"
    outcome = aur("exec", task, "--agent", "echo", "--json")
    run_id = json.loads(outcome.stdout)["run_id"]
    again = aur("runs", "result", run_id)
    assert again.stdout.startswith("begin x")
    assert again.stdout.endswith("x end\n")
    assert len(again.stdout) < len(task)
    assert f"all of it: aur logs {run_id}/1" in again.stderr
    assert aur("logs", f"{run_id}/1").stdout.strip() == task


def test_a_failed_task_is_the_exit_status_then_and_later(aur: Aur, works: Path) -> None:
    outcome = aur("exec", "Break", "--agent", "broken", "--json")
    assert outcome.returncode == ExitCode.NOT_REACHED
    run_id = json.loads(outcome.stdout)["run_id"]
    again = aur("runs", "result", run_id)
    assert again.returncode == ExitCode.NOT_REACHED
    assert "no luck" in again.stderr


def test_a_resume_prints_the_answer_too(aur: Aur, works: Path) -> None:
    agent = '  twice: {kind: command, command: ["sh", "-c", "test -e fixed && cat"]}\n'
    configure(works, CONFIG + agent)
    run_id = json.loads(aur("exec", "Say hello", "--agent", "twice", "--json").stdout)["run_id"]
    (works / "fixed").touch()
    again = aur("resume", run_id, "--retry-failed")
    assert (again.returncode, again.stdout) == (ExitCode.DONE, "Say hello\n")
    assert "1 of 1 succeeded" in again.stderr


def test_of_several_tasks_one_must_be_named_and_an_unknown_one_is_told(aur: Aur, works: Path) -> None:
    (works / "tasks.md").write_text("- [ ] 1 A\n  - Agent: echo\n- [ ] 2 B\n  - Agent: echo\n", encoding="utf-8")
    run_id = json.loads(aur("spawn", "tasks.md", "--json").stdout)["run_id"]
    outcome = aur("runs", "result", run_id)
    assert outcome.returncode == ExitCode.USAGE
    assert f"has 2 tasks; name one: aur runs result {run_id}/TASK (1, 2)" in outcome.stderr
    assert aur("runs", "result", f"{run_id}/2").stdout == "B\n"
    assert aur("runs", "result", f"{run_id}/3").returncode == ExitCode.USAGE


@pytest.fixture
def trusted(aur: Aur, works: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Trusts the project's agents, and nothing else."""
    monkeypatch.delenv("AURORA_TRUST")
    assert aur("trust", "--yes").returncode == ExitCode.DONE
    return works


def test_a_check_decides_whether_it_is_done_and_needs_no_trust_of_a_file(aur: Aur, trusted: Path) -> None:
    words = ["exec", "Ask", "--agent", "echo", "--check", "touch checked"]
    assert json.loads(aur(*words, "--json").stdout)["tasks"][0]["state"] == "succeeded"
    assert (trusted / "checked").exists()
    failed = aur(*words, "--check", "test -e NOTHING", "--json")
    assert failed.returncode == ExitCode.NOT_REACHED
    assert "NOTHING" in json.loads(failed.stdout)["tasks"][0]["error"]


@pytest.mark.parametrize("accepted", few([False, True], 1), ids=["as written", "changes accepted"])
def test_a_resume_runs_the_checks_of_the_user_but_not_those_of_a_changed_journal(
    aur: Aur, trusted: Path, accepted: bool
) -> None:
    outcome = aur("exec", "Ask", "--agent", "echo", "--check", "touch checked; test -e fixed", "--json")
    run_id = json.loads(outcome.stdout)["run_id"]
    (trusted / "checked").unlink()
    (trusted / "fixed").touch()
    again = aur("resume", run_id, "--retry-failed", "--json", *(["--accept-changes"] if accepted else []))
    assert again.returncode == ExitCode.DONE
    assert (trusted / "checked").exists() is not accepted
    assert ("will not run" in again.stderr) is accepted


def test_an_agent_cannot_have_commands_run_past_its_gate(
    aur: Aur, works: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "a-token")
    outcome = aur("exec", "Ask", "--check", "touch escaped")
    assert outcome.returncode == ExitCode.REFUSED
    assert not (works / "escaped").exists()


def test_a_persona_does_the_task_with_the_default_agent(aur: Aur, works: Path) -> None:
    (works / ".aurora" / "agents").mkdir()
    (works / ".aurora" / "agents" / "poet.md").write_text(PERSONA, encoding="utf-8")
    outcome = aur("exec", "Praise the till", "--agent", "@poet", "--tool", "echo")
    assert "@poet on echo" in outcome.stderr
    assert "Speak in verse." in outcome.stdout


def test_an_unknown_agent_is_an_error_before_anything_runs(aur: Aur, works: Path) -> None:
    outcome = aur("exec", "Say hello", "--agent", "ecko")
    assert outcome.returncode == ExitCode.USAGE
    assert "aur exec: no agent named 'ecko'" in outcome.stderr
    assert "did you mean 'echo'?" in outcome.stderr
    assert not (works / ".aurora" / "runs.db").exists()


def test_a_missing_program_is_an_error_before_anything_runs(aur: Aur, works: Path) -> None:
    gone = '  gone: {kind: command, command: ["no-such-program"]}\n'
    configure(works, CONFIG + gone)
    outcome = aur("exec", "Say hello", "--agent", "gone")
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert "aur exec: the program of agent gone, 'no-such-program', is not found" in outcome.stderr
    assert "`aur agents doctor`" in outcome.stderr
    assert not (works / ".aurora" / "runs.db").exists()
    configure(works, CONFIG + gone.replace("]}", "], fallback: [echo]}"))
    assert aur("exec", "Say hello", "--agent", "gone").stdout == "Say hello\n", "another agent is there"
    configure(works, CONFIG + '  own: {kind: command, command: ["./made-by-the-set-up"]}\n')
    assert aur("exec", "Say hello", "--agent", "own").returncode == ExitCode.NOT_REACHED, "known only at the start"


def test_a_dry_run_changes_nothing_and_names_no_file(aur: Aur, shop: Path) -> None:
    assert "1  Ask  (@local" in aur("exec", "Ask", "--dry-run").stdout
    document = json.loads(aur("exec", "Ask", "--dry-run", "--json").stdout)
    assert (document["file"], document["tasks"][0]["title"]) == (None, "Ask")
    assert not (shop / ".aurora").exists()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["  "], "the task is empty"),
        (["x", "--agent", "echo", "--match"], "--match has nothing to find"),
        (["x", "--agent", "echo", "--agents", "echo,broken"], "exclude each other"),
        (["x", "--include-dirty", "--merge", "auto"], "exclude each other"),
        (["x", "--isolation", "none", "--merge", "auto"], "need worktrees"),
        (["x", "--check", " "], "check"),
        (["x", "--budget", "nan"], "not a finite number"),
        (["x", "--budget", "abc"], "'abc' is not a number"),
    ],
)
def test_what_contradicts_itself_is_a_usage_error(aur: Aur, works: Path, words: list[str], problem: str) -> None:
    outcome = aur("exec", *words)
    assert outcome.returncode == ExitCode.USAGE
    assert problem in outcome.stderr
    assert not (works / ".aurora" / "runs.db").exists()


def test_the_task_can_come_from_standard_input(aur: Aur, works: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"First line\n- [ ] no task of its own\n")))
    assert aur("exec", "-", "--agent", "echo").stdout == "First line\n- [ ] no task of its own\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff")))
    assert aur("exec", "-", "--agent", "echo").returncode == ExitCode.USAGE


def test_work_in_a_worktree_is_merged_when_the_user_agrees_beforehand(aur: Aur, shed: Shed) -> None:
    configure(shed.path)
    assert aur("exec", "Improve it", "--agent", "writer").returncode == ExitCode.DONE
    assert (shed.path / "app.py").read_text(encoding="utf-8") != "better\n"
    outcome = aur("exec", "Improve it", "--agent", "writer", "--yes")
    assert outcome.stdout == "Improve it\n"
    assert (shed.path / "app.py").read_text(encoding="utf-8") == "better\n"


def test_candidates_run_side_by_side_and_the_result_is_of_the_one_taken(aur: Aur, shed: Shed) -> None:
    configure(shed.path)
    outcome = aur("exec", "Improve it", "--agent", "writer", "--candidates", "2", "--json")
    document = json.loads(outcome.stdout)
    assert (document["ok"], len(document["candidates"])) == (True, 2)
    assert aur("runs", "result", document["run_id"]).stdout == "Improve it\n"


def test_in_the_background_it_runs_without_this_process_and_its_checks_too(
    installed: Aur, aur: Aur, trusted: Path
) -> None:
    outcome = installed("exec", "Say hello", "--agent", "echo", "--check", "touch checked", "--bg")
    run_id = outcome.stdout.strip()
    assert outcome.returncode == ExitCode.DONE
    assert f"aur runs result {run_id}" in outcome.stderr
    wait_for(lambda: aur("runs", "result", run_id).returncode == ExitCode.DONE)
    assert aur("runs", "result", run_id).stdout == "Say hello\n"
    assert (trusted / "checked").exists()


def test_what_was_interrupted_has_no_result_until_it_is_resumed(
    start_aur: Callable[..., Popen[str]], aur: Aur, works: Path
) -> None:
    process = start_aur("exec", "Sleep", "--agent", "slow", "--json")
    wait_for(lambda: json.loads(aur("status", "--json").stdout or '{"runs": []}')["runs"])
    run_id = json.loads(aur("status", "--json").stdout)["runs"][0]["run_id"]
    outcome = aur("runs", "result", run_id)
    assert outcome.returncode == ExitCode.NOT_REACHED
    assert f"aur logs {run_id}/1" in outcome.stderr
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=30) == ExitCode.INTERRUPTED
    configure(works, CONFIG.replace('["sleep", "31.4159"]', '["cat"]'))
    assert run_id in aur("spawn", "--list-checkpoints").stdout
    assert aur("resume", run_id).returncode == ExitCode.DONE
    assert aur("runs", "result", run_id).stdout == "Sleep\n"
