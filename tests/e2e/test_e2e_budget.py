"""Real Claude Code within a budget: however many at once, they never cost more than it and one reservation."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.stage import AUR
from tests.exhaustive import few

from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.stage import Played, Stage

pytestmark = pytest.mark.slow

CALL_USD = 0.41
"""What Claude Code 2.1.329 prices a call of the play `dear` at; models that it does not know cost the same."""
RESERVATION_USD = 0.5


def money(stage: Stage, *words: str) -> dict[str, Any]:
    """What `aur budget` says inside the project."""
    command = stage.cell.inside(str(AUR), "budget", *words, "--json")
    found = subprocess.run(
        command, cwd=stage.project, env=stage.environ, capture_output=True, text=True, check=True, timeout=90
    )
    document = json.loads(found.stdout)
    assert isinstance(document, dict)
    return document


def calls(stage: Stage, *keys: str) -> int:
    """How often a model was asked: what a provider would send a bill for."""
    return sum(len(stage.cell.asked(key)) for key in keys)


def crowd(stage: Stage, need: Callable[[str], None], play: str, key: str, many: int, **more: Any) -> list[str]:
    """So many tasks, each for an agent with a play of its own."""
    need("claude")
    keys = [f"{key}-{number}" for number in range(many)]
    for each in keys:
        stage.add_agent("claude", play, each, provider=each, **more)
        stage.add_task(each, f"Please do it, {each}")
    return keys


def holder(stage: Stage, run_id: str) -> int | None:
    """Who works on a run."""
    with Journal(stage.project / ".aurora" / "runs.db") as journal:
        found = load_run(journal, run_id).holder
    return found.pid if found else None


def wait_for(condition: Callable[[], bool], within_s: float = 30.0) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.1)


def over_budget(played: Played) -> list[dict[str, Any]]:
    return [task for task in played.document["tasks"] if task["termination_reason"] == "over_budget"]


@pytest.mark.parametrize(
    ("model", "limit", "many"),
    few(
        (
            (model, *others)
            for model in (None, "claude-sonnet-4-5", "claude-from-tomorrow-9")
            for others in ((4.0, 8), (1.5, 3), (1.5, 8))
        ),
        3,
    ),
)
def test_however_many_at_once_never_cost_more_than_the_budget_and_a_reservation(
    limit: float, many: int, model: str | None, stage: Stage, need: Callable[[str], None]
) -> None:
    """Priced: what Claude Code picks by itself, and an older model. Unpriced: one that no table knows."""
    stage.options = ["--budget", str(limit)]
    named = {} if model is None else {"model": model}
    need("claude")
    key = f"dear-{limit}-{many}-{model}"
    stage.add_agent("claude", "dear", key, name="claude", **named)
    for number in range(many):
        stage.add_task("claude", f"Please do it, {number}")
    played = stage.play()

    call_usd = {"claude-sonnet-4-5": 0.3075}.get(str(model), CALL_USD)
    billed = calls(stage, key) * call_usd
    assert billed <= limit + RESERVATION_USD, billed
    assert billed >= min(limit - RESERVATION_USD - call_usd, many * call_usd)
    assert played.status == 1
    assert len(over_budget(played)) == many
    ledger = money(stage, "show")
    assert ledger["reserved_usd"] == 0.0
    assert ledger["consumed_usd"] == pytest.approx(billed)
    assert played.told.count("waits") <= 1
    assert ("claude-from-tomorrow-9 has no price" in played.told) is (model == "claude-from-tomorrow-9")
    assert played.left_over() == []


def test_what_ends_early_gives_its_share_to_those_that_need_more(stage: Stage, need: Callable[[str], None]) -> None:
    """Four need a cent or two each, and two 0.82 USD: all are done within 4 USD, though a share is 0.67 USD."""
    stage.options = ["--budget", "4"]
    cheap = crowd(stage, need, "cheap", "early-cheap", 4)
    dear = crowd(stage, need, "dear-twice", "early-dear", 2)
    played = stage.play()
    assert played.status == 0, [task["error"] for task in played.document["tasks"]]
    assert [task["retry_count"] for task in played.document["tasks"]] == [0] * 6
    ledger = money(stage, "show")
    assert ledger["consumed_usd"] == pytest.approx(calls(stage, *cheap) * 0.05 + calls(stage, *dear) * CALL_USD)
    assert calls(stage, *dear) == 4
    costs = [task["usage"]["cost_usd"] for task in played.document["tasks"][4:]]
    assert costs == [pytest.approx(2 * CALL_USD)] * 2


def test_shares_are_still_counted_after_a_kill_of_the_coordinator(stage: Stage, need: Callable[[str], None]) -> None:
    """Three of four tasks hold all the money when the coordinator dies; the fourth gets none before one has ended."""
    stage.options = ["--budget", "1.5"]
    keys = crowd(stage, need, "cheap-waits", "killed", 4)
    process = stage.start()
    for _ in range(3):
        stage.appears(".aurora/runs/*/0000[0-3]-*-1/stdout")
    wait_for(lambda: calls(stage, *keys) == 3)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=10)
    assert money(stage, "show")["reserved_usd"] == pytest.approx(1.5)
    (run,) = (stage.project / ".aurora" / "runs").glob("spawn-*")
    resumed = stage.begin("spawn", "--resume", run.name, "--json")
    wait_for(lambda: holder(stage, run.name) == resumed.pid)
    assert money(stage, "show")["reserved_usd"] == pytest.approx(1.5)
    assert calls(stage, *keys) == 3
    (stage.project / "go").touch()
    played = stage.finish(resumed)
    assert played.status == 0, [task["error"] for task in played.document["tasks"]]
    ledger = money(stage, "show")
    assert (ledger["reserved_usd"], ledger["total_entries"]) == (0.0, 4)
    assert ledger["consumed_usd"] == pytest.approx(calls(stage, *keys) * 0.05)
    assert played.left_over() == []
