"""What all runs on a pool share, from the command line, on a real PostgreSQL: limits, budget, advice, workers."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.postgres import PostgresServer

from aurora_cli.exits import ExitCode
from aurora_soar.doctor.agents import installed_agents
from aurora_soar.taskruns.logins import SignedIn
from aurora_spawner import CommandBackend
from aurora_spawner.distributed.announced import AnnouncedTool
from aurora_spawner.distributed.attempt_store import AttemptStore
from aurora_spawner.distributed.database import Database
from aurora_spawner.rate_limits.gate import GateState, ProviderGate

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


def test_a_host_over_ssh_has_neither_limits_nor_a_budget(
    aur: Aur, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would be written into the database, which no run on a host asks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AURORA_TRUST", "1")
    (tmp_path / ".aurora").mkdir()
    (tmp_path / ".aurora" / "config.yaml").write_text("pools:\n  far: {ssh: anna@far.example}\n")
    for words, instead in (
        (("limit", "far", "--at-most", "2"), "concurrency: N"),
        (("budget", "far", "--monthly", "9"), "aur budget set --monthly"),
    ):
        refused = aur("worker", *words)
        assert (refused.returncode, instead in refused.stderr) == (ExitCode.USAGE, True), refused.stderr
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT to_regclass('aurora_limits')").fetchall() == [(None,)], "nothing was asked"


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
    assert "the least is 2, not 0" in advice["reasons"]
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


async def announce(url: str) -> None:
    store = AttemptStore(Database(url))
    await store.database.make_tables()
    tools = [
        AnnouncedTool(name="claude", kind="claude", version="2.0.1 \x1b[31m", signed_in="yes"),
        AnnouncedTool(name="report", kind="command", version="", signed_in="unknown"),
    ]
    await store.announce(
        "w-id", name="w", pool="big", concurrency=2, agents=["report"], labels=[], new=True, tools=tools
    )
    store.database.close()


def test_the_list_has_the_versions_and_sign_ins_of_workers_and_the_gates(aur: Aur, url: str) -> None:
    asyncio.run(announce(url))
    gate = ProviderGate(provider="acme", state=GateState.PAUSED, since=time.time(), until=4e9, window="5-hour limit")
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO aurora_gates VALUES ('acme', %s)", (json.dumps(gate.to_dict()),))
    shown = aur("worker", "list").stdout
    assert "  claude  2.0.1 \\x1b[31m  signed in: yes\n" in shown
    assert "provider acme is paused" in shown
    document = json.loads(aur("worker", "list", "--json").stdout)
    assert [each["name"] for each in document["workers"][0]["tools"]] == ["claude", "report"]
    (shut,) = document["gates"]
    assert (shut["provider"], shut["state"]) == ("acme", "paused")


def test_the_agents_of_a_machine_are_found_with_their_versions_and_logins(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "claude"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho '9.9.9 (Claude Code)'\n", encoding="utf-8")
    program.chmod(0o755)
    environ = {"PATH": f"{program.parent}:/usr/bin:/bin", "HOME": str(tmp_path)}
    own = CommandBackend("report", ("sh", "report.sh"))
    gone = CommandBackend("gone", ("no-such-program",))
    found = {
        each.name: each
        for each in installed_agents({"report": own, "gone": gone}, environ, home=tmp_path, folder=tmp_path)
    }
    assert found.keys() == {"claude", "report"}
    assert (found["claude"].kind, found["claude"].version) == ("claude", "9.9.9 (Claude Code)")
    assert found["report"].signed_in is SignedIn.UNKNOWN
    signed = installed_agents({}, {**environ, "ANTHROPIC_API_KEY": "k"}, home=tmp_path, folder=tmp_path)
    assert [each.signed_in for each in signed] == [SignedIn.YES]
