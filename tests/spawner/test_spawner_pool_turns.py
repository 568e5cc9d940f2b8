"""Whose turn it is in a pool: priorities, limits and fair shares of all coordinators, over a real PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.exhaustive import few

from aurora_spawner.distributed import lease
from aurora_spawner.distributed.attempt_store import AttemptStore
from aurora_spawner.distributed.database import BROKEN, Database
from aurora_spawner.distributed.lease import LOCK_ENDS_AFTER_S, LOST_AFTER_S, Cancel
from aurora_spawner.distributed.nobody import held_for
from aurora_spawner.distributed.pool_limits import LimitStore, PoolLimit
from aurora_spawner.distributed.standing import Standing
from aurora_spawner.rate_limits.gate import RAMP_LIMIT_S, GateState, ProviderGate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from tests.postgres import PostgresServer


@dataclass
class Queue:
    """The queue of a pool, as its coordinators and workers see it."""

    store: AttemptStore
    fences: dict[str, int] = field(default_factory=dict)

    async def put(
        self,
        token: str,
        *,
        run: str = "run",
        workspace: str = "",
        agent: str = "a",
        priority: int = 0,
        labels: Collection[str] = (),
        provider: str = "",
        pool: str = "p",
    ) -> None:
        standing = Standing(priority=priority, workspace=workspace, agent=agent, provider=provider)
        key = (run, token, 1)
        await self.store.submit(token, key=key, pool=pool, document="", labels=list(labels), standing=standing)

    async def take(self, *labels: str, lease_s: float = 60.0, pool: str = "p") -> str:
        """Claims the next attempt as a worker does; "" for none."""
        found = await self.store.claim(pool, labels=labels, worker="w", lease_s=lease_s)
        if not found:
            return ""
        ((row, held),) = found
        self.fences[row.token] = held.fence
        return row.token

    async def finish(self, token: str) -> None:
        fence = self.fences.pop(token)
        await self.store.change(token, lambda row, _now: lease.finish(row, fence), result=b"")

    async def drained(self) -> list[str]:
        """Takes and finishes one attempt after the other, as a worker with room for one does."""
        order = []
        while token := await self.take():
            order.append(token)
            await self.finish(token)
        return order


@pytest.fixture
async def queue(server: PostgresServer) -> AsyncIterator[Queue]:
    database = Database(server.new_database())
    await database.make_tables()
    yield Queue(AttemptStore(database))
    database.close()


async def test_a_run_of_five_does_not_wait_for_one_of_two_hundred(queue: Queue) -> None:
    for at in range(200):
        await queue.put(f"long-{at:03}", run="long", workspace="one")
    for at in range(5):
        await queue.put(f"short-{at}", run="short", workspace="one")
    order = await queue.drained()
    assert len(order) == 205
    assert [each.partition("-")[0] for each in order[:10]] == ["long", "short"] * 5
    assert [each for each in order if each.startswith("long")] == [f"long-{at:03}" for at in range(200)]


async def test_workspaces_share_before_their_runs_do(queue: Queue) -> None:
    for run in ("a1", "a2", "a3"):
        for at in range(4):
            await queue.put(f"{run}-{at}", run=run, workspace="a")
    for at in range(6):
        await queue.put(f"b-{at}", run="b", workspace="b")
    order = [each.partition("-")[0] for each in (await queue.drained())[:12]]
    assert order == ["a1", "b", "a2", "b", "a3", "b"] * 2


async def test_slots_that_are_in_use_count_for_a_share(queue: Queue) -> None:
    """Who has long tasks does not get more of the pool than who has short ones."""
    for at in range(6):
        await queue.put(f"slow-{at}", run="slow")
    running = [await queue.take() for _ in range(3)]
    for at in range(6):
        await queue.put(f"quick-{at}", run="quick")
    assert running == ["slow-0", "slow-1", "slow-2"]
    assert [await queue.take() for _ in range(3)] == ["quick-0", "quick-1", "quick-2"]
    await queue.finish("quick-0")
    assert await queue.take() == "quick-3", "three of the slow ones run, and two of these"


async def test_a_higher_priority_goes_first_whoever_submitted_it(queue: Queue) -> None:
    for token, run, priority in (("1", "a", 0), ("2", "a", 5), ("3", "b", 10**12), ("4", "b", -3), ("5", "a", 0)):
        await queue.put(token, run=run, priority=priority)
    assert await queue.drained() == ["3", "2", "1", "5", "4"]


async def test_labels_keep_an_attempt_from_workers_that_lack_them(queue: Queue) -> None:
    await queue.put("gpu", labels=["gpu", "linux"], priority=1)
    await queue.put("any")
    assert [await queue.take("gpu"), await queue.take("gpu")] == ["any", ""]
    assert await queue.take("linux", "gpu", "big") == "gpu"


async def test_pools_know_nothing_of_each_other(queue: Queue) -> None:
    await queue.put("p")
    await queue.put("q", pool="q")
    await LimitStore(queue.store.database).set("p", "", 0)
    assert [await queue.take(), await queue.take(pool="q")] == ["", "q"]


async def test_limits_hold_for_all_runs_and_end_with_the_attempts(queue: Queue) -> None:
    limits = LimitStore(queue.store.database)
    await limits.set("p", "", 3)
    await limits.set("p", "a", 1)
    for run in ("one", "two"):
        for at, agent in enumerate("aabbb"):
            await queue.put(f"{run}-{at}", run=run, agent=agent)
    first = [await queue.take() for _ in range(4)]
    assert first == ["one-0", "two-2", "one-2", ""]
    assert [(each.agent, each.most, each.running) for each in await limits.all()] == [("", 3, 3), ("a", 1, 1)]
    await queue.finish("two-2")
    assert [await queue.take(), await queue.take()] == ["two-3", ""], "the agent a is at its limit"
    await queue.finish("one-0")
    assert await queue.take() in {"one-1", "two-0"}
    assert await limits.remove("p", "")
    assert not await limits.remove("p", "")
    assert await queue.take() != ""


async def test_what_nobody_keeps_alive_holds_no_place(queue: Queue) -> None:
    """Coordinator and worker are both gone: nobody is there who could declare it lost."""
    await LimitStore(queue.store.database).set("p", "", 1)
    await queue.put("1")
    await queue.put("2")
    assert [await queue.take(lease_s=-LOST_AFTER_S + 0.3), await queue.take()] == ["1", ""]
    await asyncio.sleep(0.3)
    assert await queue.take() == "2"


async def test_what_was_cancelled_in_the_queue_takes_nobodys_turn(queue: Queue) -> None:
    for token in ("1", "2"):
        await queue.put(token)
    await queue.store.change("1", lambda row, _now: lease.request_cancel(row, Cancel.AT_ONCE))
    assert await queue.drained() == ["2"]


async def test_of_many_workers_that_ask_at_once_none_breaks_a_limit(server: PostgresServer, queue: Queue) -> None:
    await LimitStore(queue.store.database).set("p", "", 5)
    for at in range(30):
        await queue.put(str(at), run=f"run-{at % 3}")
    url = queue.store.database.conninfo
    others = [Queue(AttemptStore(Database(url))) for _ in range(8)]
    most = 0

    async def work(mine: Queue) -> list[str]:
        nonlocal most
        done: list[str] = []
        while len(done) < 30 and (token := await mine.take() or "none"):
            if token == "none":
                if not await queue.store.database.one("SELECT 1 FROM aurora_attempts WHERE state = 'queued' LIMIT 1"):
                    break
                continue
            row = await queue.store.database.one("SELECT count(*) AS n FROM aurora_attempts WHERE state = 'running'")
            most = max(most, row["n"] if row else 0)
            done.append(token)
            await mine.finish(token)
        return done

    done = await asyncio.gather(*(work(each) for each in others))
    for each in others:
        each.store.database.close()
    assert Counter(token for some in done for token in some) == Counter(map(str, range(30)))
    assert 1 < most <= 5


async def test_who_is_cut_off_in_the_middle_of_a_choice_does_not_keep_the_pool_s_lock(queue: Queue) -> None:
    await queue.put("1")
    asked = "SELECT current_setting('idle_in_transaction_session_timeout')"
    with psycopg.connect(queue.store.database.conninfo) as connection:
        connection.execute("SELECT aurora_next('p', '{}')")
        assert connection.execute(asked).fetchone() == (f"{LOCK_ENDS_AFTER_S}s",)
        connection.execute("SELECT set_config('idle_in_transaction_session_timeout', '300ms', true)")
        assert await asyncio.wait_for(queue.take(), 10) == "1"
        with pytest.raises(BROKEN):
            connection.execute(asked)


def test_why_an_attempt_waits_that_a_worker_could_take() -> None:
    limits = [PoolLimit(pool="p", agent="", most=3, running=2), PoolLimit(pool="p", agent="a", most=1, running=1)]
    gates = [ProviderGate(provider="x", state=GateState.PAUSED, reason="429")]
    assert held_for(limits, gates, pool="p", agent="a", provider="x") == (
        "pool p: agent a is at its limit of 1 at once, in all runs"
    )
    assert held_for(limits, gates, pool="p", agent="b", provider="x") == "provider x is paused: 429"
    assert not held_for(limits, gates, pool="p", agent="b", provider="y")
    full = [PoolLimit(pool="p", agent="", most=2, running=2)]
    assert (
        held_for(full, [], pool="p", agent="b", provider="") == "pool p: it is at its limit of 2 at once, in all runs"
    )
    assert not held_for(full, [], pool="q", agent="b", provider="")


async def shut(queue: Queue, gate: ProviderGate) -> None:
    await queue.store.database.one(
        "INSERT INTO aurora_gates VALUES (%s, %s) ON CONFLICT (provider) DO UPDATE SET gate = excluded.gate",
        gate.provider,
        json.dumps(gate.to_dict()),
    )


async def gate_of(queue: Queue, provider: str) -> ProviderGate | None:
    row = await queue.store.database.one("SELECT gate FROM aurora_gates WHERE provider = %s", provider)
    return None if row is None else ProviderGate.from_dict(row["gate"])


async def test_what_is_queued_waits_while_its_provider_is_paused_and_one_of_it_probes(queue: Queue) -> None:
    now = time.time()
    await shut(queue, ProviderGate(provider="x", state=GateState.PAUSED, since=now, until=now + 1.0, streak=1))
    for at in range(3):
        await queue.put(f"x-{at}", provider="x", priority=1)
    await queue.put("other", provider="y")
    assert [await queue.take(), await queue.take()] == ["other", ""]
    await asyncio.sleep(1.05)
    assert [await queue.take(), await queue.take()] == ["x-0", ""], "one probes"
    probing = await gate_of(queue, "x")
    assert probing is not None
    assert (probing.state, probing.prober) == (GateState.PROBING, "run")
    assert probing.waited_s == pytest.approx(1.0, abs=0.01)
    await queue.put("asked", provider="x", priority=1)  # its coordinator has asked after the probe had begun
    assert await queue.take() == "asked"


async def test_a_ramp_lets_what_was_queued_before_it_begin_one_after_the_other(queue: Queue) -> None:
    for at in range(3):
        await queue.put(f"x-{at}", provider="x")
    now = time.time() + 0.01
    ramp = ProviderGate(provider="x", state=GateState.RAMPING, since=now, rate_per_s=4.0, next_start=now)
    await asyncio.sleep(0.02)
    await shut(queue, ramp)
    assert [await queue.take(), await queue.take()] == ["x-0", ""]
    await asyncio.sleep(0.26)
    assert [await queue.take(), await queue.take()] == ["x-1", ""]
    await shut(
        queue, ProviderGate(provider="x", state=GateState.RAMPING, since=now - RAMP_LIMIT_S - 1, rate_per_s=1.0)
    )
    assert await queue.take() == "x-2"
    assert await gate_of(queue, "x") is None, "a ramp that old is over"


@dataclass
class Model:
    """What the choice has to be, worked out from all rows: slow, and plain."""

    limits: dict[str, int]
    queued: list[dict[str, object]] = field(default_factory=list)
    running: list[dict[str, object]] = field(default_factory=list)
    turns: list[tuple[object, object]] = field(default_factory=list)
    """Workspace and run of each claim so far."""

    def next(self, labels: Collection[str]) -> str:
        def times(**same: object) -> int:
            return sum(all(row[name] == value for name, value in same.items()) for row in self.running)

        def last(*place: object) -> int:
            return max((at for at, turn in enumerate(self.turns) if turn[: len(place)] == place), default=-1)

        def rank(row: dict[str, object]) -> tuple[object, ...]:
            workspace, run = row["workspace"], row["run"]
            of_workspace = (times(workspace=workspace), last(workspace))
            of_run = (times(workspace=workspace, run=run), last(workspace, run))
            return (-int(str(row["priority"])), *of_workspace, *of_run, self.queued.index(row))

        free = [
            row
            for row in self.queued
            if set(row["labels"]) <= set(labels)  # type: ignore[call-overload]
            and times() < self.limits.get("", 99)
            and times(agent=row["agent"]) < self.limits.get(str(row["agent"]), 99)
        ]
        if not free:
            return ""
        row = min(free, key=rank)
        self.queued.remove(row)
        self.running.append(row)
        self.turns.append((row["workspace"], row["run"]))
        return str(row["token"])


@pytest.mark.parametrize("seed", few(range(9), 3))
async def test_the_choice_is_that_of_the_model(queue: Queue, seed: int) -> None:
    chance = random.Random(seed)
    limits = {"": chance.randint(2, 6), "a": chance.randint(0, 3), "b": chance.randint(1, 3)}
    for agent, most in limits.items():
        await LimitStore(queue.store.database).set("p", agent, most)
    model = Model(limits)
    for step in range(120):
        what = chance.random()
        if what < 0.45:
            row: dict[str, object] = {
                "token": f"t{step}",
                "run": chance.choice(["r1", "r2"]),
                "workspace": chance.choice(["w1", "w2"]),
                "agent": chance.choice("abc"),
                "priority": chance.choice([0, 0, 0, 1]),
                "labels": chance.choice([[], [], ["gpu"]]),
            }
            model.queued.append(row)
            await queue.put(**row)  # type: ignore[arg-type]
        elif what < 0.75:
            labels = chance.choice([[], ["gpu"]])
            assert await queue.take(*labels) == model.next(labels), step
        elif model.running:
            over = model.running.pop(chance.randrange(len(model.running)))
            await queue.finish(str(over["token"]))


async def test_a_choice_takes_no_longer_in_a_long_queue(queue: Queue) -> None:
    """It follows the lanes by their index: what it reads does not grow with the queue."""
    with psycopg.connect(queue.store.database.conninfo, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO aurora_attempts (token, run_id, task_id, number, pool, document, state, lane)"
            " SELECT 't' || n, 'r' || n % 3, n::text, 1, 'p', '', 'queued', 'lane' || n % 3"
            " FROM generate_series(1, 20000) n"
        )
        connection.execute("VACUUM ANALYZE aurora_attempts")
        with contextlib.suppress(psycopg.Error):
            connection.execute("SELECT pg_stat_force_next_flush()")
        reads = "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables WHERE relname = %s"
        with connection.transaction():
            connection.execute("SELECT aurora_next('p', '{}')")
            (read,) = connection.execute(reads, ("aurora_attempts",)).fetchone() or (None,)
    assert read is not None
    assert 0 < int(str(read)) < 100


async def test_a_choice_reads_no_whole_queue_though_nobody_has_analysed_the_table(queue: Queue) -> None:
    """As on the first day of a pool; the planner took an index of all open attempts, and sorted them each time."""
    await asyncio.gather(*(queue.put(f"t{number}", run=f"run-{number % 9}") for number in range(300)))
    async with queue.store.database.transaction() as connection:
        await connection.execute("SET LOCAL enable_seqscan = off")
        await connection.execute("SET LOCAL enable_bitmapscan = off")
        cursor = await connection.execute(
            "EXPLAIN SELECT token FROM aurora_attempts WHERE pool = 'p' AND state = 'queued'"
            " AND (rank, lane) > (0, 'a') ORDER BY rank, lane, created_at LIMIT 1"
        )
        plan = str(await cursor.fetchall())
    assert "aurora_attempts_next" in plan
    assert "Sort" not in plan


async def test_several_are_taken_at_once_each_by_the_rule_and_within_the_limits(queue: Queue) -> None:
    for number in range(6):
        await queue.put(f"t{number}", agent="a" if number % 2 else "b")
    await LimitStore(queue.store.database).set("p", "a", 1)
    await queue.store.change("t0", lambda row, _now: lease.request_cancel(row, Cancel.AT_ONCE))
    taken = await queue.store.claim("p", labels=(), worker="w", lease_s=60.0, most=9)
    assert sorted(row.token for row, _held in taken) == ["t1", "t2", "t4"]
    assert {(held.worker, held.fence) for _row, held in taken} == {("w", 1)}
    assert all(held.until == row.now + 60.0 for row, held in taken)
    assert await queue.store.claim("p", labels=(), worker="w", lease_s=60.0, most=9) == []
