"""Recovery from the command line: configuration and policies in, the path of every task out."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aurora_cli.exits import ExitCode
from aurora_spawner.rate_limits.gate_store import ProviderStore

Aur = Callable[..., "subprocess.CompletedProcess[str]"]

CONFIG = """\
tool: steady
spawner:
  recovery: {base_delay: 0.01, max_delay: 0.02}
backends:
  steady: {kind: command, command: ["sh", "-c", "echo steady"]}
  flaky: {kind: command, command: ["sh", "-c", "[ -e tried ] && echo healed || { touch tried; exit 7; }"]}
  broken: {kind: command, command: ["sh", "-c", "echo no luck >&2; exit 7"], fallback: [missing, steady]}
  alone: {kind: command, command: ["sh", "-c", "echo '401 Unauthorized' >&2; exit 7"], provider: somebody}
  missing: {kind: command, command: ["no-such-program-anywhere"]}
"""


@pytest.fixture
def works(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Configure agents in the project and return its configuration's path."""
    monkeypatch.setenv("HOME", str(shop))
    (shop / ".aurora").mkdir()
    config = shop / ".aurora" / "config.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    return config


def write_tasks(shop: Path, *agents: str) -> None:
    lines = [f"- [ ] {number} Task for {agent}\n  - Agent: {agent}\n" for number, agent in enumerate(agents, 1)]
    (shop / "tasks.md").write_text("".join(lines), encoding="utf-8")


def test_a_run_recovers_as_configured_and_tells_how(aur: Aur, shop: Path, works: Path) -> None:
    write_tasks(shop, "steady", "flaky", "broken", "alone")
    outcome = aur("spawn", "tasks.md", "--json")
    assert outcome.returncode == ExitCode.NOT_REACHED
    report = json.loads(outcome.stdout)
    rows = {row["agent"]: row for row in report["tasks"]}
    assert [row["state"] for row in report["tasks"]] == ["succeeded", "succeeded", "succeeded", "failed"]
    assert rows["flaky"]["retry_count"] == 1
    assert report["tasks"][2]["original_agent"] == "broken"
    assert "provider somebody denies access" in rows["alone"]["error"]
    shown = aur("runs", "show", report["run_id"], "--recovery").stdout.splitlines()
    assert shown[0] == "1 succeeded at once, 2 recovered, 1 failed"
    assert any("retry_pending" in line and "@flaky" in line for line in shown)
    assert any("fallback_executing" in line and "@steady" in line for line in shown)
    assert any("authentication" in line for line in shown)
    assert not any("Task for steady" in line for line in shown), "what went well takes no line"
    document = json.loads(aur("runs", "show", report["run_id"], "--recovery", "--json").stdout)
    assert document["tasks"][1]["recovery_path"][-2:] == ["retrying", "succeeded"]
    assert document["summary"]["fallbacks"] == 1
    assert document["notices"] == [rows["alone"]["error"]]


def test_policies_say_how_often_and_the_configuration_comes_before_them(aur: Aur, shop: Path, works: Path) -> None:
    (shop / ".aurora" / "policies.yaml").write_text("agent_recovery: {max_retries: 0}\n", encoding="utf-8")
    write_tasks(shop, "flaky")
    assert json.loads(aur("spawn", "tasks.md", "--json").stdout)["tasks"][0]["retry_count"] == 0
    (shop / "tried").unlink()
    works.write_text(CONFIG.replace("{base_delay", "{max_retries: 1, base_delay"), encoding="utf-8")
    assert json.loads(aur("spawn", "tasks.md", "--json").stdout)["tasks"][0]["state"] == "succeeded"


def test_a_mistake_in_the_configuration_is_named_with_its_line(aur: Aur, shop: Path, works: Path) -> None:
    works.write_text(CONFIG.replace("base_delay", "base_dely"), encoding="utf-8")
    write_tasks(shop, "steady")
    outcome = aur("spawn", "tasks.md")
    assert outcome.returncode == ExitCode.USAGE
    assert "config.yaml:3" in outcome.stderr
    assert "spawner.recovery.base_dely" in outcome.stderr
    assert "did you mean base_delay?" in outcome.stderr
    assert not (shop / ".aurora" / "runs.db").exists()


def test_a_resume_recovers_as_well(aur: Aur, shop: Path, works: Path) -> None:
    write_tasks(shop, "alone")
    run_id = json.loads(aur("spawn", "tasks.md", "--json").stdout)["run_id"]
    works.write_text(CONFIG.replace("provider: somebody", "fallback: [steady]"), encoding="utf-8")
    again = json.loads(aur("resume", run_id, "--retry-failed", "--json").stdout)
    assert (again["tasks"][0]["agent"], again["tasks"][0]["fallback"]) == ("steady", True)


def test_a_provider_that_another_project_found_limited_is_waited_for(aur: Aur, shop: Path, works: Path) -> None:
    with ProviderStore(shop / ".aurora") as store:
        store.limited("somebody", began=time.time(), retry_after_s=1.0, reason="429 elsewhere")
        until = store.gate("somebody").until
    works.write_text(CONFIG.replace("echo '401 Unauthorized' >&2; exit 7", "echo fine"), encoding="utf-8")
    write_tasks(shop, "alone", "steady")
    alone, steady = json.loads(aur("spawn", "tasks.md", "--json").stdout)["tasks"]
    assert alone["started_at"] >= until
    assert steady["started_at"] < until


@pytest.fixture
def failing(shop: Path, works: Path) -> Path:
    """Configure a batch breaker, and write tasks that trip it."""
    limits = "{base_delay: 0.01, max_delay: 0.02, preset: no_recovery, max_failure_rate: 0.5, min_batch: 2}"
    works.write_text(CONFIG.replace("{base_delay: 0.01, max_delay: 0.02}", limits), encoding="utf-8")
    write_tasks(shop, "broken", "broken", "steady")
    return shop


def test_off_a_terminal_the_rest_is_held_and_a_command_goes_on(
    aur: Aur, start_aur: Callable[..., "subprocess.Popen[str]"], failing: Path
) -> None:
    process = start_aur("spawn", "tasks.md", "--max-concurrent", "1", "--json")
    assert process.stderr is not None
    lines = iter(process.stderr.readline, "")
    hint = next(line for line in lines if "aur resume" in line)
    command = hint.split("aur resume ")[1].split()[0]
    assert "aur cancel " + command in hint
    assert aur("resume", command).returncode == ExitCode.DONE
    out, err = process.communicate(timeout=50)
    assert process.returncode == ExitCode.NOT_REACHED
    assert json.loads(out)["counts"] == {"succeeded": 1, "failed": 2, "skipped": 0, "cancelled": 0}
    assert "2 of 2 tasks failed, more than 50%; the rest was held" in err


def test_what_nobody_could_take_up_again_is_skipped(aur: Aur, failing: Path) -> None:
    outcome = aur("spawn", "tasks.md", "--max-concurrent", "1", "--no-checkpoint", "--json")
    assert json.loads(outcome.stdout)["counts"] == {"succeeded": 0, "failed": 2, "skipped": 1, "cancelled": 0}
    assert "2 of 2 tasks failed, more than 50%; the rest was skipped" in outcome.stderr


def test_the_plan_tells_how_limits_are_extended(aur: Aur, shop: Path, works: Path) -> None:
    write_tasks(shop, "steady")
    assert "(@steady, timeout 120 s, 600 s while active)" in aur("spawn", "tasks.md", "--dry-run").stdout


def test_a_question_is_answered_under_the_same_recovery(aur: Aur, shop: Path, works: Path) -> None:
    question = "Compare what the till and the stock do with prices"
    assert aur("soar", question).returncode == ExitCode.DONE
    works.write_text(CONFIG.replace("base_delay", "base_dely"), encoding="utf-8")
    outcome = aur("soar", question)
    assert outcome.returncode == ExitCode.USAGE
    assert "spawner.recovery.base_dely" in outcome.stderr


def test_a_fallback_that_nobody_knows_is_named_with_file_and_line(aur: Aur, shop: Path) -> None:
    (shop / ".aurora").mkdir(exist_ok=True)
    config = shop / ".aurora" / "config.yaml"
    (shop / "tasks.md").write_text("- [ ] 1 a\n")
    for command in (["spawn", "tasks.md", "--dry-run"], ["spawn", "tasks.md"]):
        config.write_text("tool: a\nbackends:\n  a: {kind: command, command: [echo, hi], fallback: [b, a]}\n")
        outcome = aur(*command)
        assert outcome.returncode == ExitCode.USAGE
        assert "config.yaml:3" in outcome.stderr
        assert "backends.a.fallback: there is no agent named 'b'" in outcome.stderr
        # Somebody else's machine may have it; and who falls back to itself falls back to nobody.
        config.write_text("tool: a\nbackends:\n  a: {kind: command, command: [echo, hi], fallback: [qwen, a]}\n")
        assert aur(*command).returncode == ExitCode.DONE
