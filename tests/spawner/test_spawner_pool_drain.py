"""The end of a worker that is told to drain: it comes at whatever moment, and whatever has become of the database."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.faults.cuttable_link import Link
from tests.postgres import PostgresServer

from aurora_spawner import CommandBackend
from aurora_spawner.attempts.executor import AttemptOrder
from aurora_spawner.distributed.beats import LeaseTimes
from aurora_spawner.distributed.database import Database, QueueUnavailableError
from aurora_spawner.distributed.pool_executor import PoolExecutor
from aurora_spawner.distributed.worker import Worker
from aurora_spawner.distributed.worker_options import WorkerOptions
from aurora_spawner.distributed.worker_place import WorkerPlace
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.testing import processes_of_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHORT = LeaseTimes(lease_s=1.0, beat_every_s=0.1, leave_after_s=2.0)
SLEEPER = CommandBackend("sleeper", ("sleep", "60"))


def worker(url: str, folder: Path, tell: Callable[[str], None] = lambda _line: None) -> Worker:
    options = WorkerOptions(
        name="w",
        pool="p",
        concurrency=2,
        cwd=folder,
        backends={"sleeper": SLEEPER},
        executor=lambda _sandbox: LocalExecutor(grace_s=1.0),
        environ=dict(os.environ),
        times=SHORT,
    )
    return Worker(options, place=WorkerPlace.locked(folder / "worker"), url=url, tell=tell)


async def test_a_worker_drains_in_the_moment_in_which_something_has_come_that_it_waits_for(
    server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`asyncio.wait_for` of Python 3.11 loses a cancellation in this moment, so no end may hang on a single one."""
    wait_for = asyncio.wait_for
    serves = asyncio.Event()
    draining = worker(server.new_database(), tmp_path, lambda line: serves.set() if "serves pool" in line else None)

    async def waited(awaitable: Any, timeout: float | None) -> Any:  # noqa: ASYNC109 -- the signature of the original
        future = asyncio.ensure_future(awaitable)
        task = asyncio.current_task()
        if serves.is_set() and "AttemptTaker" in repr(task):  # what takes attempts, and no task of a library's own
            future.add_done_callback(lambda _done: draining.drain())
        return await wait_for(future, timeout)

    monkeypatch.setattr(asyncio, "wait_for", waited)
    running = asyncio.create_task(draining.run())
    await serves.wait()
    await asyncio.sleep(0.3)
    draining.drain()
    ended, _ = await asyncio.wait({running}, timeout=20)
    running.cancel()
    assert ended, "it does not end"
    running.result()


async def test_a_worker_drains_at_each_moment_of_its_start(server: PostgresServer, tmp_path: Path) -> None:
    async def drained(number: int) -> None:
        (tmp_path / str(number)).mkdir()
        each = worker(url, tmp_path / str(number))
        running = asyncio.create_task(each.run())
        await asyncio.sleep(number * 0.02)
        each.drain()
        await running

    url = server.new_database()
    async with asyncio.timeout(30):
        await asyncio.gather(*(drained(number) for number in range(10)))


async def test_a_worker_that_drains_leaves_when_the_database_does_not_come_back(tmp_path: Path) -> None:
    server, lines = PostgresServer.create(), list[str]()
    try:
        url = server.new_database()
        draining, executor = worker(url, tmp_path, lines.append), PoolExecutor(pool="p", url=url)
        running = asyncio.create_task(draining.run())
        order = AttemptOrder(
            run_id=tmp_path.name,
            task_id="1",
            number=1,
            agent="sleeper",
            token="token-1",
            folder=tmp_path / "coordinator",
            prompt="go",
            command=("never", "sent"),
            environment={},
            cwd=tmp_path,
            deadline_s=None,
        )
        await executor.start(order)
        while not any("begins" in line for line in lines):
            assert not running.done()
            await asyncio.sleep(0.05)
        executor.close()
    finally:
        server.remove()
    draining.drain()
    with pytest.raises(QueueUnavailableError, match="leaves its 1 attempts to its next process"):
        await asyncio.wait_for(running, 30)
    assert processes_of_run(tmp_path.name) == [], "its lease was over, so its agent had to end"


async def test_a_worker_that_is_told_to_drain_before_it_reaches_the_database_leaves(tmp_path: Path) -> None:
    draining = worker(f"postgresql://aurora@/none?host={tmp_path}", tmp_path)
    draining.drain()
    with pytest.raises(QueueUnavailableError, match="leaves its 0 attempts"):
        await asyncio.wait_for(draining.run(), 30)


async def test_a_statement_without_an_answer_is_given_up(server: PostgresServer, tmp_path: Path) -> None:
    """A tunnel keeps the near half of a connection alive; no setting of TCP notices that the other has gone."""
    link = Link(tmp_path / "way", server.port)
    name = server.new_database().rpartition("/")[2]
    database = Database(f"postgresql://aurora@/{name}?host={link.folder}", answer_within_s=0.2)
    try:
        assert await database.one("SELECT 1 AS one") == {"one": 1}
        link.freeze()
        began = time.monotonic()
        asyncio.get_running_loop().call_later(0.6, lambda: link.heal(forget=True))  # its cancel request comes through
        with pytest.raises(QueueUnavailableError, match="does not answer"):
            await database.one("SELECT 1")
        assert 0 < database.away_s <= time.monotonic() - began
        assert await database.one("SELECT 2 AS two") == {"two": 2}
        assert database.away_s == 0
    finally:
        database.close()
        link.close()
