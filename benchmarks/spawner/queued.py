"""What a long queue costs: attempts are queued, claimed and finished while many wait. Writes queued.md.

    python benchmarks/spawner/queued.py --queued 1000 10000 100000 --write

No agent runs. One connection queues as a coordinator does, and claims and finishes as a worker does. PostgreSQL
writes without waiting for the disk, as in the tests.
"""

import argparse
import asyncio
import os
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import psutil
from tests.postgres import PostgresServer

from aurora_spawner.distributed import lease
from aurora_spawner.distributed.attempt_store import AttemptStore, StoredAttempt
from aurora_spawner.distributed.database import Database
from aurora_spawner.distributed.lease import Lease
from aurora_spawner.distributed.standing import Standing

RESULTS = Path(__file__).with_name("queued.md")
RUNS, AT_ONCE = 20, 48
ONE_BY_ONE, ROUNDS, ROOM = 200, 25, 16
DOCUMENT = "{}" + " " * 1000
"""An order of a common size."""


def cpu_s(server: PostgresServer) -> float:
    top = psutil.Process(server.pid)
    return sum(sum(each.cpu_times()[:2]) for each in (top, *top.children(recursive=True)))


async def queue(store: AttemptStore, count: int) -> None:
    """Queues attempts of several runs, as many at the same time as a run has slots."""

    async def some(first: int) -> None:
        for number in range(first, count, AT_ONCE):
            await store.submit(
                f"t{number}",
                key=(f"run-{number % RUNS}", str(number), 1),
                pool="p",
                document=DOCUMENT,
                standing=Standing(workspace=f"w-{number % 4}", agent="a"),
            )

    await asyncio.gather(*map(some, range(AT_ONCE)))


async def take(store: AttemptStore, rounds: int, most: int) -> None:
    """Claims and finishes."""

    async def finish(row: StoredAttempt, held: Lease) -> None:
        ended = await store.change(
            row.token, lambda now, _at: lease.finish(now, held.fence), result=b"x", known=(held, 0.0)
        )
        assert ended is not None

    for _ in range(rounds):
        claimed = await store.claim("p", labels=(), worker="w", lease_s=60.0, most=most)
        assert len(claimed) == most
        await asyncio.gather(*(finish(*each) for each in claimed))


async def measured(server: PostgresServer, count: int) -> list[float]:
    """Returns for queueing, taking one by one and taking several: ms an attempt, and of them PostgreSQL's."""
    store = AttemptStore(Database(server.new_database()))
    await store.database.make_tables()
    found: list[float] = []
    try:
        for work, attempts in (
            (queue(store, count), count),
            (take(store, ONE_BY_ONE, 1), ONE_BY_ONE),
            (take(store, ROUNDS, ROOM), ROUNDS * ROOM),
        ):
            used, began = cpu_s(server), time.monotonic()
            await work
            found += [(time.monotonic() - began) / attempts * 1e3, (cpu_s(server) - used) / attempts * 1e3]
    finally:
        store.close()
    return found


def table(rows: list[tuple[int, list[float]]], load: float) -> str:
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    lines = [
        "# A long queue, measured",
        "",
        f"Written by `python benchmarks/spawner/queued.py` on {machine}, load before the start {load:.1f}, {today}.",
        "",
        f"Attempts of {RUNS} runs in four workspaces. Times in ms an attempt: until the answer, and of",
        f"PostgreSQL. They are queued {AT_ONCE} at a time; then taken (claimed and finished) one by one and",
        f"{ROOM} at a time.",
        "",
        "| in the queue | queue | of it PostgreSQL | take one | of it PostgreSQL | take of 16 | of it PostgreSQL |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [f"| {count:,} | {' | '.join(f'{each:.2f}' for each in found)} |" for count, found in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--queued", type=int, nargs="+", default=[1000, 10_000, 100_000])
    options.add_argument("--write", action="store_true")
    given = options.parse_args()
    load, server = os.getloadavg()[0], PostgresServer.create()
    try:
        rows = [(count, asyncio.run(measured(server, count))) for count in given.queued]
    finally:
        server.remove()
    print(said := table(rows, load))
    if given.write:
        RESULTS.write_text(said)


if __name__ == "__main__":
    main()
