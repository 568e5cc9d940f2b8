"""Runs on three workers in storms: what can die or be cut off is, at random. Real processes, PostgreSQL, git.

    python benchmarks/recovery/pool.py --seeds 30 --tasks 60 --events 40

What happens to a run, and what must be true when it is over, is in tests/faults/pool_storm.py. Prints a line for each
seed; the exit status is 1 if something was not true in one of them, whose logs then follow.
"""

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.faults.pool_storm import storm_of, weather
from tests.postgres import PostgresServer


def try_seed(seed: int, *, tasks: int, events: int) -> bool:
    server, began = PostgresServer.create(), time.monotonic()
    try:
        with storm_of(seed, tasks, server) as storm:
            try:
                found, holds = weather(storm, events), True
            except AssertionError as error:
                found, holds = {"fault": str(error), "happened": storm.done, "said": storm.said()}, False
    finally:
        server.remove()
    said = found.pop("said", "")
    print(json.dumps({"seed": seed, "seconds": round(time.monotonic() - began, 1), **found}), flush=True)
    if said:
        print(said, file=sys.stderr, flush=True)
    return holds


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--seeds", type=int, default=30)
    options.add_argument("--first", type=int, default=1)
    options.add_argument("--tasks", type=int, default=60)
    options.add_argument("--events", type=int, default=40)
    given = options.parse_args()
    numbers = range(given.first, given.first + given.seeds)
    held = [try_seed(seed, tasks=given.tasks, events=given.events) for seed in numbers]
    return 0 if all(held) else 1


if __name__ == "__main__":
    raise SystemExit(main())
