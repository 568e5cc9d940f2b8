"""Measure followers of a run with 100,000 events: aiosqlite beside a thread; writes follow.md beside this file.

    python benchmarks/spawner/follow.py           about two minutes

Both read the same statements in batches of the same size and decode the same rows. The thread opens one `sqlite3`
connection and is called with `asyncio.to_thread`, once a read; it decodes the rows itself. Medians of REPEATS, with
the range; the two run in turn, so that a disturbance hits both alike.
"""

import asyncio
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import aiosqlite

from aurora_spawner import Run, RunOptions, SpawnTask
from aurora_spawner.attempts.process_identity import own_identity
from aurora_spawner.journal.async_reader import EVENTS_AT_ONCE, AsyncJournal
from aurora_spawner.journal.entries import entry_of
from aurora_spawner.journal.facts import AttemptStalled
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import count_tasks, load_attempts, load_events, load_run
from aurora_spawner.testing import SimulatedBackend

HERE = Path(__file__).resolve().parent
EVENTS = 100_000
POLLS = 1_000
REPEATS = 7

Measurement = Callable[[Path, str], Awaitable[int]]


def filled(folder: Path) -> tuple[Path, str]:
    """A journal with one run of EVENTS events."""
    made = Run.create(
        folder / "runs.db",
        [SpawnTask("go") for _ in range(100)],
        {"a": SimulatedBackend("a")},
        RunOptions(default_agent="a", cwd=folder, spool=folder / "runs"),
    )
    stalled = AttemptStalled(number=1, reason="waiting for the model 130 s", ended=False)
    with Journal(made.journal) as store, store.hold(made.run_id, holder=own_identity()) as lease:
        missing = EVENTS - len(load_events(store, made.run_id))
        for first in range(0, missing, 1_000):
            many = min(1_000, missing - first)
            tasks = (str(1 + (first + each) % 100) for each in range(many))
            store.append([entry_of(stalled, run_id=made.run_id, task_id=task) for task in tasks], lease=lease)
    return made.journal, made.run_id


async def events_by_aiosqlite(path: Path, run_id: str) -> int:
    seen, count = 0, 0
    async with AsyncJournal(path) as journal:
        while events := await journal.events(run_id, after=seen):
            seen, count = events[-1].seq, count + len(events)
    return count


async def events_by_thread(path: Path, run_id: str) -> int:
    seen, count = 0, 0
    with await asyncio.to_thread(Journal, path) as journal:
        while events := await asyncio.to_thread(load_events, journal, run_id, after=seen, limit=EVENTS_AT_ONCE):
            seen, count = events[-1].seq, count + len(events)
    return count


async def polls_by_aiosqlite(path: Path, run_id: str) -> int:
    async with AsyncJournal(path) as journal:
        last = EVENTS + 1_000
        for _ in range(POLLS):
            assert not await journal.events(run_id, after=last)
    return POLLS


async def polls_by_thread(path: Path, run_id: str) -> int:
    with await asyncio.to_thread(Journal, path) as journal:
        last = EVENTS + 1_000
        for _ in range(POLLS):
            assert not await asyncio.to_thread(load_events, journal, run_id, after=last, limit=EVENTS_AT_ONCE)
    return POLLS


async def statuses_by_aiosqlite(path: Path, run_id: str) -> int:
    async with AsyncJournal(path) as journal:
        for _ in range(POLLS):
            await journal.run(run_id)
            await journal.count_tasks(run_id)
            await journal.attempts(run_id, open_only=True)
    return POLLS


async def statuses_by_thread(path: Path, run_id: str) -> int:
    def read() -> None:
        load_run(journal, run_id)
        count_tasks(journal, run_id)
        load_attempts(journal, run_id, open_only=True)

    with await asyncio.to_thread(Journal, path) as journal:
        for _ in range(POLLS):
            await asyncio.to_thread(read)
    return POLLS


async def measured(work: Measurement, path: Path, run_id: str) -> tuple[float, float, float]:
    """Wall time and processor time in seconds, and the longest time that the event loop did not turn, in ms."""
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            begin = time.perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - begin)
            await asyncio.sleep(0.001)

    ticker = asyncio.create_task(tick())
    begin, cpu = time.perf_counter(), time.process_time()
    assert await work(path, run_id) > 0
    taken = time.perf_counter() - begin, time.process_time() - cpu
    ticker.cancel()
    with suppress(asyncio.CancelledError):
        await ticker
    return *taken, longest * 1e3


def spread(values: list[float], digits: int) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def rows(path: Path, run_id: str) -> list[str]:
    lines = []
    pairs: list[tuple[str, Measurement, Measurement]] = [
        (f"catch up with {EVENTS:,} events", events_by_aiosqlite, events_by_thread),
        (f"{POLLS:,} polls without news", polls_by_aiosqlite, polls_by_thread),
        (f"{POLLS:,} reads of a run's status", statuses_by_aiosqlite, statuses_by_thread),
    ]
    for what, *both in pairs:
        found: dict[str, list[tuple[float, float, float]]] = {"aiosqlite": [], "thread": []}
        for _ in range(REPEATS):
            for name, work in zip(found, both, strict=True):
                found[name].append(asyncio.run(measured(work, path, run_id)))
        for name, taken in found.items():
            wall, cpu, lag = (list(column) for column in zip(*taken, strict=True))
            lines.append(f"| {what} | {name} | {spread(wall, 3)} | {spread(cpu, 3)} | {spread(lag, 1)} |")
            print(lines[-1], file=sys.stderr, flush=True)
    return lines


def machine() -> str:
    versions = (
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, aiosqlite {aiosqlite.__version__}"
    )
    load = f"aiosqlite {aiosqlite.__version__}, load before the start {os.getloadavg()[0]:.1f}"
    return f"{os.cpu_count()} cores, {platform.system()} {platform.release().split('-')[0]}, {versions}, {load}"


def main() -> None:
    written_on = machine()
    with tempfile.TemporaryDirectory() as folder:
        path, run_id = filled(Path(folder))
        table = "\n".join(rows(path, run_id))
    report = f"""# Following a run from another process, measured

Written by `python benchmarks/spawner/follow.py` on {datetime.now(UTC):%Y-%m-%d}: {written_on}.
A run with {EVENTS:,} events, {EVENTS_AT_ONCE} a read. Medians of {REPEATS}, with the range.

| | reads by | wall time, s | processor time, s | longest stop of the event loop, ms |
|---|---|---|---|---|
{table}
"""
    (HERE / "follow.md").write_text(report, encoding="utf-8")
    print(report)


if __name__ == "__main__":
    main()
