"""Speed, size and growth of the memory.

    python benchmarks/memory/run.py SOURCES [--million]

SOURCES is a folder of source trees, unpacked side by side. Each size is a project of its own: whole files of SOURCES
in a fixed random order until there are enough chunks, and, beyond what SOURCES has, copies of its files under other
names with other identifiers. Writes results.md beside this file.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
from issues import issue_queries

from aurora_core import Memory
from aurora_core.indexing.walk import FoundFile, walk

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZES = (1_000, 10_000, 140_000)
MILLION = 1_000_000
QUERIES = (
    "how does the scheduler decide what runs next",
    "TypeError when a None value is passed to the template filter\nTraceback (most recent call last): render context",
    "compute the shortest path between two nodes of a weighted graph",
    "Fix crash in QuerySet.union with ordering",
    "parse a date string with a timezone",
    "retry a failed task with exponential backoff",
    "symbolic integration of rational functions",
    "read csv with missing values",
    "session.commit raises after rollback",
    "random forest feature importances",
)
AROUND = 5


@dataclass(frozen=True)
class Cost:
    """Seconds on the wall, and of processor time, child processes included."""

    wall: float
    busy: float


@dataclass(frozen=True)
class Row:
    """What was measured at one size; times in seconds unless named otherwise."""

    chunks: int
    files: int
    text_mb: float
    cold_s: float
    unchanged_s: float
    update: Cost
    index_five: Cost
    searches: list[Cost]
    issues: list[Cost]
    first_ms: float
    shell: Cost
    database_mb: float
    peak_mb: float


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed, size and growth of the memory.")
    parser.add_argument("sources", type=Path)
    parser.add_argument("--million", action="store_true", help="also a million chunks; takes many minutes")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.md"))
    arguments = parser.parse_args()
    found = [entry for entry in walk(arguments.sources.resolve()) if isinstance(entry, FoundFile)]
    random.Random(7).shuffle(found)
    rows = []
    for size in (*SIZES, *((MILLION,) if arguments.million else ())):
        with tempfile.TemporaryDirectory(prefix="aurora-memory-") as folder:
            rows.append(measured(arguments.sources.resolve(), found, size, Path(folder)))
            print(table(rows[-1:]), flush=True)
    arguments.out.write_text(report(rows), encoding="utf-8")


def measured(sources: Path, found: list[FoundFile], size: int, root: Path) -> Row:
    text = lay_out(sources, found, size, root)
    cold, peak = cold_index(root)
    with Memory.open(root) as memory:
        stats = memory.stats()
        unchanged = median([timed(memory.index) for _ in range(AROUND)]).wall
        five = [root / path for path in changed_files(root)]
        update = median([edited(five, lambda: memory.update(five)) for _ in range(AROUND)])
        index_five = median([edited(five, memory.index) for _ in range(AROUND)])
        memory.search(QUERIES[0], record=False)
        searches, issues = asked(memory, QUERIES), asked(memory, issue_queries(root))
    return Row(
        chunks=stats.chunks,
        files=stats.files,
        text_mb=text / 1e6,
        cold_s=cold,
        unchanged_s=unchanged,
        update=update,
        index_five=index_five,
        searches=searches,
        issues=issues,
        first_ms=statistics.median(first_query(root) for _ in range(AROUND)) * 1e3,
        shell=median([shell_search(root) for _ in range(AROUND)]),
        database_mb=stats.database_bytes / 1e6,
        peak_mb=peak,
    )


def asked(memory: Memory, queries: Sequence[str]) -> list[Cost]:
    return [timed(lambda q=query: memory.search(q, record=False)) for query in queries for _ in range(AROUND)]


def lay_out(sources: Path, found: list[FoundFile], size: int, root: Path) -> int:
    """Copy files until there are about so many chunks; returns the bytes of text."""
    # What the sources have on average; the row says how many chunks it really came to.
    wanted, text, copy = size * 625, 0, 0
    while text < wanted:
        for file in found:
            target = root / (file.path if copy == 0 else f"copy{copy}/{file.path}")
            target.parent.mkdir(parents=True, exist_ok=True)
            content = (sources / file.path).read_bytes()
            if copy:
                content = content.replace(b"self", b"self%d" % copy).replace(b"data", b"data%d" % copy)
            target.write_bytes(content)
            text += len(content)
            if text >= wanted:
                return text
        copy += 1
    return text


_COLD = """
import sys, time
from aurora_core import Memory
started = time.perf_counter()
with Memory.open(sys.argv[1]) as memory:
    memory.index()
print(time.perf_counter() - started)
"""
_FIRST = """
import sys, time
from aurora_core import Memory
started = time.perf_counter()
memory = Memory.open(sys.argv[1])
memory.search(sys.argv[2], record=False)
print(time.perf_counter() - started)
"""


def cold_index(root: Path) -> tuple[float, float]:
    """Seconds, and the peak memory in MB of the indexer and its workers together, shared pages counted once."""
    shutil.rmtree(root / ".aurora", ignore_errors=True)
    peak = 0
    with subprocess.Popen([sys.executable, "-c", _COLD, str(root)], stdout=subprocess.PIPE, text=True) as process:
        indexer = psutil.Process(process.pid)
        while process.poll() is None:
            with suppress(psutil.Error):
                peak = max(peak, sum(each.memory_full_info().pss for each in (indexer, *indexer.children())))
            time.sleep(0.05)
        assert process.stdout is not None
        seconds = float(process.stdout.read())
    return seconds, peak / 1e6


def first_query(root: Path) -> float:
    return float(python(_FIRST, str(root), QUERIES[0]))


def python(script: str, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], check=True, capture_output=True, text=True
    ).stdout


def shell_search(root: Path) -> Cost:
    aur = Path(sys.executable).with_name("aur")
    command = [str(aur), "mem", "search", QUERIES[0]]
    return timed(lambda: subprocess.run(command, cwd=root, check=True, capture_output=True))


def changed_files(root: Path) -> list[str]:
    with sqlite3.connect(root / ".aurora" / "memory.db") as connection:
        rows = connection.execute(
            "SELECT path FROM files WHERE path LIKE '%.py' AND size BETWEEN 2000 AND 40000 ORDER BY path"
        ).fetchall()
    return [path for (path,) in random.Random(3).sample(rows, 5)]


def edited(files: list[Path], refresh: object) -> Cost:
    for file in files:
        file.write_text(file.read_text(encoding="utf-8") + f"\nEDITED_{time.time_ns()} = 1\n", encoding="utf-8")
    time.sleep(0.1)  # a write within the clock's last tick is read twice
    assert callable(refresh)
    return timed(refresh)


def timed(work: object) -> Cost:
    assert callable(work)
    busy, started = processor_time(), time.perf_counter()
    work()
    return Cost(time.perf_counter() - started, processor_time() - busy)


def processor_time() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def median(costs: Sequence[Cost]) -> Cost:
    return Cost(statistics.median(c.wall for c in costs), statistics.median(c.busy for c in costs))


def spread(costs: Sequence[Cost]) -> str:
    """Median and 95th percentile in milliseconds, those of the processor time in brackets."""
    wall, busy = (np.percentile([getattr(c, name) * 1e3 for c in costs], [50, 95]) for name in ("wall", "busy"))
    return f"{wall[0]:.1f} / {wall[1]:.1f} ({busy[0]:.1f} / {busy[1]:.1f})"


def milliseconds(cost: Cost) -> str:
    return f"{cost.wall * 1e3:.0f} ({cost.busy * 1e3:.0f})"


def report(rows: list[Row]) -> str:
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    columns = (
        "chunks", "files", "text, MB", "cold, s", "chunks/s", "unchanged, s", "5 files named, ms",
        "5 files found by a scan, ms", "search p50 / p95, ms", "issue p50 / p95, ms", "first in a process, ms",
        "`aur mem search`, s", "database, MB", "of text", "peak, MB",
    )  # fmt: skip
    heading = (
        f"Written by `python benchmarks/memory/run.py SOURCES` on {machine}, {datetime.now(UTC):%Y-%m-%d}, "
        f"load {load} at the end, SQLite {sqlite3.sqlite_version}. Medians of {AROUND}; searches over {len(QUERIES)} "
        "queries, and over as many issues of 400 words with a traceback through the project's own functions. In "
        "brackets: processor time, which a busy machine lengthens less. The peak is that of the indexer and its "
        "workers together.\n"
    )
    lines = ["# The memory, measured\n", heading, f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return "\n".join([*lines, table(rows)]) + "\n"


def table(rows: Sequence[Row]) -> str:
    return "\n".join(
        f"| {r.chunks:,} | {r.files:,} | {r.text_mb:.0f} | {r.cold_s:.1f} | {r.chunks / r.cold_s:,.0f} "
        f"| {r.unchanged_s:.2f} | {milliseconds(r.update)} | {milliseconds(r.index_five)} | {spread(r.searches)} "
        f"| {spread(r.issues)} | {r.first_ms:.0f} | {r.shell.wall:.2f} ({r.shell.busy:.2f}) "
        f"| {r.database_mb:.0f} | {r.database_mb / r.text_mb:.2f} | {r.peak_mb:.0f} |"
        for r in rows
    )


if __name__ == "__main__":
    main()
