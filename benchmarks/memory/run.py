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

import numpy as np
import psutil

from aurora_core import Memory
from aurora_core.indexing.walk import FoundFile, walk

SIZES = (1_000, 10_000, 100_000, 140_000)
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
class Row:
    """What was measured at one size; times in seconds unless named otherwise."""

    chunks: int
    files: int
    text_mb: float
    cold_s: float
    unchanged_s: float
    update_ms: float
    index_five_ms: float
    p50_ms: float
    p95_ms: float
    first_ms: float
    shell_s: float
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
            print(rows[-1], flush=True)
    arguments.out.write_text(report(rows), encoding="utf-8")


def measured(sources: Path, found: list[FoundFile], size: int, root: Path) -> Row:
    text = lay_out(sources, found, size, root)
    cold, peak = cold_index(root)
    with Memory.open(root) as memory:
        stats = memory.stats()
        unchanged = statistics.median(timed(memory.index) for _ in range(AROUND))
        five = [root / path for path in changed_files(root)]
        update = statistics.median(edited(five, lambda: memory.update(five)) for _ in range(AROUND))
        index_five = statistics.median(edited(five, memory.index) for _ in range(AROUND))
        memory.search(QUERIES[0], record=False)
        times = [timed(lambda q=query: memory.search(q, record=False)) for query in QUERIES for _ in range(AROUND)]
    return Row(
        chunks=stats.chunks,
        files=stats.files,
        text_mb=text / 1e6,
        cold_s=cold,
        unchanged_s=unchanged,
        update_ms=update * 1e3,
        index_five_ms=index_five * 1e3,
        p50_ms=float(np.percentile(times, 50)) * 1e3,
        p95_ms=float(np.percentile(times, 95)) * 1e3,
        first_ms=statistics.median(first_query(root) for _ in range(AROUND)) * 1e3,
        shell_s=statistics.median(shell_search(root) for _ in range(AROUND)),
        database_mb=stats.database_bytes / 1e6,
        peak_mb=peak,
    )


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


def shell_search(root: Path) -> float:
    aur = Path(sys.executable).with_name("aur")
    command = [str(aur), "mem", "search", QUERIES[0]]
    return timed(lambda: subprocess.run(command, cwd=root, check=True, capture_output=True))


def changed_files(root: Path) -> list[str]:
    with sqlite3.connect(root / ".aurora" / "memory.db") as connection:
        rows = connection.execute(
            "SELECT path FROM files WHERE path LIKE '%.py' AND size BETWEEN 2000 AND 40000 ORDER BY path"
        ).fetchall()
    return [path for (path,) in random.Random(3).sample(rows, 5)]


def edited(files: list[Path], refresh: object) -> float:
    for file in files:
        file.write_text(file.read_text(encoding="utf-8") + f"\nEDITED_{time.time_ns()} = 1\n", encoding="utf-8")
    time.sleep(0.1)  # a write within the clock's last tick is read twice
    assert callable(refresh)
    return timed(refresh)


def timed(work: object) -> float:
    assert callable(work)
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def report(rows: list[Row]) -> str:
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    columns = (
        "chunks", "files", "text, MB", "cold, s", "chunks/s", "unchanged, s", "5 files named, ms",
        "5 files found by a scan, ms", "search p50 / p95, ms", "first in a process, ms", "`aur mem search`, s",
        "database, MB", "of text", "peak, MB",
    )  # fmt: skip
    heading = (
        f"Written by `python benchmarks/memory/run.py SOURCES` on {machine}, {datetime.now(UTC):%Y-%m-%d}, "
        f"load {load} at the end, SQLite {sqlite3.sqlite_version}. Medians of {AROUND}; searches over {len(QUERIES)} "
        "queries. The peak is that of the indexer and its workers together.\n"
    )
    lines = ["# The memory, measured\n", heading, f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    lines += [
        f"| {r.chunks:,} | {r.files:,} | {r.text_mb:.0f} | {r.cold_s:.1f} | {r.chunks / r.cold_s:,.0f} "
        f"| {r.unchanged_s:.2f} | {r.update_ms:.0f} | {r.index_five_ms:.0f} | {r.p50_ms:.1f} / {r.p95_ms:.1f} "
        f"| {r.first_ms:.0f} | {r.shell_s:.2f} | {r.database_mb:.0f} | {r.database_mb / r.text_mb:.2f} "
        f"| {r.peak_mb:.0f} |"
        for r in rows
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
