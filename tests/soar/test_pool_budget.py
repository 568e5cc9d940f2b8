"""The budget that all runs on a pool share, beside the ledger of each user, over a real PostgreSQL."""

from __future__ import annotations

import asyncio
import multiprocessing
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.postgres import PostgresServer

from aurora_policies.budget import Grant, Ledger, Limits
from aurora_soar.taskruns.pool_budget import PoolBudget
from aurora_spawner.attempts.executor import AttemptOrder
from aurora_spawner.distributed import pool_money
from aurora_spawner.distributed.attempt_store import AttemptStore
from aurora_spawner.distributed.database import Database
from aurora_spawner.distributed.pool_money import KEPT_S, BudgetStore, PoolBudgetStatus, PoolMoney
from aurora_spawner.spending.budget_port import BudgetAwayError
from aurora_spawner.spending.budgeted_executor import BudgetedExecutor
from aurora_spawner.testing import SimulatedBackend, SimulatedExecutor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
async def url(server: PostgresServer) -> str:
    address = server.new_database()
    database = Database(address)
    await database.make_tables()
    await BudgetStore(database).set("p", 1.0)
    database.close()
    return address


@pytest.fixture
def budget(url: str, tmp_path: Path) -> Iterator[PoolBudget]:
    made = budget_of(url, tmp_path / "one")
    yield made
    made.money.close()


def budget_of(url: str, home: Path, *, monthly_usd: float = 100.0) -> PoolBudget:
    """The budget of a coordinator with a ledger of its own; an attempt is estimated at 0.30 USD."""
    ledger = Ledger(path=home / "budget.db", limits=Limits(monthly_usd=monthly_usd, reservation_usd=0.3))
    return PoolBudget(ledger, PoolMoney(url, "p"))


def reserve(budget: PoolBudget, token: str) -> bool:
    return budget.reserve(token=token, run_id="run", task_id="1", agent="a", model=None).granted


def status(url: str) -> PoolBudgetStatus:
    async def read() -> PoolBudgetStatus:
        database = Database(url)
        (found,) = await BudgetStore(database).all()
        database.close()
        return found

    return asyncio.run(read())


def figures(url: str) -> tuple[float, float, float]:
    found = status(url)
    return found.spent_usd, found.reserved_usd, found.estimated_usd


def ask(url: str, folder: Path, name: str) -> int:
    budget = budget_of(url, folder / name)
    granted = sum(reserve(budget, f"{name}-{at}") for at in range(8))
    budget.money.close()
    return granted


def test_coordinators_in_processes_of_their_own_share_one_budget(url: str, tmp_path: Path) -> None:
    """Of 24 attempts at 0.30 USD that are asked for at once, three fit into 1 USD."""
    asked = [(url, tmp_path, name) for name in ("one", "two", "three")]
    with multiprocessing.get_context("spawn").Pool(3) as processes:
        granted = processes.starmap(ask, asked)
    assert sum(granted) == 3
    assert figures(url) == pytest.approx((0.0, 0.9, 0.0))


def test_what_is_settled_and_released_is_there_for_others(url: str, budget: PoolBudget, tmp_path: Path) -> None:
    other = budget_of(url, tmp_path / "two")
    assert [reserve(budget, token) for token in "abcd"] == [True, True, True, False]
    assert not reserve(other, "x")
    budget.settle("a", 0.05)
    budget.release("b")
    budget.settle("c", None)
    assert figures(url) == pytest.approx((0.35, 0.0, 0.3))
    assert [reserve(other, token) for token in "xyz"] == [True, True, False]
    refused = other.reserve(token="z", run_id="run", task_id="1", agent="a", model=None)
    assert refused.reason == (
        "an attempt of $0.30 does not fit into the budget of pool p: of $1.00 a month, $0.95 are spent or reserved"
    )
    other.money.close()


def test_a_second_request_for_an_attempt_reserves_nothing_more(url: str, budget: PoolBudget) -> None:
    assert [reserve(budget, "a") for _ in range(3)] == [True] * 3
    assert figures(url) == pytest.approx((0.0, 0.3, 0.0))
    budget.release("a")
    assert figures(url)[1] == 0.0


def test_the_user_s_own_limit_holds_beside_it(url: str, tmp_path: Path) -> None:
    poor = budget_of(url, tmp_path / "poor", monthly_usd=0.5)
    assert [reserve(poor, "a"), reserve(poor, "b")] == [True, False]
    assert figures(url) == pytest.approx((0.0, 0.3, 0.0)), "what the ledger refuses is given back to the pool"
    poor.money.close()


def test_an_attempt_ends_when_what_it_has_spent_passes_the_budget_of_the_pool(
    url: str, budget: PoolBudget, tmp_path: Path
) -> None:
    other = budget_of(url, tmp_path / "two")
    assert reserve(budget, "a")
    assert reserve(other, "b")
    assert budget.observe("a", 0.6).granted
    assert figures(url)[1] == pytest.approx(0.9 + 0.3), "its next step is reserved, too"
    ended = budget.observe("a", 0.75)
    assert not ended.granted
    assert ended.reason == (
        "it has spent $0.75, which passes the budget of pool p: of $1.00 a month, others have $0.30"
    )
    other.money.close()


def test_without_the_database_nothing_begins_and_what_runs_spends_what_it_has(
    server: PostgresServer, url: str, budget: PoolBudget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_money, "TRY_AGAIN_S", 0.0)
    assert reserve(budget, "a")
    assert budget.observe("a", 0.1).granted
    server.kill()
    try:
        with pytest.raises(BudgetAwayError, match="cannot be checked"):
            reserve(budget, "b")
        within = budget.observe("a", 0.39)
        assert within.granted
        assert "may spend what is reserved" in within.notices[-1]
        beyond = budget.observe("a", 0.45)
        assert not beyond.granted
        assert "has spent the $0.40 reserved" in beyond.reason
        budget.settle("a", 0.45)
    finally:
        server.start()
    assert figures(url) == pytest.approx((0.0, 0.4, 0.0))
    assert reserve(budget, "b")
    assert figures(url) == pytest.approx((0.45, 0.3, 0.0)), "its cost is told afterwards"


class AwayAtFirst(PoolBudget):
    """A budget that cannot be asked twice."""

    asked = 0

    def reserve(self, **request: object) -> Grant:
        AwayAtFirst.asked += 1
        if AwayAtFirst.asked <= 2:
            raise BudgetAwayError("the budget of pool p cannot be checked")
        return super().reserve(**request)  # type: ignore[arg-type]


async def test_an_attempt_waits_until_the_budget_can_be_asked(url: str, tmp_path: Path) -> None:
    said: list[str] = []
    made = budget_of(url, tmp_path)
    executor = BudgetedExecutor(
        inner=SimulatedExecutor(),
        gate=AwayAtFirst(made.ledger, made.money),
        backends={"a": SimulatedBackend("a")},
        tell=said.append,
        look_every_s=0.01,
        on_close=made.money.close,
    )
    order = AttemptOrder(
        run_id="run",
        task_id="1",
        number=1,
        agent="a",
        token="t",
        folder=tmp_path / "1",
        prompt="hello",
        command=("never",),
        environment={},
        cwd=tmp_path,
        deadline_s=None,
    )
    end = await executor.collect(await executor.start(order))
    executor.close()
    assert end.stdout == "hello"
    assert (AwayAtFirst.asked, sum("task 1 waits" in each for each in said)) == (3, 1)
    assert (await asyncio.to_thread(figures, url))[:2] == pytest.approx((0.3, 0.0))


async def test_what_a_dead_coordinator_has_reserved_counts_as_spent_once_its_attempt_is_over(
    url: str, tmp_path: Path
) -> None:
    dead, store = budget_of(url, tmp_path / "dead"), AttemptStore(Database(url))
    for token in ("waits", "never", "gone"):
        await asyncio.to_thread(reserve, dead, token)
    await store.submit("waits", key=("run", "1", 1), pool="p", document="")
    await store.void("never")
    dead.money.close()

    def age(by_s: float) -> tuple[float, float, float]:
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE aurora_reservations SET at = at - make_interval(secs => %s)", (by_s,))
        other = budget_of(url, tmp_path / "two")
        reserve(other, "asks")
        other.release("asks")
        other.money.close()
        return figures(url)

    assert await asyncio.to_thread(age, KEPT_S - 60) == pytest.approx((0.0, 0.9, 0.0))
    assert await asyncio.to_thread(age, 120) == pytest.approx((0.3, 0.3, 0.3))
    late = budget_of(url, tmp_path / "dead")
    await asyncio.to_thread(late.settle, "gone", 0.2)
    assert (await asyncio.to_thread(figures, url))[0] == pytest.approx(0.2), "its real cost, once it is resumed"
    late.money.close()
    store.database.close()
