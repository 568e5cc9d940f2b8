"""Rows that are changed many in one statement, if they are still as they were read: a stale view changes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.postgres import PostgresServer

from aurora_spawner.distributed import lease
from aurora_spawner.distributed.attempt_store import SMALL_RESULT_BYTES, AttemptStore
from aurora_spawner.distributed.batches import Batches
from aurora_spawner.distributed.database import Database, QueueUnavailableError, QueueUnusableError
from aurora_spawner.distributed.documents import ORDER_LIMIT_BYTES
from aurora_spawner.distributed.lease import AttemptState, Cancel, Lease

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence


@contextlib.asynccontextmanager
async def stores(server: PostgresServer, count: int) -> AsyncIterator[list[AttemptStore]]:
    """Stores with connections of their own to one database."""
    url = server.new_database()
    databases = [Database(url) for _ in range(count)]
    await databases[0].make_tables()
    try:
        yield [AttemptStore(each) for each in databases]
    finally:
        for each in databases:
            each.close()


async def submit(store: AttemptStore, *tokens: str) -> None:
    await asyncio.gather(
        *(store.submit(each, key=("run", each, 1), pool="p", document="x", labels=("a,b", '"')) for each in tokens)
    )


async def seen(store: AttemptStore, token: str) -> tuple[Lease, float]:
    row = await store.read(token)
    assert row is not None
    return row.lease, row.now


def claim(worker: str) -> Callable[[Lease, float], Lease | None]:
    return lambda row, now: lease.claim(row, worker, now=now, lease_s=9.0)


def finish(fence: int) -> Callable[[Lease, float], Lease | None]:
    return lambda row, _now: lease.finish(row, fence)


async def test_of_many_that_have_read_the_same_row_one_claims_it(server: PostgresServer) -> None:
    tokens = [f"token-{number}" for number in range(20)]
    async with stores(server, 3) as workers:
        await submit(workers[0], *tokens)
        rows = {token: await seen(workers[0], token) for token in tokens}

        async def claimed(number: int, token: str) -> tuple[str, bool]:
            found = await workers[number].change(token, claim(f"w{number}"), known=rows[token])
            return token, found is not None

        answers = await asyncio.gather(*(claimed(number, token) for number in range(3) for token in tokens))
        assert Counter(token for token, won in answers if won) == dict.fromkeys(tokens, 1)
        assert {(await seen(workers[0], token))[0].fence for token in tokens} == {1}


async def test_a_result_counts_once_whatever_its_worker_last_knew(server: PostgresServer) -> None:
    """Results race with the loss of the lease, a wish to end, heartbeats and another process of the worker."""
    chance = random.Random(7)
    async with stores(server, 3) as (worker, again, coordinator):
        for number in range(25):
            token = f"token-{number}"
            await submit(coordinator, token)
            held = await worker.change(token, claim("w"), known=await seen(worker, token))
            assert held is not None
            late: list[tuple[AttemptStore, Callable[[Lease, float], Lease | None], Any]] = [
                (worker, finish(held.fence), {"result": b"first", "known": (held, 0.0)}),
                (worker, lambda row, now: lease.renew(row, 1, now=now, lease_s=9.0), {}),
                (again, lambda row, now: lease.take_over(row, "w", now=now, lease_s=9.0), {}),
                (again, finish(held.fence + 1), {"result": b"second", "known": (replace(held, fence=2), 0.0)}),
                (coordinator, lambda row, _now: lease.declare_lost(row, now=1e12, lost_after_s=0.0), {}),
                (coordinator, lambda row, _now: lease.request_cancel(row, Cancel.POLITE), {}),
            ]
            chance.shuffle(late)
            answers = await asyncio.gather(*(store.change(token, rule, **more) for store, rule, more in late))
            over = [each.state for each in answers if each is not None and each.state in lease.OVER]
            row, packed = (await seen(coordinator, token))[0], await coordinator.result_of(token)
            assert len(over) == 1, "one of them has ended it, and nobody else"
            assert row.state is over[0]
            assert bool(packed) == (row.state is AttemptState.FINISHED)
            assert packed in (b"", b"first" if row.fence == 1 else b"second"), "by the holder of its fence"


async def test_a_stale_view_is_judged_on_the_row_as_it_is(server: PostgresServer) -> None:
    async with stores(server, 1) as (store,):
        await submit(store, "token-1", "token-2")
        stale = await seen(store, "token-1")
        held = await store.change("token-1", claim("w"), known=stale)
        assert held is not None
        assert await store.change("token-1", claim("v"), known=stale) is None
        beaten = await store.change("token-1", lambda row, now: lease.renew(row, 1, now=now + 5, lease_s=9.0))
        assert beaten is not None
        assert beaten != held
        assert await store.change("token-1", finish(1), known=(held, 0.0), result=b"r"), "the fence still holds"
        assert await store.result_of("token-1") == b"r"
        large = await store.change("token-2", claim("w"), known=await seen(store, "token-2"))
        assert large is not None
        content = b"x" * (SMALL_RESULT_BYTES + 1)
        assert await store.change("token-2", finish(1), known=(large, 0.0), result=content)
        assert await store.result_of("token-2") == content
        assert await store.change("token-9", claim("w"), known=stale) is None, "there is no such row"


async def test_orders_that_are_queued_together_do_not_share_their_faults(server: PostgresServer) -> None:
    async with stores(server, 1) as (store,):
        wanted = [("token-1", "x"), ("token-2", "x" * (ORDER_LIMIT_BYTES + 1)), ("to/ken", "x"), ("token-3", "x")]
        answers = await asyncio.gather(
            *(store.submit(token, key=("run", token, 1), pool="p", document=text) for token, text in wanted),
            store.submit("token-1", key=("run", "token-1", 1), pool="p", document="x"),
            store.submit("token-4", key=("run", "token-3", 1), pool="p", document="x"),
            return_exceptions=True,
        )
        assert [getattr(each, "token", type(each)) for each in answers] == [
            "token-1",
            QueueUnusableError,
            QueueUnusableError,
            "token-3",
            "token-1",
            "token-3",  # another coordinator has used its key
        ]
        queued = await store.database.all("SELECT token FROM aurora_attempts ORDER BY 1")
        assert [each["token"] for each in queued] == ["token-1", "token-3"], "each once"


async def test_requests_that_come_meanwhile_go_together() -> None:
    batches: list[list[int]] = []
    go = asyncio.Event()

    async def carry_out(items: Sequence[int]) -> list[int]:
        batches.append(list(items))
        await go.wait()
        if 13 in items:
            raise QueueUnavailableError("away")
        return [10 * each for each in items]

    joined = Batches(carry_out=carry_out, most=3)
    first = asyncio.ensure_future(joined.ask(1))
    await asyncio.sleep(0)
    rest = [asyncio.ensure_future(joined.ask(each)) for each in (2, 3, 4, 13)]
    await asyncio.sleep(0)
    rest[0].cancel()
    go.set()
    assert await first == 10
    answers = await asyncio.gather(*rest, return_exceptions=True)
    assert batches == [[1], [2, 3, 4], [13]]
    assert [type(each) for each in answers] == [asyncio.CancelledError, int, int, QueueUnavailableError]
    assert await joined.ask(5) == 50, "it goes on after an outage"
