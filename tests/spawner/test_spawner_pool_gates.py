"""The provider gates that all coordinators of a pool share, over a real PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.postgres import PostgresServer
from tests.spawner.test_spawner_pool import until, working

from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
from aurora_spawner.distributed.clocks import gate_moved
from aurora_spawner.distributed.database import Database
from aurora_spawner.distributed.pool_executor import PoolExecutor
from aurora_spawner.distributed.pool_limits import LimitStore
from aurora_spawner.distributed.shared_gates import SharedGates
from aurora_spawner.rate_limits.gate import GateState, ProviderGate
from aurora_spawner.recovery.policy import RecoveryPolicy
from aurora_spawner.recovery.settings import RecoverySettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUR_S = 3600.0


@pytest.fixture
async def url(server: PostgresServer) -> str:
    address = server.new_database()
    database = Database(address)
    await database.make_tables()
    database.close()
    return address


@contextlib.contextmanager
def coordinators(url: str, count: int = 2, *, off_by_s: float = 0.0) -> Iterator[list[SharedGates]]:
    """Gates of as many runs; the clock of the first one is wrong."""
    made = [
        SharedGates(
            url,
            holder=f"run-{at}",
            clock=(lambda: time.time() + off_by_s) if at == 0 else time.time,
            chance=lambda: 0.5,
        )
        for at in range(count)
    ]
    try:
        yield made
    finally:
        for each in made:
            each.close()


async def known(*gates: SharedGates) -> None:
    await until(lambda: all(each.ask("known").go for each in gates))


def limit(gates: SharedGates, wait_s: float, *, began: float | None = None) -> ProviderGate:
    moment = time.time() if began is None else began
    return gates.limited("x", began=moment, retry_after_s=wait_s, reason="429", trouble="rate-limiting (429)")


async def test_a_pause_holds_for_all_and_only_one_probes(url: str) -> None:
    with coordinators(url, 3) as (first, second, third):
        await known(first, second, third)
        limit(first, 3.0)
        assert not first.ask("x").go, "its own change is seen at once"
        await until(lambda: all(each.gate("x").state is GateState.PAUSED for each in (second, third)))
        gone: list[str] = []
        end = time.monotonic() + 10
        while time.monotonic() < end and not gone:
            gone += [each._holder for each in (first, second, third) if each.ask("x").go]
            await asyncio.sleep(0.02)
        assert len(gone) == 1
        assert second.gate("x").state in {GateState.PROBING, GateState.PAUSED}
        for _ in range(20):
            assert not any(each.ask("x").go for each in (first, second, third)), "while one probes"
            await asyncio.sleep(0.02)
        prober = next(each for each in (first, second, third) if each._holder == gone[0])
        prober.succeeded("x")
        await until(lambda: all(each.gate("x").state is GateState.RAMPING for each in (first, second, third)))


async def test_the_starts_of_a_ramp_are_spaced_over_all(url: str) -> None:
    with coordinators(url, 3) as all_of_them:
        await known(*all_of_them)
        first = all_of_them[0]
        limit(first, 0.1)
        await until(lambda: first.ask("x").go)
        first.succeeded("x")
        await until(lambda: all(each.gate("x").state is GateState.RAMPING for each in all_of_them))
        rate = first.gate("x").rate_per_s
        began, starts = time.monotonic(), 0
        while time.monotonic() < began + 3.0:
            starts += sum(each.ask("x").go for each in all_of_them)
            await asyncio.sleep(0.02)
        assert 1 <= starts <= 3.0 * rate + 1, "each by itself would have had as many"


async def test_a_clock_that_is_wrong_by_an_hour_moves_no_pause(url: str) -> None:
    with coordinators(url, off_by_s=HOUR_S) as (wrong, right):
        await known(wrong, right)
        await until(lambda: wrong._seen.ahead_s > 0)
        now = time.time()
        limit(wrong, 100.0, began=now + HOUR_S)
        await until(lambda: right.gate("x").state is GateState.PAUSED)
        assert right.gate("x").until == pytest.approx(now + 105, abs=5)
        assert wrong.gate("x").until == pytest.approx(now + 105 + HOUR_S, abs=5)
        again = wrong.ask("x").wait_until
        assert again == pytest.approx(now + 105 + HOUR_S, abs=5)
        assert [each.provider for each in wrong.gates()] == ["x"]


async def test_a_place_that_was_won_and_not_used_goes_to_another(url: str) -> None:
    with coordinators(url) as (first, second):
        await known(first, second)
        limit(first, 0.05)
        await until(lambda: first.gate("x").until < time.time() - 0.1)
        assert not first.ask("x").go
        await until(lambda: first._seen.won)
        first.close()
        await until(lambda: second.ask("x").go, within_s=5)


async def test_an_outage_keeps_what_is_reported_and_lets_nothing_begin_that_must_be_asked(
    server: PostgresServer, url: str
) -> None:
    with coordinators(url) as (first, second):
        await known(first, second)
        limit(first, 0.05)
        await until(lambda: second.gate("x").state is GateState.PAUSED)
        server.kill()
        try:
            await until(lambda: first.trouble and second.trouble)
            assert "cannot be exchanged" in str(first.trouble)
            await asyncio.sleep(0.1)
            assert not any(each.ask("x").go for _ in range(10) for each in (first, second))
            second.limited("y", began=time.time(), retry_after_s=200.0, reason="429 while away")
            assert second.gate("y").state is GateState.PAUSED
        finally:
            server.start()
        await until(lambda: first.gate("y").state is GateState.PAUSED)
        assert first.gate("y").until == second.gate("y").until
        await until(lambda: first.ask("x").go or second.ask("x").go)
        assert "the database of the pool was away for" in str(first.trouble), "which the journal gets at the end"


async def test_a_database_that_refuses_holds_nothing_back(server: PostgresServer) -> None:
    """Whatever is queued then has its error; a run that waited for gates would never come to that."""
    with coordinators(server.new_database(), 1) as (gates,):  # it has no tables
        await known(gates)
        assert "cannot be exchanged" in str(gates.trouble)


async def test_a_row_that_cannot_be_read_is_an_open_gate(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO aurora_gates VALUES ('x', '{\"state\": \"?\"}')")
    with coordinators(url, 1) as (gates,):
        await known(gates)
        assert gates.ask("x").go
        limit(gates, 100.0)
        await asyncio.sleep(0.3)
        assert gates.gate("x").state is GateState.PAUSED


def test_the_times_of_a_gate_move_and_what_is_none_stays_none() -> None:
    gate = ProviderGate(provider="x", state=GateState.PAUSED, since=100.0, until=200.0, successes=(5.0,))
    there = gate_moved(gate, 50.0)
    assert (there.since, there.until, there.next_start, there.successes) == (150.0, 250.0, 0.0, (55.0,))
    assert gate_moved(there, -50.0) == gate


LIMITED = """
date +%s.%N >> calls
if [ "$(wc -l < calls)" -le 1 ]; then echo 'Error 429: rate limit exceeded, retry after 3 seconds' >&2; exit 1; fi
echo done
"""


async def test_a_limit_that_one_run_meets_holds_back_the_other_s_attempts(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that wait in the queue already, too: the second run has asked before the limit was met."""
    command = ("sh", "-c", LIMITED)
    agents = {name: CommandBackend(name, command, provider="acme") for name in ("asks", "waits")}

    def run_of(agent: str, tasks: int) -> Run:
        folder = tmp_path / agent
        folder.mkdir()
        options = RunOptions(
            default_agent=agent,
            cwd=folder,
            spool=folder / "spool",
            pool="p",
            executor=PoolExecutor(pool="p", url=url, workspace=agent, provider=lambda _agent: "acme"),
            recovery=RecoverySettings(
                policy=RecoveryPolicy(), gates=lambda run_id: SharedGates(url, holder=run_id), state_dir=folder
            ),
        )
        return Run.create(folder / "runs.db", [SpawnTask("hello") for _ in range(tasks)], agents, options)

    monkeypatch.chdir(tmp_path)
    limits = LimitStore(Database(url))
    await limits.set("p", "waits", 0)
    runs = [run_of("asks", 1), run_of("waits", 3)]
    executing = [asyncio.create_task(each.execute()) for each in runs]
    await until(lambda: states(url).count("queued") == 4)
    async with working(url, tmp_path, backends=agents):
        await until(lambda: "paused" in states(url, "gate->>'state' FROM aurora_gates"))
        await limits.remove("p", "waits")
        reports = await asyncio.wait_for(asyncio.gather(*executing), 60)
    limits.database.close()
    assert all(each.ok for each in reports)
    first, *later = sorted(map(float, (tmp_path / "calls").read_text().split()))
    assert len(later) == 4
    assert min(later) - first > 2.9, "nothing begins in the pause"
    assert later[1] - later[0] > 0.04, "one probes, and the others follow its answer"


def states(url: str, what: str = "state FROM aurora_attempts") -> list[object]:
    with psycopg.connect(url) as connection:
        return [state for (state,) in connection.execute(f"SELECT {what}".encode()).fetchall()]
