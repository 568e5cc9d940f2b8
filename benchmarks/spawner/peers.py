"""The same work by others: N agents that take 0.1 s, at most K at once. Each prints its wall time in seconds.

python peers.py aurora|asyncio|parallel|huey TASKS AT_ONCE FOLDER
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

SCRIPT = "sleep 0.1; echo done"


def aurora(tasks: int, at_once: int, folder: Path) -> float:
    """Journal, supervisors, evidence and all."""
    from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask

    backends = {"sh": CommandBackend("sh", ("sh", "-c", SCRIPT))}
    begin = time.perf_counter()
    run = Run.create(
        folder / "runs.db",
        [SpawnTask("go") for _ in range(tasks)],
        backends,
        RunOptions(
            default_agent="sh",
            max_concurrent=at_once,
            cwd=folder,
            spool=folder / "runs",
        ),
    )
    assert run.execute_sync().ok
    return time.perf_counter() - begin


def plain_asyncio(tasks: int, at_once: int, _folder: Path) -> float:
    """A semaphore around create_subprocess_exec: no journal, no supervision; output in memory."""

    async def one(limit: asyncio.Semaphore) -> bytes:
        async with limit:
            process = await asyncio.create_subprocess_exec(
                "sh", "-c", SCRIPT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            return (await process.communicate())[0]

    async def everything() -> list[bytes]:
        limit = asyncio.Semaphore(at_once)
        return await asyncio.gather(*(one(limit) for _ in range(tasks)))

    begin = time.perf_counter()
    assert asyncio.run(everything()) == [b"done\n"] * tasks
    return time.perf_counter() - begin


def gnu_parallel(tasks: int, at_once: int, folder: Path) -> float:
    """With a job log, from which it can resume what was not begun."""
    command = ["parallel", f"-j{at_once}", "--joblog", str(folder / "log"), f"{SCRIPT} #{{}}", ":::"]
    begin = time.perf_counter()
    output = subprocess.run([*command, *map(str, range(tasks))], check=True, capture_output=True).stdout
    wall = time.perf_counter() - begin
    assert output.count(b"done") == tasks
    return wall


def huey_sqlite(tasks: int, at_once: int, folder: Path) -> float:
    """A task queue on SQLite with a thread a worker; durable queue and results, no supervision."""
    from huey import SqliteHuey  # type: ignore[import-not-found, unused-ignore]
    from huey.consumer import Consumer  # type: ignore[import-not-found, unused-ignore]

    queue = SqliteHuey(filename=str(folder / "huey.db"))

    @queue.task()  # type: ignore[untyped-decorator, unused-ignore]
    def agent() -> bytes:
        return subprocess.run(["sh", "-c", SCRIPT], check=True, capture_output=True).stdout

    consumer = Consumer(queue, workers=at_once, initial_delay=0.005, max_delay=0.02, periodic=False)
    begin = time.perf_counter()
    results = [agent() for _ in range(tasks)]
    consumer.start()
    assert [result.get(blocking=True, max_delay=0.02) for result in results] == [b"done\n"] * tasks
    wall = time.perf_counter() - begin
    consumer.stop()
    return wall


PEERS: dict[str, Callable[[int, int, Path], float]] = {
    "aurora": aurora,
    "asyncio": plain_asyncio,
    "parallel": gnu_parallel,
    "huey": huey_sqlite,
}

if __name__ == "__main__":
    print(PEERS[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])))
