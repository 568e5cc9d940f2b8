"""What many slots ask of the database of a pool: heartbeats, and choices among what waits. Writes slots.md.

    python benchmarks/spawner/slots.py --write

No agent runs: the rows of running attempts are written by hand, and one connection asks as a worker does.
"""

import argparse
import asyncio
import os
import platform
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import psutil
import psycopg
from tests.postgres import PostgresServer

from aurora_spawner.distributed import lease
from aurora_spawner.distributed.attempt_store import AttemptStore
from aurora_spawner.distributed.database import Database

RESULTS = Path(__file__).with_name("slots.md")
RUNNING = (100, 1000, 5000, 20_000)
QUEUED, RUNS = 1000, 20
BEATS, CHOICES = 1000, 50

FILL = """
    INSERT INTO aurora_attempts (token, run_id, task_id, number, pool, document, workspace, agent, state, worker,
        fence, until, lane)
    SELECT %(state)s || n, 'run-' || n %% %(runs)s, n::text, 1 + (%(state)s = 'queued')::int, 'p', '{}',
        'w-' || n %% 4, 'a', %(state)s, 'w', 1, 1e11, (n %% %(runs)s)::text
    FROM generate_series(1, %(count)s) n
"""


async def asked(server: PostgresServer, call: Callable[[int], Awaitable[object]], times: int) -> tuple[float, float]:
    """Returns the time and PostgreSQL's processor time of a call, in ms."""
    await call(0)
    before, began = cpu_s(server), time.monotonic()
    for number in range(1, times + 1):
        await call(number)
    return (time.monotonic() - began) / times * 1e3, (cpu_s(server) - before) / times * 1e3


def cpu_s(server: PostgresServer) -> float:
    top = psutil.Process(server.pid)
    return sum(sum(each.cpu_times()[:2]) for each in (top, *top.children(recursive=True)))


async def measured(server: PostgresServer, running: int) -> list[float]:
    url = server.new_database()
    database = Database(url)
    await database.make_tables()
    with psycopg.connect(url, autocommit=True) as connection:
        for state, count in (("running", running), ("queued", QUEUED)):
            connection.execute(FILL, {"state": state, "count": count, "runs": RUNS})
        connection.execute("ANALYZE")
    store = AttemptStore(database)

    async def beat(number: int) -> None:
        changed = await store.change(
            f"running{1 + number % running}",
            lambda row, now: lease.renew(row, 1, now=now, lease_s=1e11),
            progress=number,
        )
        assert changed is not None

    async def choose(_number: int) -> None:
        assert await store.claim("p", labels=(), worker="w", lease_s=60.0)

    try:
        return [*await asked(server, beat, BEATS), *await asked(server, choose, CHOICES)]
    finally:
        store.close()


def table(rows: list[tuple[int, list[float]]], load: float) -> str:
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    lines = [
        "# Many slots, measured",
        "",
        f"Written by `python benchmarks/spawner/slots.py` on {machine}, load before the start {load:.1f}, {today}.",
        "",
        f"One pool, {QUEUED:,} attempts of {RUNS} runs in its queue. Times in ms: until the answer, and of",
        "PostgreSQL's processes.",
        "",
        "| running attempts | heartbeat | of it PostgreSQL | choice and claim | of it PostgreSQL |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [f"| {count:,} | {' | '.join(f'{each:.2f}' for each in found)} |" for count, found in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--write", action="store_true")
    given = options.parse_args()
    load = os.getloadavg()[0]
    server = PostgresServer.create()
    try:
        rows = [(count, asyncio.run(measured(server, count))) for count in RUNNING]
    finally:
        server.remove()
    text = table(rows, load)
    print(text)
    if given.write:
        RESULTS.write_text(text)


if __name__ == "__main__":
    main()
