"""What a task on a pool costs beside the same task here: many tasks of 10 ms on three workers. Writes pool.md.

    python benchmarks/spawner/pool.py --tasks 10000 --write

The coordinator, three workers of 16 slots and PostgreSQL share this machine, so the rate says little where it is
busy; the processor times of the coordinator, of the workers' own processes and of PostgreSQL are their own.
"""

import argparse
import asyncio
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import psutil
from tests.postgres import PostgresServer

from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
from aurora_spawner.attempts.executor import Executor
from aurora_spawner.distributed.attempt_store import AttemptStore
from aurora_spawner.distributed.database import Database
from aurora_spawner.distributed.pool_executor import PoolExecutor
from aurora_spawner.distributed.worker import Worker
from aurora_spawner.distributed.worker_options import WorkerOptions
from aurora_spawner.distributed.worker_place import WorkerPlace
from aurora_spawner.supervision.local_executor import LocalExecutor

BACKENDS = {"sleep": CommandBackend("sleep", ("sh", "-c", "sleep 0.01; echo done"))}
WORKERS, SLOTS = 3, 16
RESULTS = Path(__file__).with_name("pool.md")


async def work(name: str, folder: Path, url: str) -> None:
    options = WorkerOptions(
        name=name,
        pool="p",
        concurrency=SLOTS,
        cwd=folder,
        backends=BACKENDS,
        executor=lambda _sandbox: LocalExecutor(),
        environ=dict(os.environ),
    )
    await Worker(options, place=WorkerPlace.locked(folder / name), url=url).run()


async def coordinate(count: int, folder: Path, executor: Executor, pool: str) -> dict[str, float]:
    run = Run.create(
        folder / "runs.db",
        [SpawnTask("go") for _ in range(count)],
        BACKENDS,
        RunOptions(
            default_agent="sleep",
            max_concurrent=WORKERS * SLOTS,
            cwd=folder,
            spool=folder / "runs",
            executor=executor,
            pool=pool,
        ),
    )
    began, before = time.monotonic(), _own_cpu_s()
    report = await run.execute()
    took, cpu = time.monotonic() - began, _own_cpu_s() - before
    assert report.succeeded == count, report
    return {"seconds": took, "per_s": count / took, "cpu_ms": cpu / count * 1e3}


def _own_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def _workers_there(url: str) -> int:
    store = AttemptStore(Database(url))
    await store.database.make_tables()
    found = await store.workers()
    store.database.close()
    return len(found)


def _cpu_of(pids: Iterable[int]) -> float:
    """Returns the processor time of processes and their children that live, without those that have ended."""
    found = 0.0
    for pid in pids:
        with suppress(psutil.Error):
            used = psutil.Process(pid).cpu_times()
            found += used.user + used.system
    return found


def _family(pid: int) -> list[int]:
    return [pid, *(each.pid for each in psutil.Process(pid).children(recursive=True))]


@contextmanager
def workers(folder: Path, url: str) -> Iterator[list[int]]:
    """Starts workers; yields their process ids."""
    began = [
        subprocess.Popen([sys.executable, __file__, "--worker", f"w{number}", str(folder), url])
        for number in range(WORKERS)
    ]
    try:
        while asyncio.run(_workers_there(url)) < WORKERS:
            time.sleep(0.1)
        yield [each.pid for each in began]
    finally:
        for each in began:
            each.terminate()
        for each in began:
            each.wait()


def measure(kind: str, count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if kind == "local":
            return asyncio.run(coordinate(count, folder, LocalExecutor(), ""))
        server = PostgresServer.create()
        try:
            url = server.new_database()
            with workers(folder, url) as pids:
                before, there = _cpu_of(pids), _cpu_of(_family(server.pid))
                found = asyncio.run(coordinate(count, folder, PoolExecutor(pool="p", url=url), "p"))
                own, database = _cpu_of(pids) - before, _cpu_of(_family(server.pid)) - there
            return {**found, "workers_ms": own / count * 1e3, "database_ms": database / count * 1e3}
        finally:
            server.remove()


def table(rows: list[tuple[str, int, dict[str, float]]], load: float) -> str:
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    lines = [
        "# A pool, measured",
        "",
        f"Written by `python benchmarks/spawner/pool.py` on {machine}, load before the start {load:.1f}, {today}.",
        "",
        f"Agents sleep for 10 ms; {WORKERS * SLOTS} at once. On the pool they run on {WORKERS} workers of {SLOTS}",
        "slots, on the same machine as the coordinator and PostgreSQL. The targets: 300 tasks a second or more, and",
        "8 ms of the coordinator's processor time a task or less.",
        "",
        "Processor time a task, in ms: of the coordinator; of the workers, without their supervisors and agents; of",
        "PostgreSQL.",
        "",
        "| executor | tasks | seconds | tasks/s | coordinator | workers | PostgreSQL |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {kind} | {count:,} | {found['seconds']:.1f} | {found['per_s']:.0f} | {found['cpu_ms']:.2f} "
        f"| {_shown(found, 'workers_ms')} | {_shown(found, 'database_ms')} |"
        for kind, count, found in rows
    ]
    return "\n".join(lines) + "\n"


def _shown(found: dict[str, float], name: str) -> str:
    return f"{found[name]:.2f}" if name in found else "-"


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--tasks", type=int, nargs="+", default=[1000, 10_000])
    options.add_argument("--write", action="store_true")
    options.add_argument("--worker", nargs=3)
    given = options.parse_args()
    if given.worker:
        name, folder, url = given.worker
        asyncio.run(work(name, Path(folder), url))
        return
    load = os.getloadavg()[0]
    rows = [(kind, count, measure(kind, count)) for count in given.tasks for kind in ("local", "pool")]
    print(json.dumps(rows))
    if given.write:
        RESULTS.write_text(table(rows, load))


if __name__ == "__main__":
    main()
