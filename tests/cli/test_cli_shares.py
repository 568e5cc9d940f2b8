"""Runs whose agents are dealt shares of a budget: scripted agents that spend, and end, as Claude Code does."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.cli.waiting import wait_for
from tests.exhaustive import few

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess, Popen

    Aur = Callable[..., CompletedProcess[str]]

DEAR, CHEAP = (90_000, 2_500), (9_000, 700)
USD = {DEAR: 0.41, CHEAP: 0.05}
"""What claude-opus-5-5 costs for so many tokens, read and written."""

# It spends call by call, ends after the call that passes the limit that it was told, and goes on with a session.
AGENT = """
import json, os, pathlib, sys, time, uuid
words = sys.argv[1:]
def told(flag, default):
    places = [place for place, word in enumerate(words) if word == flag]
    return words[places[-1] + 1] if places else default
limit, session = float(told("--max-budget-usd", "inf")), told("--resume", str(uuid.uuid4()))
plan = json.loads(sys.stdin.read().rpartition("PLAN ")[2])
say = lambda **event: print(json.dumps(event), flush=True)
say(type="system", subtype="init", session_id=session, model=plan["model"])
state, spent, read, written = pathlib.Path(session), 0.0, *plan["used"]
done = int(state.read_text()) if state.exists() else 0
while done < plan["calls"]:
    while plan["waits"] and not pathlib.Path("go").exists():
        time.sleep(0.02)
    done, spent = done + 1, spent + plan["usd"]
    state.write_text(str(done))
    with open("bill", "a") as bill:
        bill.write(f"{plan['usd']}\\n")
    last = done == plan["calls"]
    content = [{"type": "text", "text": f"call {done}"}]
    used = {"input_tokens": read, "output_tokens": written}
    say(type="assistant", message={"id": f"m{done}", "model": plan["model"], "content": content, "usage": used})
    if spent >= limit and not last:
        break
cost = {"usage": {}, "total_cost_usd": spent, "model_usage_since_last_result": {"m": {"costUSD": spent}}}
if done < plan["calls"]:
    say(type="result", subtype="error_max_budget_usd", is_error=True, stop_reason="tool_use", **cost)
    sys.exit(1)
say(type="result", subtype="success", is_error=False, result=f"done after {done}", **cost)
"""


@pytest.fixture
def till(shop: Path) -> Path:
    """Configure the agent, and no retries."""
    (shop / ".aurora").mkdir()
    (shop / ".aurora/policies.yaml").write_text("agent_recovery: {max_retries: 0, fallback_to_llm: false}\n")
    (shop / "agent.py").write_text(AGENT)
    configure(shop)
    return shop


def configure(till: Path, **more: object) -> None:
    claude = {"kind": "claude", "command": [sys.executable, str(till / "agent.py")], **more}
    (till / ".aurora/config.yaml").write_text(yaml.safe_dump({"tool": "claude", "backends": {"claude": claude}}))


def tasks(
    till: Path, *needs: tuple[int, tuple[int, int]], waits: bool = False, model: str = "claude-opus-5-5"
) -> None:
    """A task for each: how many calls it needs, and of what size."""
    lines = []
    for number, (calls, used) in enumerate(needs, start=1):
        plan = {"calls": calls, "used": used, "usd": USD[used], "waits": waits, "model": model}
        lines.append(f"- [ ] {number} PLAN {json.dumps(plan)}\n  - Agent: claude\n")
    (till / "tasks.md").write_text("".join(lines))


def billed(till: Path) -> float:
    """What all calls cost, by the agents' own account."""
    bill = till / "bill"
    return sum(map(float, bill.read_text().split())) if bill.exists() else 0.0


def money(aur: Aur) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(aur("budget", "show", "--json").stdout)
    return found


@pytest.mark.parametrize(
    "needs",
    few([
        [(99, DEAR)] * 8,
        [(99, CHEAP)] * 8,
        [(99, DEAR), (99, CHEAP)] * 4,
        [(1, DEAR), (3, CHEAP), (9, DEAR), (40, CHEAP), (2, DEAR), (1, CHEAP), (5, DEAR), (60, CHEAP)],
        [(7, DEAR)] * 12,
    ], 1),
)  # fmt: skip
@pytest.mark.parametrize("limit", few([4.0, 1.5], 1))
@pytest.mark.parametrize("model", few(["claude-opus-5-5", "claude-from-tomorrow-9"], 1))
def test_agents_at_once_never_cost_more_than_the_budget_and_a_reservation(
    aur: Aur, till: Path, needs: list[tuple[int, tuple[int, int]]], limit: float, model: str
) -> None:
    tasks(till, *needs, model=model)
    outcome = aur("spawn", "tasks.md", "--budget", str(limit), "--max-concurrent", "8", "--json")
    found = money(aur)
    assert billed(till) <= limit + 0.5
    assert billed(till) >= 0.6 * limit - 0.41
    assert found["reserved_usd"] == 0.0
    assert found["consumed_usd"] == pytest.approx(billed(till))
    assert outcome.stderr.count(" waits until ") <= 1
    assert outcome.stderr.count("has no price") == (model != "claude-opus-5-5")
    failed = [task for task in json.loads(outcome.stdout)["tasks"] if task["state"] == "failed"]
    assert {task["termination_reason"] for task in failed} <= {"over_budget"}
    assert {task["retry_count"] for task in json.loads(outcome.stdout)["tasks"]} == {0}


def test_an_agent_goes_on_with_its_session_when_others_give_money_back(aur: Aur, till: Path) -> None:
    """One needs 1.64 USD and three a dime: with 2.50 USD for all of them each is done, at what it cost."""
    tasks(till, (4, DEAR), (2, CHEAP), (2, CHEAP), (2, CHEAP))
    outcome = aur("spawn", "tasks.md", "--budget", "2.5", "--max-concurrent", "4", "--json")
    assert outcome.returncode == ExitCode.DONE, outcome.stderr
    found = json.loads(outcome.stdout)["tasks"]
    assert [task["output"] for task in found] == ["done after 4", *["done after 2"] * 3]
    assert [task["retry_count"] for task in found] == [0] * 4
    assert found[0]["usage"]["cost_usd"] == pytest.approx(1.64)
    assert billed(till) == pytest.approx(1.94)
    assert money(aur)["total_entries"] > 4


def test_what_an_agent_has_done_is_kept_when_there_is_no_other_share(aur: Aur, till: Path) -> None:
    tasks(till, (9, DEAR))
    outcome = aur("spawn", "tasks.md", "--budget", "0.9", "--json")
    assert outcome.returncode == ExitCode.NOT_REACHED
    (task,) = json.loads(outcome.stdout)["tasks"]
    assert task["output"] == "call 2"
    assert (task["termination_reason"], task["retry_count"]) == ("over_budget", 0)
    assert "it has spent its share of the budget, 0.8200 USD; the budget" in task["error"]
    assert "the budget of this run of $0.90 has $0.08 left" in task["error"]
    assert task["usage"]["cost_usd"] == pytest.approx(billed(till)) == pytest.approx(0.82)


@pytest.mark.parametrize("form", [["--max-budget-usd", "0.06"], ["--max-budget-usd=0.06"]])
def test_a_tighter_limit_of_the_users_own_holds(aur: Aur, till: Path, form: list[str]) -> None:
    (till / "agent.py").write_text(AGENT.replace("sys.argv[1:]", '" ".join(sys.argv[1:]).replace("=", " ").split()'))
    configure(till, args=form)
    tasks(till, (9, CHEAP))
    outcome = aur("spawn", "tasks.md", "--budget", "4", "--json")
    (task,) = json.loads(outcome.stdout)["tasks"]
    assert (task["termination_reason"], task["retry_count"]) == ("over_budget", 0)
    assert task["error"] == "it has cost the 0.06 USD of its own --max-budget-usd"
    assert billed(till) == pytest.approx(0.1)


def test_a_looser_limit_of_the_users_own_changes_nothing(aur: Aur, till: Path) -> None:
    configure(till, args=["--max-budget-usd", "50"])
    tasks(till, (99, DEAR), (99, DEAR))
    aur("spawn", "tasks.md", "--budget", "1.5")
    assert 0.82 <= billed(till) <= 1.5  # each has called once, and ended within its share


@pytest.mark.slow
def test_tasks_that_wait_for_money_stay_open_when_the_run_is_interrupted(
    start_aur: Callable[..., Popen[str]], aur: Aur, till: Path
) -> None:
    tasks(till, *[(1, CHEAP)] * 4, waits=True)
    process = start_aur("spawn", "tasks.md", "--budget", "1", "--max-concurrent", "4", "--yes")
    wait_for(lambda: len(list(till.glob(".aurora/runs/*/0000*/stdout"))) == 2)
    time.sleep(0.5)  # the others ask meanwhile
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    (run,) = json.loads(aur("spawn", "--list-checkpoints", "--json").stdout)["runs"]
    assert run["counts"].get("failed", 0) == 0, run
    assert money(aur)["reserved_usd"] == 0.0


@pytest.mark.slow
def test_one_that_came_to_its_share_while_nobody_coordinated_goes_on_with_its_session(
    start_aur: Callable[..., Popen[str]], aur: Aur, till: Path
) -> None:
    tasks(till, (3, DEAR), (3, DEAR), waits=True)
    process = start_aur("spawn", "tasks.md", "--budget", "3.2", "--max-concurrent", "2", "--yes")
    wait_for(lambda: len(list(till.glob(".aurora/runs/*/0000*/stdout"))) == 2)
    shares = money(aur)["reserved_usd"]
    assert shares >= 2.4
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    assert money(aur)["reserved_usd"] == shares
    (till / "go").touch()
    wait_for(lambda: len(list(till.glob(".aurora/runs/*/0000*/exit"))) == 2)
    (run,) = json.loads(aur("spawn", "--list-checkpoints", "--json").stdout)["runs"]
    outcome = aur("spawn", "--resume", run["run_id"], "--json")
    assert outcome.returncode == ExitCode.DONE, outcome.stderr
    assert billed(till) == pytest.approx(6 * 0.41)
    found = money(aur)
    assert (found["reserved_usd"], found["consumed_usd"]) == (0.0, pytest.approx(6 * 0.41))
