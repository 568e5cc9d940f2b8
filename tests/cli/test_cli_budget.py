"""`aur budget`, and runs within a budget and caps: from the command line to the ledger."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from tests.cli.waiting import wait_for
from tests.exhaustive import few

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess, Popen

    Aur = Callable[..., CompletedProcess[str]]

RESULT = {
    "type": "result",
    "subtype": "success",
    "is_error": False,
    "result": "done",
    "total_cost_usd": 0.2,
    "usage": {},
}
CONFIG = """\
tool: paid
backends:
  paid: {kind: command, command: ["sh", "agent.sh"], events: claude}
  free: {kind: command, command: ["cat"]}
"""


@pytest.fixture
def till(shop: Path) -> Path:
    """Configure an agent that costs 20 cents a task."""
    (shop / ".aurora").mkdir()
    (shop / ".aurora/config.yaml").write_text(CONFIG)
    (shop / ".aurora/policies.yaml").write_text("agent_recovery: {max_retries: 0, fallback_to_llm: false}\n")
    (shop / "agent.sh").write_text(f"echo '{json.dumps(RESULT)}'\n")
    return shop


def tasks(till: Path, count: int, agent: str = "paid") -> None:
    lines = [f"- [ ] {number} Do it\n  - Agent: {agent}\n" for number in range(1, count + 1)]
    (till / "tasks.md").write_text("".join(lines))


def budget(aur: Aur) -> dict[str, object]:
    found: dict[str, object] = json.loads(aur("budget", "show", "--json").stdout)
    return found


def test_what_a_run_costs_is_in_the_ledger(aur: Aur, till: Path) -> None:
    tasks(till, 2)
    assert aur("spawn", "tasks.md").returncode == ExitCode.DONE
    found = budget(aur)
    assert (found["consumed_usd"], found["reserved_usd"], found["total_entries"]) == (0.4, 0.0, 2)
    assert found["remaining_usd"] == 99.6
    assert "$0.40 of $100.00 spent (0 %), $99.60 left" in aur("budget", "show").stdout
    assert aur("budget", "history").stdout.count("$0.2000  paid") == 2


@pytest.mark.parametrize("told", few(["1e13", "-50", "NaN", "Infinity", "1e999", "9" * 400], 2))
def test_a_cost_that_cannot_be_is_not_believed_and_stops_nothing(aur: Aur, till: Path, told: str) -> None:
    said = json.dumps(RESULT).replace("0.2", told)
    (till / "agent.sh").write_text(f"echo '{said}'\n")
    tasks(till, 2)
    assert aur("spawn", "tasks.md").returncode == ExitCode.DONE
    found = budget(aur)
    assert (found["consumed_usd"], found["estimated_usd"], found["reserved_usd"]) == (1.0, 1.0, 0.0)


def test_the_preview_says_what_is_expected_to_be_spent(aur: Aur, till: Path) -> None:
    tasks(till, 3)
    assert "3 tasks to run" in aur("spawn", "tasks.md", "--dry-run").stdout
    assert "· estimated $1.50" in aur("spawn", "tasks.md", "--dry-run").stdout
    assert not (Path.home() / ".aurora" / "budget.db").exists()
    tasks(till, 5)
    aur("spawn", "tasks.md")
    tasks(till, 2)
    assert json.loads(aur("spawn", "tasks.md", "--dry-run", "--json").stdout)["expected_usd"] == 0.4
    tasks(till, 2, agent="free")
    assert "estimated" not in aur("spawn", "tasks.md", "--dry-run").stdout


def test_free_agents_leave_no_ledger_behind(aur: Aur, till: Path) -> None:
    (till / ".aurora/config.yaml").write_text('backends:\n  free: {kind: command, command: ["cat"]}\ntool: free\n')
    tasks(till, 1, agent="free")
    assert aur("spawn", "tasks.md").returncode == ExitCode.DONE
    assert not (Path.home() / ".aurora" / "budget.db").exists()


def test_with_a_spent_budget_nothing_starts(aur: Aur, till: Path) -> None:
    aur("budget", "set", "--monthly", "0.6")
    tasks(till, 1)
    assert aur("spawn", "tasks.md").returncode == ExitCode.DONE
    tasks(till, 1)
    outcome = aur("spawn", "tasks.md", "--json")
    assert outcome.returncode == ExitCode.REFUSED
    assert "the monthly budget of $0.60 has $0.40 left" in outcome.stderr
    assert "aur budget show" in outcome.stderr
    assert "- [ ] 1" in (till / "tasks.md").read_text()
    assert budget(aur)["total_entries"] == 1


def test_a_free_agent_works_when_nothing_is_left(aur: Aur, till: Path) -> None:
    aur("budget", "set", "--monthly", "0")
    tasks(till, 1, agent="free")
    assert aur("spawn", "tasks.md").returncode == ExitCode.DONE


def test_a_task_that_does_not_fit_any_more_fails_and_says_why(aur: Aur, till: Path) -> None:
    tasks(till, 3)
    outcome = aur("spawn", "tasks.md", "--budget", "0.8", "--max-concurrent", "1", "--json")
    assert outcome.returncode == ExitCode.NOT_REACHED
    document = json.loads(outcome.stdout)
    assert [task["state"] for task in document["tasks"]] == ["succeeded", "succeeded", "failed"]
    assert document["tasks"][2]["termination_reason"] == "over_budget"
    assert "the budget of this run of $0.80 has $0.40 left" in document["tasks"][2]["error"]


def test_many_agents_at_once_pass_the_budget_by_one_reservation_at_most(aur: Aur, till: Path) -> None:
    """Each costs from 0.10 to 0.50 USD, as it happens, and tells it at the end; what does not fit is not started.

    Once five have told, the next are taken to cost a little less than the dearest: that much may be passed.
    """
    result = json.dumps({**RESULT, "total_cost_usd": "COST"}).replace('"COST"', "0.$((1 + AURORA_TASK_ID % 5))")
    (till / "agent.sh").write_text(f'echo "{result.replace(chr(34), chr(92) + chr(34))}"\n')
    tasks(till, 12)
    outcome = aur("spawn", "tasks.md", "--budget", "2", "--max-concurrent", "8", "--json")
    document = json.loads(outcome.stdout)
    assert document["counts"]["succeeded"] >= 4
    assert {task["termination_reason"] for task in document["tasks"] if task["state"] == "failed"} == {"over_budget"}
    found = budget(aur)
    assert found["reserved_usd"] == 0.0
    assert isinstance(found["consumed_usd"], float)
    assert 1.5 < found["consumed_usd"] <= 2.0 + 0.5


def test_a_resumed_run_keeps_its_own_budget(aur: Aur, till: Path) -> None:
    tasks(till, 3)
    run_id = json.loads(aur("spawn", "tasks.md", "--budget", "0.8", "--sequential", "--json").stdout)["run_id"]
    outcome = aur("spawn", "--resume", run_id, "--retry-failed")
    assert outcome.returncode in (ExitCode.NOT_REACHED, ExitCode.REFUSED)
    assert budget(aur)["consumed_usd"] == 0.4


def test_an_agent_that_passes_the_budget_is_ended(aur: Aur, till: Path) -> None:
    said = {"id": "m", "model": "gpt-5", "content": [], "usage": {"input_tokens": 9_000_000}}
    line = json.dumps({"type": "assistant", "message": said})
    (till / "agent.sh").write_text(f"echo '{line}'\necho half > work.txt\nexec sleep 50\n")
    tasks(till, 1)
    outcome = aur("spawn", "tasks.md", "--budget", "2", "--json")
    assert outcome.returncode == ExitCode.NOT_REACHED
    (task,) = json.loads(outcome.stdout)["tasks"]
    assert task["termination_reason"] == "over_budget"
    assert "the budget of this run of $2.00 is spent: $11.25 by this attempt" in task["error"]
    assert (till / "work.txt").read_text() == "half\n"
    assert budget(aur)["estimated_usd"] == 11.25


@pytest.mark.parametrize("words", [["spawn", "tasks.md"], ["exec", "Do it"]], ids=["spawn", "exec"])
def test_a_run_that_has_passed_its_budget_ends_with_a_word_of_it(aur: Aur, till: Path, words: list[str]) -> None:
    said = json.dumps(RESULT).replace("0.2", "0.75")
    (till / "agent.sh").write_text(f"echo '{said}'\n")
    tasks(till, 1)
    outcome = aur(*words, "--budget", "0.6")
    assert outcome.stderr.count("the run has cost $0.75, $0.15 over its budget of $0.60\n") == 1
    tasks(till, 1)
    assert "over its budget" not in aur(*words, "--budget", "9").stderr
    aur("budget", "set", "--monthly", "2")
    assert "this month's cost is $2.25, $0.25 over the budget of $2.00" in aur("exec", "Do it").stderr


def test_where_is_only_warned_everything_runs(aur: Aur, till: Path) -> None:
    aur("budget", "set", "--monthly", "0.3", "--on-limit", "warn")
    tasks(till, 1)
    outcome = aur("spawn", "tasks.md")
    assert outcome.returncode == ExitCode.DONE
    assert "budget: the monthly budget of $0.30 has $0.30 left" in outcome.stderr


def told(till: Path) -> list[str]:
    """What a receiver of budget warnings was told, one document a call."""
    path = till / "told"
    return [json.loads(line)["message"] for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def ear(till: Path) -> None:
    """Tell budget warnings to a file; slowly, so that nobody is told who is not waited for."""
    command = '["sh", "-c", "sleep 0.5; cat >> told; echo >> told"]'
    (till / ".aurora/config.yaml").write_text(f"notify:\n  - {{command: {command}, on: [budget_warning]}}\n{CONFIG}")


@pytest.mark.usefixtures("ear")
def test_a_warning_about_a_run_that_is_refused_is_told(aur: Aur, till: Path) -> None:
    config = till / ".aurora/config.yaml"
    config.write_text(
        config.read_text()
        + '  unpriced: {kind: command, command: ["sh", "agent.sh"], events: qwen, provider: nobody}\n'
    )
    aur("budget", "set", "--monthly", "0.6", "--warn-at", "10")
    (till / "tasks.md").write_text("- [ ] 1 Do it\n  - Agent: paid\n- [ ] 2 Do it\n  - Agent: unpriced\n")
    outcome = aur("spawn", "tasks.md")
    assert outcome.returncode == ExitCode.REFUSED, outcome.stderr
    assert len(told(till)) == 1


def test_a_warning_that_two_agents_share_is_shown_once(aur: Aur, till: Path) -> None:
    config = till / ".aurora/config.yaml"
    config.write_text(config.read_text() + '  second: {kind: command, command: ["sh", "agent.sh"], events: claude}\n')
    aur("budget", "set", "--monthly", "0.3", "--on-limit", "warn")
    (till / "tasks.md").write_text("- [ ] 1 Do it\n  - Agent: paid\n- [ ] 2 Do it\n  - Agent: second\n")
    outcome = aur("spawn", "tasks.md")
    assert outcome.stderr.count("warning: the monthly budget of $0.30 has $0.30 left") == 1


def test_a_warning_whose_figures_move_is_told_once(aur: Aur, till: Path) -> None:
    """Five tasks have told what `paid` costs; of `second`, nothing is known."""
    config = till / ".aurora/config.yaml"
    config.write_text(config.read_text() + '  second: {kind: command, command: ["sh", "agent.sh"], events: claude}\n')
    tasks(till, 5)
    assert aur("spawn", "tasks.md").returncode == ExitCode.DONE
    aur("budget", "set", "--monthly", "5", "--warn-at", "10")
    (till / "tasks.md").write_text("- [ ] 1 Do it\n  - Agent: paid\n- [ ] 2 Do it\n  - Agent: second\n")
    outcome = aur("spawn", "tasks.md")
    assert outcome.stderr.count("warning: the monthly budget of $5.00 is at") == 1


@pytest.mark.usefixtures("ear")
def test_a_warning_is_told_once_by_a_run_in_the_background(aur: Aur, till: Path) -> None:
    aur("budget", "set", "--monthly", "0.3", "--on-limit", "warn")
    tasks(till, 1)
    outcome = aur("spawn", "tasks.md", "--bg", "--json")
    assert outcome.returncode == ExitCode.DONE
    assert "the monthly budget of $0.30 has $0.30 left" in outcome.stderr
    coordinator = psutil.Process(json.loads(outcome.stdout)["pid"])
    wait_for(lambda: not coordinator.is_running() or coordinator.status() == psutil.STATUS_ZOMBIE)
    assert told(till) == ["the monthly budget of $0.30 has $0.30 left, and an attempt is estimated at $0.50"]


def test_a_ledger_that_cannot_be_trusted_lets_nothing_run_that_costs(aur: Aur, till: Path) -> None:
    (Path.home() / ".aurora").mkdir()
    (Path.home() / ".aurora" / "budget.db").write_bytes(b"no ledger at all, but long enough" * 100)
    tasks(till, 1)
    outcome = aur("spawn", "tasks.md")
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert "budget.db: cannot be trusted" in outcome.stderr


@pytest.mark.slow
def test_after_a_kill_the_resume_settles_what_was_reserved(
    start_aur: Callable[..., Popen[str]], aur: Aur, till: Path
) -> None:
    (till / "agent.sh").write_text(f"until test -e go; do sleep 0.05; done\necho '{json.dumps(RESULT)}'\n")
    tasks(till, 2)
    process = start_aur("spawn", "tasks.md", "--yes")
    wait_for(lambda: started(till) == 2)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert budget(aur)["reserved_usd"] == 1.0
    (till / "go").write_text("")
    (run,) = json.loads(aur("spawn", "--list-checkpoints", "--json").stdout)["runs"]
    assert aur("spawn", "--resume", run["run_id"]).returncode == ExitCode.DONE
    found = budget(aur)
    assert (found["reserved_usd"], found["consumed_usd"], found["total_entries"]) == (0.0, 0.4, 2)


def started(till: Path) -> int:
    """Attempts whose agent runs."""
    return len(list((till / ".aurora" / "runs").glob("*/0*/agent")))


def cut_off(start_aur: Callable[..., Popen[str]], till: Path, *, agent: str) -> str:
    """Start a run of two tasks whose coordinator dies; the name of the run."""
    (till / "agent.sh").write_text(agent)
    tasks(till, 2)
    process = start_aur("spawn", "tasks.md", "--yes")
    wait_for(lambda: started(till) == 2)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (run,) = (each.name for each in (till / ".aurora" / "runs").glob("spawn-*"))
    return run


ONE_IS_DONE = f"""\
if mkdir first 2>/dev/null; then until test -e go; do sleep 0.05; done; echo '{json.dumps(RESULT)}'
else sleep 600; fi
"""


def let_one_end(till: Path) -> None:
    (till / "go").write_text("")
    wait_for(lambda: len(list((till / ".aurora" / "runs").glob("*/0*/exit"))) == 1)


@pytest.mark.slow
@pytest.mark.parametrize(("target", "after_resume"), few([("", 0.9), ("/1 /2", 0.7)], 1))
def test_cancelling_a_run_whose_coordinator_died_settles_its_money(
    start_aur: Callable[..., Popen[str]], aur: Aur, till: Path, target: str, after_resume: float
) -> None:
    run = cut_off(start_aur, till, agent=ONE_IS_DONE)
    let_one_end(till)
    assert budget(aur)["reserved_usd"] == 1.0
    for each in target.split() or [""]:
        aur("cancel", f"{run}{each}")
    found = budget(aur)
    assert (found["reserved_usd"], found["consumed_usd"], found["estimated_usd"]) == (0.0, 0.7, 0.5)
    (till / "agent.sh").write_text(f"echo '{json.dumps(RESULT)}'\n")
    aur("spawn", "--resume", run)
    found = budget(aur)
    assert (found["reserved_usd"], found["consumed_usd"]) == (0.0, after_resume)


@pytest.mark.slow
def test_a_configuration_that_cannot_be_read_keeps_nothing_from_being_ended(
    start_aur: Callable[..., Popen[str]], aur: Aur, till: Path
) -> None:
    run = cut_off(start_aur, till, agent="sleep 600\n")
    (till / ".aurora/config.yaml").write_text("backends: 3\n")
    outcome = aur("cancel", run)
    assert outcome.returncode == ExitCode.DONE
    assert f"the budget that {run} has reserved stays reserved" in outcome.stderr
    assert len(list((till / ".aurora" / "runs").glob("*/0*/exit"))) == 2
    (till / ".aurora/config.yaml").write_text(CONFIG)
    assert aur("runs", "clean", "--older-than", "0").returncode == ExitCode.DONE
    found = budget(aur)
    assert (found["reserved_usd"], found["estimated_usd"]) == (0.0, 1.0)


@pytest.mark.slow
def test_a_run_that_is_cleaned_away_leaves_nothing_reserved(
    start_aur: Callable[..., Popen[str]], aur: Aur, till: Path
) -> None:
    cut_off(start_aur, till, agent=f"until test -e go; do sleep 0.05; done\necho '{json.dumps(RESULT)}'\n")
    (till / "go").write_text("")
    wait_for(lambda: len(list((till / ".aurora" / "runs").glob("*/0*/exit"))) == 2)
    wait_for(lambda: aur("runs", "clean", "--older-than", "0", "--json").stdout.count("spawn-") == 1)
    found = budget(aur)
    assert (found["reserved_usd"], found["consumed_usd"], found["estimated_usd"]) == (0.0, 0.4, 0.0)


def test_limits_are_set_shown_and_taken_away(aur: Aur, till: Path) -> None:
    said = aur("budget", "set", "--monthly", "50", "--per-run", "2.5", "--warn-at", "60").stdout
    assert said == "limits: $50.00 per month · $2.50 per run · warn at 60 % · refuse beyond a limit\n"
    document = json.loads(aur("budget", "set", "--per-run", "none", "--json").stdout)
    assert (document["limit_usd"], document["per_run_limit_usd"], document["warn_at_percent"]) == (50.0, None, 60.0)


def test_the_stricter_of_policies_and_own_limits_holds(aur: Aur, till: Path) -> None:
    (till / ".aurora/policies.yaml").write_text("budget: {monthly_limit_usd: 20.0}\n")
    aur("budget", "set", "--monthly", "50")
    assert budget(aur)["limit_usd"] == 20.0
    aur("budget", "set", "--monthly", "5")
    assert budget(aur)["limit_usd"] == 5.0


@pytest.mark.parametrize("words", [(), ("--monthly", "much"), ("--monthly", "-1"), ("--per-run", "inf")])
def test_a_limit_that_cannot_be_meant_is_a_usage_error(aur: Aur, till: Path, words: tuple[str, ...]) -> None:
    assert aur("budget", "set", *words).returncode == ExitCode.USAGE


@pytest.mark.parametrize("amount", ["nan", "inf", "-1", "much"])
@pytest.mark.parametrize(
    "words",
    [
        ("spawn", "tasks.md", "--budget"),
        ("spawn", "tasks.md", "--stagger-delay"),
        ("spawn", "--clean-checkpoints"),
        ("runs", "clean", "--older-than"),
        ("budget", "set", "--warn-at"),
        ("budget", "set", "--monthly"),
    ],
)
def test_an_amount_that_is_none_is_a_usage_error(aur: Aur, till: Path, words: tuple[str, ...], amount: str) -> None:
    tasks(till, 1)
    outcome = aur(*words, amount)
    assert outcome.returncode == ExitCode.USAGE, outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_of_a_limit_of_nothing_no_share_is_told(aur: Aur, till: Path) -> None:
    aur("budget", "set", "--monthly", "0")
    assert "$0.00 of $0.00 spent, $0.00 left\n" in aur("budget", "show").stdout


def test_a_reset_needs_a_yes_and_begins_the_month_anew(aur: Aur, till: Path) -> None:
    tasks(till, 1)
    aur("spawn", "tasks.md")
    assert aur("budget", "reset").returncode == ExitCode.USAGE
    assert aur("budget", "reset", "--yes").stdout == "reset: $0.20 no longer count\n"
    assert budget(aur)["total_entries"] == 0
    assert "$0.2000" in aur("budget", "history").stdout


def test_a_users_own_price_is_what_tokens_cost(aur: Aur, till: Path) -> None:
    own = Path.home() / ".config/aurora/prices.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("models:\n  mine: {input: 100, output: 0}\n")
    told = {key: value for key, value in RESULT.items() if key != "total_cost_usd"}
    start = {"type": "system", "subtype": "init", "session_id": "s", "model": "mine"}
    told["usage"] = {"input_tokens": 5000}
    (till / "agent.sh").write_text(f"echo '{json.dumps(start)}'\necho '{json.dumps(told)}'\n")
    tasks(till, 1)
    aur("spawn", "tasks.md")
    assert budget(aur)["consumed_usd"] == 0.5
    own.write_text("models: {mine: {input: cheap, output: 0}}\n")
    tasks(till, 1)
    outcome = aur("spawn", "tasks.md")
    assert outcome.returncode == ExitCode.USAGE
    assert "prices.yaml:1: models.mine.input" in outcome.stderr


def test_a_run_that_is_too_large_or_too_deep_is_refused(
    aur: Aur, till: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (till / ".aurora/policies.yaml").write_text("caps: {max_total_spawns: 2, max_depth: 2, max_agents: 3}\n")
    tasks(till, 3, agent="free")
    outcome = aur("spawn", "tasks.md")
    assert outcome.returncode == ExitCode.REFUSED
    assert "raise caps.max_total_spawns in .aurora/policies.yaml" in outcome.stderr
    tasks(till, 2, agent="free")
    monkeypatch.setenv("AURORA_DEPTH", "2")
    assert "agents of this run would be 3 levels deep" in aur("spawn", "tasks.md").stderr
    monkeypatch.setenv("AURORA_DEPTH", "1")
    assert json.loads(aur("spawn", "tasks.md", "--dry-run", "--json").stdout)["max_concurrent"] == 3
    assert aur("spawn", "tasks.md").returncode == ExitCode.DONE


def test_retries_count_against_the_cap(aur: Aur, till: Path) -> None:
    (till / ".aurora/policies.yaml").write_text(
        "caps: {max_total_spawns: 2}\nagent_recovery: {max_retries: 5, fallback_to_llm: false}\n"
    )
    (till / ".aurora/config.yaml").write_text(
        'tool: bad\nspawner: {recovery: {base_delay: 0.01}}\nbackends:\n  bad: {kind: command, command: ["false"]}\n'
    )
    tasks(till, 1, agent="bad")
    (task,) = json.loads(aur("spawn", "tasks.md", "--json").stdout)["tasks"]
    assert task["termination_reason"] == "over_cap"
    with sqlite3.connect(till / ".aurora" / "runs.db") as connection:
        (count,) = connection.execute("SELECT count(*) FROM attempts WHERE started_at IS NOT NULL").fetchone()
    connection.close()
    assert count == 2


def test_a_question_tells_the_budget_as_the_ledger_has_it(aur: Aur, till: Path) -> None:
    """Its answer and its log say what `aur budget show` says, though a local agent answers and costs nothing."""
    aur("budget", "set", "--monthly", "5")
    (till / "agent.sh").write_text(f"echo '{json.dumps({**RESULT, 'total_cost_usd': 1.6})}'\n")
    tasks(till, 2)
    assert aur("spawn", "tasks.md").returncode == ExitCode.DONE
    shown = budget(aur)
    assert (shown["limit_usd"], shown["consumed_usd"]) == (5.0, 3.2)
    (till / ".aurora/config.yaml").write_text("tool: local\n")
    asked = json.loads(aur("soar", "How does the till add up prices?", "--json").stdout)
    assert asked["budget_status"] == {name: shown[name] for name in asked["budget_status"]}
    (log,) = (till / ".aurora/logs/conversations").rglob("*.md")
    logged = json.loads(log.read_text().partition("```json\n")[2].partition("\n```")[0])
    assert logged["budget_status"] == asked["budget_status"]
    assert set(logged["budget_status"]) == {
        *("period", "limit_usd", "consumed_usd", "remaining_usd", "percent_consumed"),
        *("at_soft_limit", "at_hard_limit", "total_entries"),
    }


def test_a_question_of_an_agent_that_costs_is_in_the_budget_that_it_tells(aur: Aur, till: Path) -> None:
    asked = json.loads(aur("soar", "How does the till add up prices?", "--json").stdout)
    shown = budget(aur)
    assert shown["consumed_usd"]
    assert asked["budget_status"]["consumed_usd"] == shown["consumed_usd"]


def test_a_question_is_answered_though_the_ledger_cannot_be_read(aur: Aur, till: Path) -> None:
    (till / ".aurora/config.yaml").write_text("tool: local\n")
    (Path.home() / ".aurora").mkdir()
    (Path.home() / ".aurora" / "budget.db").write_bytes(b"no ledger at all, but long enough" * 100)
    outcome = aur("soar", "How does the till add up prices?", "--json")
    assert outcome.returncode == ExitCode.DONE
    assert "warning: the budget is unknown" in outcome.stderr
    assert set(json.loads(outcome.stdout)["budget_status"].values()) == {None}


def test_a_project_cannot_turn_the_users_budget_of_nothing_into_a_warning(aur: Aur, till: Path) -> None:
    aur("budget", "set", "--monthly", "0")
    (till / ".aurora/policies.yaml").write_text("budget: {hard_limit_action: warn, monthly_limit_usd: 1000}\n")
    tasks(till, 1)
    assert aur("spawn", "tasks.md").returncode == ExitCode.REFUSED
    assert budget(aur)["hard_limit_action"] == "reject"


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_what_is_kept_of_the_user_is_the_users_alone(aur: Aur, till: Path, umask: int) -> None:
    tasks(till, 1)
    old = os.umask(umask)
    try:
        assert aur("spawn", "tasks.md").returncode == ExitCode.DONE
    finally:
        os.umask(old)
    folder = Path.home() / ".aurora"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in folder.iterdir() if path.is_file()}
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.rglob("*"))


UNPRICED = """\
tool: strange
backends:
  strange: {kind: command, command: ["sh", "agent.sh"], events: qwen, provider: nobody}
"""


def test_under_a_limit_of_the_users_nobody_runs_whose_spending_cannot_be_watched(aur: Aur, till: Path) -> None:
    (till / ".aurora/config.yaml").write_text(UNPRICED)
    told = {key: value for key, value in RESULT.items() if key != "total_cost_usd"}
    (till / "agent.sh").write_text(f"echo '{json.dumps(told)}'\n")
    tasks(till, 1, agent="strange")
    outcome = aur("spawn", "tasks.md", "--budget", "4")
    assert outcome.returncode == ExitCode.REFUSED
    assert "strange: spending cannot be measured" in outcome.stderr
    assert "prices.yaml" in outcome.stderr
    outcome = aur("spawn", "tasks.md")  # the default limit of a month lets its reservation count
    assert outcome.returncode == ExitCode.DONE
    assert outcome.stderr.count("cannot be measured") == 1
    assert "its reservation counts as its cost" in outcome.stderr
    assert budget(aur)["estimated_usd"] == 0.5


def test_a_run_that_waits_for_money_says_so_once(aur: Aur, till: Path) -> None:
    tasks(till, 5)
    outcome = aur("spawn", "tasks.md", "--budget", "0.9", "--max-concurrent", "5")
    assert outcome.stderr.count(" waits until ") == 1


def test_a_free_agent_works_though_the_ledger_cannot_be_read(aur: Aur, till: Path) -> None:
    (Path.home() / ".aurora").mkdir()
    (Path.home() / ".aurora" / "budget.db").write_bytes(b"no ledger at all, but long enough" * 100)
    (till / ".aurora/config.yaml").write_text('backends:\n  free: {kind: command, command: ["cat"]}\ntool: free\n')
    tasks(till, 1, agent="free")
    assert aur("spawn", "tasks.md").returncode == ExitCode.DONE
