"""What all runs on a pool share, from the command line, on a real PostgreSQL: limits and the budget."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.postgres import PostgresServer

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
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
    ],
)
def test_what_makes_no_sense_is_refused(aur: Aur, words: tuple[str, ...], problem: str) -> None:
    refused = aur("worker", *words)
    assert (refused.returncode, problem in refused.stderr) == (ExitCode.USAGE, True)
