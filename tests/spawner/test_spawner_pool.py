"""Attempts on workers of a pool, over a real PostgreSQL and under real supervisors."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import sys
import threading
import time
import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

import psutil
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.postgres import PostgresServer
from tests.spawner.pool_trees import change_rows

from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
from aurora_spawner.attempts.attempt_folder import AttemptFolder
from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder, AttemptRefusedError
from aurora_spawner.distributed import lease
from aurora_spawner.distributed.announced import AnnouncedTool, read_tools
from aurora_spawner.distributed.attempt_looks import AttemptLooks
from aurora_spawner.distributed.attempt_store import (
    SMALL_RESULT_BYTES,
    AttemptStore,
    StoredAttempt,
    StoredWorker,
)
from aurora_spawner.distributed.beats import LeaseTimes
from aurora_spawner.distributed.bells import channel_of
from aurora_spawner.distributed.clocks import moved
from aurora_spawner.distributed.database import Database, QueueUnavailableError, QueueUnusableError, secured
from aurora_spawner.distributed.documents import RESULT_LIMIT_BYTES, DocumentError, OrderDocument, Result
from aurora_spawner.distributed.lease import AttemptState
from aurora_spawner.distributed.pool_executor import PoolExecutor
from aurora_spawner.distributed.pool_limits import LimitStore
from aurora_spawner.distributed.worker import Worker
from aurora_spawner.distributed.worker_options import WorkerOptions
from aurora_spawner.distributed.worker_place import WorkerPlace, WorkerRunsError
from aurora_spawner.recovery.policy import RecoveryPolicy
from aurora_spawner.recovery.policy_parts import TimeoutPolicy
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.testing import processes_of_run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from pathlib import Path
    from typing import Any

    from aurora_spawner.attempts.executor import RunningAttempt
    from aurora_spawner.distributed.lease import Lease

KEEPALIVE = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
HOUR_S = 3600.0
QUICK = LeaseTimes(lease_s=2.0, beat_every_s=0.2)
UPPER = CommandBackend("upper", (sys.executable, "-c", "import sys; print(sys.stdin.read().upper())"))
SLEEPER = CommandBackend("sleeper", ("sh", "-c", "echo began; exec sleep 60"))


@pytest.fixture
def url(server: PostgresServer) -> str:
    return server.new_database()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def order(folder: Path, agent: str, prompt: str = "hello", *, number: int = 1) -> AttemptOrder:
    return AttemptOrder(
        run_id=folder.name,
        task_id="1",
        number=number,
        agent=agent,
        token=f"token-{os.urandom(6).hex()}",
        folder=folder / "coordinator" / f"00001-1-{number}",
        prompt=prompt,
        command=("never", "sent"),
        environment={"SECRET": "stays here"},
        cwd=folder,
        deadline_s=None,
    )


@contextlib.asynccontextmanager
async def working(
    url: str, folder: Path, *, backends: Mapping[str, CommandBackend] | None = None
) -> AsyncIterator[tuple[Worker, list[str]]]:
    """A worker of the pool `p` in this process; it is left as if killed, with its attempts running."""
    lines: list[str] = []
    place = WorkerPlace.locked(folder / "worker-1")
    async with at_place(url, folder, place, lines, backends=backends) as worker:
        yield worker, lines


def worker_at(
    url: str,
    folder: Path,
    place: WorkerPlace,
    lines: list[str],
    *,
    backends: Mapping[str, CommandBackend] | None = None,
    executor: Callable[[str], LocalExecutor] = lambda _sandbox: LocalExecutor(grace_s=1.0),
    pool: str = "p",
    labels: tuple[str, ...] = (),
    clock: Callable[[], float] = time.time,
    tools: Callable[[], tuple[AnnouncedTool, ...]] = tuple,
    look_every_s: float = 1.0,
    concurrency: int = 4,
) -> Worker:
    options = WorkerOptions(
        name="w",
        pool=pool,
        labels=labels,
        concurrency=concurrency,
        cwd=folder,
        backends=backends or {"upper": UPPER, "sleeper": SLEEPER},
        executor=executor,
        environ=dict(os.environ),
        times=QUICK,
        clock=clock,
        tools=tools,
        look_every_s=look_every_s,
    )
    return Worker(options, place=place, url=url, tell=lines.append)


@contextlib.asynccontextmanager
async def at_place(
    url: str,
    folder: Path,
    place: WorkerPlace,
    lines: list[str],
    *,
    backends: Mapping[str, CommandBackend] | None = None,
    concurrency: int = 4,
) -> AsyncIterator[Worker]:
    worker = worker_at(url, folder, place, lines, backends=backends, concurrency=concurrency)
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


@contextlib.contextmanager
def pool(url: str, *, lost_after_s: float = 1.0) -> Iterator[PoolExecutor]:
    executor = PoolExecutor(pool="p", url=url, lost_after_s=lost_after_s)
    try:
        yield executor
    finally:
        executor.close()


async def result(executor: PoolExecutor, running: RunningAttempt) -> AttemptEnd:
    return await asyncio.wait_for(executor.collect(running), 30)


def states(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT number, state, fence FROM aurora_attempts ORDER BY number").fetchall()


async def until(true: Callable[[], object], *, within_s: float = 20.0) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 -- what is waited for is outside of this process
            await asyncio.sleep(0.05)


def kept_by_workers(folder: Path) -> list[Path]:
    return list(folder.glob("worker-*/attempts/*"))


def agents(folder: Path) -> list[str]:
    """Returns the names of the agents' processes that run, the supervisors and their fork server left out."""
    names = []
    for pid in processes_of_run(folder.name):
        with contextlib.suppress(psutil.Error):
            names.append(psutil.Process(pid).name())
    return [name for name in names if not name.startswith("python")]


def progress_of(url: str, token: str) -> int:
    """Returns what the worker of an attempt has told of its progress."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT progress FROM aurora_attempts WHERE token = %s", (token,)).fetchone()
    return int(row[0]) if row else 0


async def until_begun(folder: Path) -> None:
    """Waits until an agent has printed its first line on a worker."""
    await until(lambda: any(each.stat().st_size for each in folder.glob("worker-*/attempts/*/stdout")))


async def test_an_attempt_runs_on_a_worker_and_its_output_comes_back(url: str, folder: Path) -> None:
    async with working(url, folder):
        with pool(url) as executor:
            running = await executor.start(what := order(folder, "upper", "grüße\x00"))
            assert await executor.start(what) == running, "a repeated order is the same attempt"
            end = await result(executor, running)
            again = await executor.adopt(token=what.token, folder=what.folder, supervisor=None)
    assert (end.reason, end.exit_code, end.stdout) == (EndReason.EXITED, 0, "GRÜSSE\x00\n")
    assert end == again
    assert (what.folder / "stdout").read_bytes() == "GRÜSSE\x00\n".encode()
    assert AttemptFolder(path=what.folder).read_exit() is not None
    assert states(url) == [(1, "finished", 1)]
    assert not kept_by_workers(folder), "the worker keeps nothing of a delivered attempt"


async def test_nothing_of_an_attempt_that_is_over_stays_in_memory(url: str, folder: Path) -> None:
    async with working(url, folder):
        with pool(url) as executor:
            await result(executor, await executor.start(order(folder, "upper", "a word of one order only")))
            gc.collect()
            orders = [each for each in gc.get_objects() if isinstance(each, AttemptOrder)]
            assert "a word of one order only" not in {each.prompt for each in orders}


async def test_the_environment_of_the_coordinator_stays_where_it_is(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AURORA_DATABASE_URL", url)
    env = CommandBackend("env", ("env",))
    async with working(url, folder, backends={"env": env}):
        with pool(url) as executor:
            end = await result(executor, await executor.start(order(folder, "env")))
    assert f"AURORA_RUN_ID={folder.name}" in end.stdout
    assert "SECRET" not in end.stdout
    assert "AURORA_DATABASE_URL" not in end.stdout


class AheadExecutor(LocalExecutor):
    """Supervisors of a machine whose clock is an hour ahead."""

    async def collect(self, attempt: RunningAttempt) -> AttemptEnd:
        return moved(await super().collect(attempt), HOUR_S)


async def test_a_worker_whose_clock_is_off_by_an_hour_reports_times_of_the_coordinator(
    url: str, folder: Path
) -> None:
    place = WorkerPlace.locked(folder / "worker-1")
    worker = worker_at(
        url, folder, place, [], executor=lambda _sandbox: AheadExecutor(), clock=lambda: time.time() + HOUR_S
    )
    running = asyncio.create_task(worker.run())
    before = time.time()
    with pool(url) as executor:
        wanted = order(folder, "upper")
        end = await executor.collect(await executor.start(wanted))
        record = AttemptFolder(path=wanted.folder).read_exit()
    worker.drain()
    await running
    assert end.started_at is not None
    assert end.ended_at is not None
    assert record is not None
    assert before - 5 < end.started_at < end.ended_at < time.time() + 5
    assert (record.started_at, record.ended_at) == (end.started_at, end.ended_at)


@dataclass(slots=True)
class CountingStore:
    """Answers looks, and remembers them."""

    rows: dict[str, StoredAttempt] = field(default_factory=dict)
    looks: list[list[str]] = field(default_factory=list)
    problem: Exception | None = None

    async def look(self, tokens: list[str]) -> dict[str, StoredAttempt]:
        self.looks.append(tokens)
        if self.problem is not None:
            raise self.problem
        return {token: self.rows[token] for token in tokens if token in self.rows}


async def test_one_statement_looks_at_all_attempts_that_are_waited_for() -> None:
    store = CountingStore()
    looks = AttemptLooks(store=cast("AttemptStore", store), tell=lambda _problem: None)
    given_up = asyncio.create_task(looks.next_row("gone"))
    await asyncio.sleep(0)
    given_up.cancel()
    tokens = [f"token-{number}" for number in range(50)]
    assert await asyncio.gather(*map(looks.next_row, tokens)) == [None] * 50
    assert [len(each) for each in store.looks] == [51]
    store.problem = QueueUnusableError("no right to read")
    found = await asyncio.gather(*map(looks.next_row, tokens[:2]), return_exceptions=True)
    assert found == [store.problem] * 2
    assert len(store.looks) == 2
    waiting = asyncio.create_task(looks.next_row("token-1"))
    await asyncio.sleep(0)
    looks.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_look_brings_small_results_and_no_order_of_what_goes_on(url: str) -> None:
    database = Database(url)
    await database.make_tables()
    store = AttemptStore(database)
    for number, size in enumerate((100, SMALL_RESULT_BYTES + 1, 0)):
        token = f"token-{number}"
        await store.submit(token, key=("run", token, 1), pool="p", document=f"order {number}")
        if size:
            await store.change(token, lambda row, now: lease.claim(row, "w", now=now, lease_s=9.0))
            await store.change(token, lambda row, _now: lease.finish(row, 1), result=b"x" * size)
    found = await store.look(["token-0", "token-1", "token-2", "token-9"])
    database.close()
    told = {token: (row.document, row.result and len(row.result)) for token, row in found.items()}
    assert told == {"token-0": ("order 0", 100), "token-1": ("order 1", None), "token-2": ("", None)}


async def test_a_network_that_is_gone_without_a_word_is_noticed_within_half_a_minute(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(secured(url)) as connection:
        with socket.socket(fileno=os.dup(connection.fileno())) as line:
            asks = [line.getsockopt(socket.IPPROTO_TCP, each) for each in KEEPALIVE]
            answers_within_ms = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert (asks, answers_within_ms) == ([15, 5, 3], 30_000)


async def test_a_cancel_is_done_once_the_stop_was_seen(url: str, folder: Path) -> None:
    async with working(url, folder):
        with pool(url) as executor:
            running = await executor.start(order(folder, "sleeper"))
            await until_begun(folder)
            executor.cancel(running, at_once=False)
            end = await result(executor, running)
            assert not agents(folder)
    assert (end.reason, end.stdout) == (EndReason.CANCELLED, "began\n")


async def test_the_time_in_the_queue_is_no_time_of_the_agent(url: str, folder: Path) -> None:
    brief = CommandBackend("brief", ("sh", "-c", "sleep 0.1; cat"))
    executor = PoolExecutor(pool="p", url=url)
    recovery = RecoveryPolicy(timeout=TimeoutPolicy(startup_s=2.0), max_retries=0)
    options = RunOptions(
        default_agent="brief", cwd=folder, spool=folder / "spool", executor=executor, recovery=recovery, pool="p"
    )
    run = Run.create(folder / "runs.db", [SpawnTask("hello")], {"brief": brief}, options)
    executing = asyncio.create_task(run.execute())
    await asyncio.sleep(3.5)
    assert not executing.done(), "nobody has taken it, which is not its fault"
    async with working(url, folder, backends={"brief": brief}):
        report = await asyncio.wait_for(executing, 30)
    assert report.ok, report.results
    assert report.results["1"].output == "hello"


async def test_an_agent_that_only_computes_shows_life(url: str, folder: Path) -> None:
    busy = CommandBackend("busy", ("sh", "-c", "while :; do :; done"))
    async with working(url, folder, backends={"busy": busy}):
        with pool(url) as executor:
            running = await executor.start(what := order(folder, "busy"))
            collecting = asyncio.create_task(result(executor, running))
            await until((what.folder / "stdout").exists)
            executor.cancel(running, at_once=True)
            assert (await collecting).reason is EndReason.CANCELLED


async def test_a_worker_is_asked_for_the_sandbox_of_the_run(url: str, folder: Path) -> None:
    asked = []

    def confining(sandbox: str) -> LocalExecutor:
        asked.append(sandbox)
        return LocalExecutor(grace_s=1.0)

    worker = worker_at(url, folder, WorkerPlace.locked(folder / "worker-1"), [], executor=confining)
    serving = asyncio.create_task(worker.run())
    with pool(url) as executor:
        executor.sandbox = {"upper": "require", "sleeper": "off"}.__getitem__
        await result(executor, await executor.start(order(folder, "upper")))
    worker.drain()
    await asyncio.wait_for(serving, 30)
    assert asked == ["require"]


async def test_a_worker_announces_the_agents_of_its_machine_once_it_knows_them(url: str, folder: Path) -> None:
    known = threading.Event()

    def tools() -> tuple[AnnouncedTool, ...]:
        known.wait(10)
        return (AnnouncedTool(name="claude", kind="claude", version="2.0.1", signed_in="no"),)

    worker = worker_at(url, folder, WorkerPlace.locked(folder / "worker-1"), [], tools=tools)
    serving = asyncio.create_task(worker.run())
    store = AttemptStore(Database(url))
    await store.database.make_tables()
    with pool(url) as executor:
        end = await result(executor, await executor.start(order(folder, "upper")))
    assert end.stdout == "HELLO\n", "it serves before it knows them"
    assert [each.tools for each in await store.workers()] == [()]
    known.set()
    async with asyncio.timeout(10):
        while not (found := (await store.workers())[0]).tools:  # noqa: ASYNC110 -- the database has no event
            await asyncio.sleep(0.05)
    assert found.to_json()["tools"] == [{"name": "claude", "kind": "claude", "version": "2.0.1", "signed_in": "no"}]
    worker.drain()
    await asyncio.wait_for(serving, 30)
    store.database.close()


def test_what_a_worker_announces_is_read_as_data_of_a_stranger() -> None:
    for stored in (None, "x", {"a": 1}, 7):
        assert read_tools(stored) == ()
    strange = read_tools([None, {"name": ["x"], "version": "v" * 10_000, "more": 1}, *[{}] * 1000])
    assert (len(strange), strange[1].name, len(strange[1].version)) == (100, "", 200)


async def test_what_a_limit_holds_back_begins_when_a_place_is_free_and_not_at_the_next_look(
    url: str, folder: Path
) -> None:
    store = AttemptStore(Database(url))
    await store.database.make_tables()
    await LimitStore(store.database).set("p", "", 1)
    worker = worker_at(url, folder, WorkerPlace.locked(folder / "worker-1"), [], look_every_s=600.0)
    with pool(url) as executor:
        begun = [await executor.start(order(folder, "upper", number=number)) for number in range(1, 7)]
        serving = asyncio.create_task(worker.run())
        ends = await asyncio.gather(*(result(executor, each) for each in begun))
    assert [each.stdout for each in ends] == ["HELLO\n"] * 6
    worker.drain()
    await asyncio.wait_for(serving, 30)
    store.database.close()


async def test_results_stay_for_a_week(url: str, folder: Path) -> None:
    with pool(url) as executor:
        for number in (1, 2):
            running = await executor.start(order(folder, "upper", number=number))
            executor.cancel(running, at_once=True)
            await result(executor, running)
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE aurora_attempts SET over_at = over_at - make_interval(days => 5 + number)")
    store = AttemptStore(Database(url))
    await store.forget_over()
    store.database.close()
    assert states(url) == [(1, "voided", 0)]


async def test_a_queued_attempt_is_cancelled_without_a_worker(url: str, folder: Path) -> None:
    with pool(url) as executor:
        running = await executor.start(order(folder, "upper"))
        executor.cancel(running, at_once=True)
        assert (await result(executor, running)).reason is EndReason.CANCELLED
    async with working(url, folder) as (_worker, lines):
        await until(lambda: lines)
        await asyncio.sleep(0.5)
    assert lines == ["worker w serves pool p"], "what was voided is not begun"


async def test_an_attempt_that_was_never_queued_never_will_be(url: str, folder: Path) -> None:
    late = order(folder, "upper")
    with pool(url) as executor, pool(url) as dead:
        found = await executor.adopt(token=late.token, folder=late.folder, supervisor=None)
        assert isinstance(found, AttemptEnd)
        assert found.reason is EndReason.VOIDED
        with pytest.raises(AttemptRefusedError, match="another coordinator"):
            await dead.start(late)


async def test_a_second_coordinator_cannot_use_the_number_of_an_attempt(url: str, folder: Path) -> None:
    with pool(url) as first, pool(url) as second:
        await first.start(order(folder, "upper"))
        with pytest.raises(AttemptRefusedError, match="another coordinator") as refused:
            await second.start(order(folder, "upper"))
    assert refused.value.reason is EndReason.NOT_TAKEN
    assert states(url) == [(1, "queued", 0)]


@pytest.mark.parametrize(
    ("prompt", "problem"),
    [("x" * (100 << 20), "the most that a pool takes"), ("half \ud800", "no order that a pool takes")],
)
async def test_an_order_that_no_row_may_hold_is_refused(url: str, folder: Path, prompt: str, problem: str) -> None:
    with pool(url) as executor, pytest.raises(AttemptRefusedError, match=problem) as refused:
        await executor.start(order(folder, "upper", prompt))
    assert refused.value.reason is EndReason.NOT_TAKEN


async def test_a_worker_runs_no_agent_but_its_own(url: str, folder: Path) -> None:
    async with working(url, folder):
        with pool(url) as executor:
            end = await result(executor, await executor.start(order(folder, "/bin/sh")))
    assert end.reason is EndReason.NOT_TAKEN
    assert end.stderr.endswith("worker w does not run it; it runs: sleeper, upper")


async def test_an_order_without_a_prompt_is_refused_and_ends_no_worker(url: str, folder: Path) -> None:
    async with working(url, folder):
        with pool(url) as executor:
            end = await result(executor, await executor.start(order(folder, "upper", "")))
            after = await result(executor, await executor.start(order(folder, "upper", number=2)))
    assert (end.reason, end.stderr, after.stdout) == (EndReason.NOT_TAKEN, "a task needs a prompt", "HELLO\n")


@pytest.mark.parametrize(
    ("token", "document"),
    [
        ("forged-1", '{"command": ["touch", "/tmp/owned"]}'),
        ("forged-2", "x" * 1000),
    ],
)
async def test_a_forged_row_runs_nothing_and_ends_no_worker(
    url: str, folder: Path, token: str, document: str
) -> None:
    async with working(url, folder) as (_worker, lines):
        with pool(url) as executor:
            await executor.start(order(folder, "sleeper", number=9))  # makes the tables, and takes a slot
            store = AttemptStore(Database(url))
            await store.submit(token, key=("run-2", "1", 1), pool="p", document=document)
            await until(lambda: any(token in each for each in lines))
            end = await result(executor, await executor.start(order(folder, "upper", "still here", number=2)))
            store.database.close()
    assert end.stdout == "STILL HERE\n"


async def test_a_bell_decides_nothing(url: str, folder: Path) -> None:
    """Whoever can ring one can wake a worker, and choose nothing."""
    async with working(url, folder):
        with pool(url) as executor:
            await result(executor, await executor.start(order(folder, "upper")))
            with psycopg.connect(url, autocommit=True) as connection:
                for _ in range(20):
                    connection.execute("SELECT pg_notify(%s, '../outside')", (channel_of("p"),))
            end = await result(executor, await executor.start(order(folder, "upper", number=2)))
    assert end.stdout == "HELLO\n"
    assert not (folder / "outside").exists()


def test_the_database_itself_refuses_what_is_too_large(url: str) -> None:
    async def submit() -> None:
        store = AttemptStore(Database(url))
        try:
            await store.database.make_tables()
            await store.submit("t", key=("r", "1", 1), pool="p", document="x" * (3 << 20))
        finally:
            store.database.close()

    with pytest.raises(QueueUnusableError, match="refuses"):
        asyncio.run(submit())


async def test_the_next_process_of_a_worker_adopts_what_runs(url: str, folder: Path) -> None:
    slow = CommandBackend("slow", ("sh", "-c", "echo began >> runs; printf began; sleep 1.5; cat"))
    place, lines = WorkerPlace.locked(folder / "worker-1"), list[str]()
    with pool(url) as executor:
        async with at_place(url, folder, place, lines, backends={"slow": slow}):
            running = await executor.start(order(folder, "slow"))
            await until(lambda: progress_of(url, running.token) > 0)  # its start is over, which an end would undo
        async with at_place(url, folder, place, lines, backends={"slow": slow}):
            end = await result(executor, running)
    assert (end.reason, end.stdout) == (EndReason.EXITED, "beganhello")
    assert (folder / "runs").read_text() == "began\n", "it ran once"
    assert states(url) == [(1, "finished", 2)]


async def test_what_a_killed_worker_had_claimed_together_and_not_begun_is_told_by_its_next_process(
    url: str, folder: Path
) -> None:
    place, lines, store = WorkerPlace.locked(folder / "worker-1"), list[str](), AttemptStore(Database(url))
    with pool(url, lost_after_s=60.0) as executor:
        running = [await executor.start(order(folder, "upper", number=number)) for number in (1, 2, 3)]
        claimed = await store.claim("p", labels=(), worker=place.worker_id, lease_s=60.0, most=9)
        store.close()
        async with at_place(url, folder, place, lines):
            ends = await asyncio.gather(*(result(executor, each) for each in running))
    assert len(claimed) == 3
    assert [each.reason for each in ends] == [EndReason.SUPERVISOR_LOST] * 3, lines
    assert states(url) == [(number, "finished", 2) for number in (1, 2, 3)]


async def test_what_was_claimed_by_an_answer_that_got_lost_is_told_before_its_lease_is_over(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, lost = AttemptStore.claim, list[str]()

    async def cut_off(store: AttemptStore, *arguments: Any, **options: Any) -> list[tuple[StoredAttempt, Lease]]:
        found = await claim(store, *arguments, **options)
        if len(found) < 2 or lost:
            return found
        lost.extend(row.token for row, _lease in found)
        raise QueueUnavailableError("the answer got lost")

    monkeypatch.setattr(AttemptStore, "claim", cut_off)
    with pool(url, lost_after_s=60.0) as executor:
        running = [await executor.start(order(folder, "upper", number=number)) for number in range(1, 6)]
        async with working(url, folder):
            ends = await asyncio.gather(*(result(executor, each) for each in running))
    told = {each.token for each, end in zip(running, ends, strict=True) if end.reason is EndReason.SUPERVISOR_LOST}
    assert told == set(lost)
    assert [end.stdout for end in ends if end.reason is EndReason.EXITED] == ["HELLO\n"] * (5 - len(lost))


async def test_a_worker_that_is_started_again_with_less_room_loses_nothing_and_takes_nothing_more(
    url: str, folder: Path
) -> None:
    script = "n=$AURORA_ATTEMPT_NUMBER; mkdir -p at/$n; ls at | wc -l >> runs; sleep $(cat); rmdir at/$n"
    backends = {"slow": CommandBackend("slow", ("sh", "-c", script))}
    place, lines = WorkerPlace.locked(folder / "worker-1"), list[str]()
    with pool(url) as executor:
        async with at_place(url, folder, place, lines, backends=backends):
            running = [await executor.start(order(folder, "slow", "5", number=number)) for number in (1, 2)]
            await until(lambda: len(list(folder.glob("at/*"))) == len(running))
        async with at_place(url, folder, place, lines, backends=backends, concurrency=1):
            running.append(await executor.start(order(folder, "slow", "0", number=3)))
            ends = await asyncio.gather(*(result(executor, each) for each in running))
    assert [each.reason for each in ends] == [EndReason.EXITED] * 3, lines
    assert (folder / "runs").read_text().split()[-1] == "1", "the third has waited for both"


async def test_what_a_dead_worker_held_is_lost_and_its_agent_ended_when_it_comes_back(url: str, folder: Path) -> None:
    place, lines = WorkerPlace.locked(folder / "worker-1"), list[str]()
    with pool(url) as executor:
        async with at_place(url, folder, place, lines):
            running = await executor.start(order(folder, "sleeper"))
            await until_begun(folder)
        assert (await result(executor, running)).reason is EndReason.SUPERVISOR_LOST
        assert agents(folder), "its supervisor lives on"
        async with at_place(url, folder, place, lines):
            await until(lambda: not agents(folder))
            await until(lambda: any("its lease is lost" in each for each in lines))
    assert states(url) == [(1, "lost", 1)]


async def test_a_late_result_of_a_zombie_is_refused(url: str, folder: Path) -> None:
    brief = CommandBackend("brief", ("sh", "-c", "echo began; sleep 0.7; cat"))
    async with working(url, folder, backends={"brief": brief}) as (_worker, lines):
        with pool(url) as executor:
            running = await executor.start(order(folder, "brief"))
            await until_begun(folder)
            # As if nobody had heard of it for long.
            await change_rows(url, "UPDATE aurora_attempts SET state = 'lost'")
            assert (await result(executor, running)).reason is EndReason.SUPERVISOR_LOST
            await until(lambda: any("comes too late" in each for each in lines))
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT state, result FROM aurora_attempts").fetchall() == [("lost", None)]


async def test_a_worker_without_the_database_ends_its_agents_when_their_lease_is_over(folder: Path) -> None:
    server = PostgresServer.create()
    try:
        url = server.new_database()
        async with working(url, folder) as (_worker, lines):
            with pool(url) as executor:
                running = await executor.start(order(folder, "sleeper"))
                await until_begun(folder)
                server.kill()
                await until(lambda: not agents(folder))
                server.start()
                end = await result(executor, running)
                assert end.reason is EndReason.SUPERVISOR_LOST
                following = await executor.start(order(folder, "upper", number=2))
                assert (await result(executor, following)).stdout == "HELLO\n", lines
    finally:
        server.remove()


async def test_a_worker_that_has_claimed_waits_for_nothing_before_it_starts(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, read_while = AttemptStore.read, set[AttemptState]()

    async def noted(store: AttemptStore, token: str) -> StoredAttempt | None:
        row = await read(store, token)
        if row is not None:
            read_while.add(row.lease.state)
        return row

    with pool(url) as executor:
        running = await executor.start(order(folder, "sleeper"))
        monkeypatch.setattr(AttemptStore, "read", noted)
        async with working(url, folder):
            await until_begun(folder)
            assert AttemptState.RUNNING not in read_while, "an outage would let it start what counts as lost already"
            executor.cancel(running, at_once=True)
            await result(executor, running)


async def test_a_result_waits_for_a_database_that_was_killed(folder: Path) -> None:
    server = PostgresServer.create()
    once = CommandBackend("once", ("sh", "-c", "echo x >> runs; sleep 0.5; cat"))
    try:
        url = server.new_database()
        async with working(url, folder, backends={"once": once}):
            with pool(url, lost_after_s=60) as executor:
                running = await executor.start(order(folder, "once"))
                await until((folder / "runs").exists)
                server.kill()
                await until(lambda: not agents(folder))
                server.start()
                end = await result(executor, running)
    finally:
        server.remove()
    assert (end.reason, end.stdout) == (EndReason.EXITED, "hello")
    assert (folder / "runs").read_text() == "x\n"


async def test_draining_ends_with_the_last_attempt_and_leaves_the_rest_in_the_queue(url: str, folder: Path) -> None:
    brief = CommandBackend("upper", ("sh", "-c", "echo began; sleep 0.5; cat"))
    async with working(url, folder, backends={"upper": brief}) as (worker, _lines):
        with pool(url) as executor:
            running = await executor.start(order(folder, "upper"))
            await until_begun(folder)
            worker.drain()
            assert (await result(executor, running)).stdout == "began\nhello"
            await until(lambda: states(url) == [(1, "finished", 1)])
            await executor.start(order(folder, "upper", number=2))
            await asyncio.sleep(0.3)
    assert states(url) == [(1, "finished", 1), (2, "queued", 0)]


async def test_a_bell_that_nobody_heard_only_delays_an_attempt(url: str, folder: Path) -> None:
    with psycopg.connect(Database(url).conninfo, autocommit=True) as connection, pool(url) as executor:
        async with working(url, folder):
            await result(executor, await executor.start(order(folder, "upper")))
            connection.execute("DROP TRIGGER aurora_ring ON aurora_attempts")
            end = await result(executor, await executor.start(order(folder, "upper", number=2)))
    assert end.stdout == "HELLO\n"


async def test_a_bell_begins_an_attempt_before_the_next_look(url: str, folder: Path) -> None:
    lines: list[str] = []
    worker = worker_at(url, folder, WorkerPlace.locked(folder / "worker-1"), lines, look_every_s=600.0)
    serving = asyncio.create_task(worker.run())
    with pool(url) as executor:
        await until(lambda: lines)
        assert (await result(executor, await executor.start(order(folder, "upper")))).stdout == "HELLO\n"
    worker.drain()
    await asyncio.wait_for(serving, 30)


async def test_a_worker_that_the_database_refuses_says_so(url: str, folder: Path) -> None:
    running = asyncio.create_task(worker_at(url, folder, WorkerPlace.locked(folder / "worker-1"), []).run())
    with pool(url) as executor:
        await result(executor, await executor.start(order(folder, "upper")))
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE aurora_workers")
    with pytest.raises(QueueUnusableError, match="aurora_workers"):
        await asyncio.wait_for(running, 30)


def test_a_worker_has_one_process(tmp_path: Path) -> None:
    WorkerPlace.locked(tmp_path / "w")
    with pytest.raises(WorkerRunsError, match="another name"):
        WorkerPlace.locked(tmp_path / "w")


@pytest.mark.parametrize(
    ("url", "mode"),
    [
        ("postgresql://u@db.example/q", "verify-full"),
        ("postgresql://u@db.example/q?sslmode=require", "require"),
        ("postgresql://u@127.0.0.1,db.example/q", "verify-full"),
        ("postgresql://u@127.0.0.1/q", None),
        ("postgresql:///q?host=/run/postgresql", None),
    ],
)
def test_tls_is_verified_unless_the_database_is_here(url: str, mode: str | None) -> None:
    assert psycopg.conninfo.conninfo_to_dict(secured(url)).get("sslmode") == mode


def test_a_result_that_would_grow_without_end_is_not_unpacked() -> None:
    bomb = zlib.compress(bytes(RESULT_LIMIT_BYTES * 4))
    with pytest.raises(DocumentError, match="larger than"):
        Result.unpack(bomb)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", r"takes: Invalid JSON"),
        ("{}", r"takes: run_id is required$"),
        ('{"run_id": 1}', r"takes: run_id must be text$"),
    ],
)
def test_an_order_that_cannot_be_read_names_the_field_in_plain_words(text: str, problem: str) -> None:
    with pytest.raises(DocumentError, match=problem):
        OrderDocument.parse(text)


def test_a_worker_has_its_state_in_json() -> None:
    worker = StoredWorker(
        id="1", name="w", pool="big", concurrency=1, agents=("a",), labels=(), draining=True, seen_s=0.5, running=0
    )
    assert worker.to_json()["state"] == "draining"


@given(st.binary(max_size=300))
def test_any_bytes_are_a_result_or_a_typed_error(content: bytes) -> None:
    for packed in (content, zlib.compress(content)):
        with contextlib.suppress(DocumentError):
            Result.unpack(packed)


async def test_labels_and_pools_of_tasks_and_agents_choose_the_workers(url: str, folder: Path) -> None:
    """Each worker serves what its labels cover; what nobody covers waits, and is told once."""
    plain, gpu, other, told = list[str](), list[str](), list[str](), list[str]()
    made = []
    for lines, name, its_pool, labels in (
        (plain, "plain", "p", ()),
        (gpu, "gpu", "p", ("linux", "gpu")),
        (other, "other", "small", ()),
    ):
        place = WorkerPlace.locked(folder / name)
        made.append(worker_at(url, folder, place, lines, pool=its_pool, labels=labels))
    running = [asyncio.create_task(each.run()) for each in (made[0], made[2])]
    orders = {
        1: replace(order(folder, "upper", number=1), labels=("gpu",)),
        2: replace(order(folder, "upper", number=2), pool="small"),
        3: replace(order(folder, "upper", number=3), labels=("gpu", "linux")),
        4: order(folder, "upper", number=4),
    }
    with pool(url) as executor:
        executor.tell = told.append
        started = {number: await executor.start(each) for number, each in orders.items()}
        collecting = {number: asyncio.create_task(executor.collect(each)) for number, each in started.items()}
        await until(lambda: told)
        assert [states(url)[at][1] for at in (0, 2)] == ["queued", "queued"], "no worker with these labels is there"
        running.append(asyncio.create_task(made[1].run()))
        ends = await asyncio.wait_for(asyncio.gather(*collecting.values()), 30)
    for each in made:
        each.drain()
    await asyncio.wait_for(asyncio.gather(*running), 30)
    assert {end.stdout for end in ends} == {"HELLO\n"}
    assert "no worker of pool p has the labels gpu" in told[0]
    assert len(told) <= 2, told
    taken = [
        {number for number in orders if any(orders[number].token in line for line in said)} for said in (gpu, other)
    ]
    assert taken[0] >= {1, 3}
    assert taken[1] == {2}


async def test_tables_of_another_version_are_refused(url: str) -> None:
    database = Database(url)
    await database.make_tables()
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE aurora_schema SET version = 99")
    with pytest.raises(QueueUnusableError, match="update the older side"):
        await database.make_tables()
    database.close()
