"""What all runs on a pool share, from the command line, on a real PostgreSQL: limits and the budget."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.postgres import PostgresServer

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]


@pytest.fixture
def url(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> str:
    address = server.new_database()
    monkeypatch.setenv("AURORA_DATABASE_URL", address)
    return address


def test_limits_are_set_shown_and_removed(aur: Aur, url: str) -> None:
    assert "no pool has a limit" in aur("worker", "limit").stderr
    assert aur("worker", "limit", "big", "--at-most", "20").stdout == "big  all agents  at most 20  0 running\n"
    aur("worker", "limit", "big", "--agent", "report", "--at-most", "2")
    aur("worker", "limit", "small", "--at-most", "0")
    document = json.loads(aur("worker", "limit", "big", "--json").stdout)
    assert document["schema"] == "aur.worker-limits/1"
    assert document["limits"] == [
        {"pool": "big", "agent": "", "most": 20, "running": 0},
        {"pool": "big", "agent": "report", "most": 2, "running": 0},
    ]
    assert "small" in aur("worker", "limit").stdout
    assert "report" not in aur("worker", "limit", "big", "--agent", "report", "--none").stdout
    again = aur("worker", "limit", "big", "--agent", "report", "--none")
    assert (again.returncode, "pool big has no such limit" in again.stderr) == (ExitCode.USAGE, True)


def test_a_budget_is_set_shown_and_removed(aur: Aur, url: str) -> None:
    assert "no pool has a budget" in aur("worker", "budget").stderr
    assert "big  $12.50 a month" in aur("worker", "budget", "big", "--monthly", "12.5").stdout
    (found,) = json.loads(aur("worker", "budget", "--json").stdout)["budgets"]
    assert (found["monthly_usd"], found["spent_usd"], found["reserved_usd"]) == (12.5, 0.0, 0.0)
    assert aur("worker", "budget", "big", "--none").returncode == ExitCode.DONE
    again = aur("worker", "budget", "big", "--none")
    assert (again.returncode, "pool big has no budget" in again.stderr) == (ExitCode.USAGE, True)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("limit", "--at-most", "1"), "name the pool"),
        (("limit", "big", "--at-most", "1", "--none"), "give one of them"),
        (("limit", "big", "--agent", "a"), "goes with --at-most or --none"),
        (("budget", "--monthly", "1"), "name the pool"),
        (("budget", "big", "--monthly", "1", "--none"), "give one of them"),
        (("advise", "--min", "2", "--max", "1"), "--min is larger"),
        (("advise", "--hook", "'"), "cannot be split"),
        (("advise", "--hook", ""), "is empty"),
    ],
)
def test_what_makes_no_sense_is_refused(aur: Aur, words: tuple[str, ...], problem: str) -> None:
    refused = aur("worker", *words)
    assert (refused.returncode, problem in refused.stderr) == (ExitCode.USAGE, True)


def test_the_hook_gets_the_advice_when_the_number_changes_and_not_again(aur: Aur, url: str, tmp_path: Path) -> None:
    got, hook = tmp_path / "got", tmp_path / "scale.sh"
    hook.write_text(f'cat >> {got}; echo >> {got}; test -z "$AURORA_DATABASE_URL"\n', encoding="utf-8")
    assert "no pool has workers or attempts" in aur("worker", "advise").stderr
    words = ("worker", "advise", "big", "--cool-down", "0", "--hook", f"sh {hook}")
    first = aur(*words, "--min", "2", "--json")
    assert first.returncode == ExitCode.DONE, first.stderr
    (advice,) = json.loads(first.stdout)["pools"]
    assert json.loads(got.read_text()) == advice
    assert (advice["desired"], advice["before"], advice["figures"]["queued"]) == (2, None, 0)
    assert "the least is 2, and not 0" in advice["reasons"]
    aur(*words, "--min", "2")
    assert len(got.read_text().splitlines()) == 1, "nothing has changed"
    assert "big  3 workers (were 2)  there are 0" in aur(*words, "--min", "3").stdout
    assert len(got.read_text().splitlines()) == 2


def test_a_hook_that_fails_is_told_and_run_again(aur: Aur, url: str) -> None:
    failed = aur("worker", "advise", "big", "--cool-down", "0", "--hook", "sh -c 'echo no quota >&2; exit 7'")
    assert failed.returncode == ExitCode.NOT_REACHED
    assert "the hook sh ended with status 7: no quota" in failed.stderr
    assert "cannot be run" in aur("worker", "advise", "big", "--cool-down", "0", "--hook", "no-such-hook").stderr
    assert aur("worker", "advise", "big", "--hook", "true").returncode == ExitCode.DONE
