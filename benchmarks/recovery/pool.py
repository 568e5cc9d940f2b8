"""Runs on three workers in storms: what can die or be cut off is, at random. Real processes, PostgreSQL, git.

    python benchmarks/recovery/pool.py --seeds 30 --tasks 60 --events 40 --at-once 2 --write

What happens to a run, and what must be true when it is over, is in tests/faults/pool_storm.py. Prints a line for
each seed; the exit status is 1 if something was not true in one of them, whose logs then follow. Seeds mostly wait,
so some can run at once, each with a server, workers and a project of its own. `--minutes` starts no further seed
after that time; `--slower N` makes the times of leases N times as long, for a busy machine; `--write` writes pool.md
from the seeds that were run.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.faults.pool_storm import storm_of, weather
from tests.postgres import PostgresServer

RESULTS = Path(__file__).with_name("pool.md")


def try_seed(seed: int, *, tasks: int, events: int, slower: float) -> bool:
    server, began = PostgresServer.create(), time.monotonic()
    try:
        with storm_of(seed, tasks, server, slower=slower) as storm:
            try:
                found, holds = weather(storm, events), True
            except AssertionError as error:
                found, holds = {"fault": str(error), "happened": dict(storm.done), "said": storm.said()}, False
    finally:
        server.remove()
    said = found.pop("said", "")
    print(json.dumps({"seed": seed, "seconds": round(time.monotonic() - began, 1), **found}), flush=True)
    if said:
        print(said, file=sys.stderr, flush=True)
    return holds


def try_all(
    seeds: range, *, tasks: int, events: int, slower: float, at_once: int, until: float
) -> Iterator[dict[str, Any]]:
    """Tries seeds, each in a process of its own; yields what was found, in their order."""

    def alone(seed: int) -> str:
        if time.monotonic() > until:
            return ""
        sizes = ["--tasks", str(tasks), "--events", str(events), "--slower", str(slower)]
        words = ["--first", str(seed), "--seeds", "1", *sizes]
        return subprocess.run(
            [sys.executable, __file__, *words], check=False, stdout=subprocess.PIPE, text=True
        ).stdout

    with ThreadPoolExecutor(at_once) as threads:
        for line in threads.map(alone, seeds):
            if line:
                print(line, end="", flush=True)
                yield json.loads(line)


def table(found: list[dict[str, Any]], *, tasks: int, events: int, slower: float, at_once: int, load: float) -> str:
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    happened, states, work = Counter[str](), Counter[str](), Counter[str]()
    for each in found:
        happened.update(each["happened"])
        states.update(each.get("tasks", {}))
        work.update(each.get("work", {}))
    seconds = sorted(each["seconds"] for each in found)
    lines = [
        "# Storms over a pool, measured",
        "",
        f"Written by `python benchmarks/recovery/pool.py` on {machine}, load before the start {load:.1f}, {today}.",
        "",
        f"Seeds that were run: {len(found)}, {at_once} at once. Each has {tasks} tasks on three workers, and up to",
        f"{events} things happen to it. It took {seconds[len(seconds) // 2]:.0f} s in the middle,",
        f"{seconds[-1]:.0f} s at most.",
        f"The times of leases are {slower:g} times those of the tests. What must be true when a run is over is in",
        "`tests/faults/pool_storm.py`.",
        "",
        "| seed | holds | tasks | work | attempts | seconds |",
        "| --- | --- | --- | --- | --- | --- |",
        *(_row(each) for each in found),
        "",
        f"Tasks: {_named(states)}. Work: {_named(work)}. What happened: {_named(happened)}.",
    ]
    return "\n".join(lines) + "\n"


def _row(each: dict[str, Any]) -> str:
    holds = "no: " + each["fault"].splitlines()[0] if "fault" in each else "yes"
    tasks, work = (_named(each.get(name, {})) or "-" for name in ("tasks", "work"))
    return f"| {each['seed']} | {holds} | {tasks} | {work} | {each.get('attempts', '-')} | {each['seconds']} |"


def _named(counts: dict[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in sorted(counts.items()))


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--seeds", type=int, default=30)
    options.add_argument("--first", type=int, default=1)
    options.add_argument("--tasks", type=int, default=60)
    options.add_argument("--events", type=int, default=40)
    options.add_argument("--slower", type=float, default=1.0)
    options.add_argument("--at-once", type=int, default=1)
    options.add_argument("--minutes", type=float, default=1e6)
    options.add_argument("--write", action="store_true")
    given = options.parse_args()
    if given.seeds == 1 and not given.write:
        one = try_seed(given.first, tasks=given.tasks, events=given.events, slower=given.slower)
        return 0 if one else 1
    load, seeds = os.getloadavg()[0], range(given.first, given.first + given.seeds)
    sizes = {name: getattr(given, name) for name in ("tasks", "events", "slower", "at_once")}
    found = list(try_all(seeds, **sizes, until=time.monotonic() + 60 * given.minutes))
    if given.write and found:
        RESULTS.write_text(table(found, **sizes, load=load))
    return 1 if any("fault" in each for each in found) else 0


if __name__ == "__main__":
    raise SystemExit(main())
