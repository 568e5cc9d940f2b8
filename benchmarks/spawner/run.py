"""Measure aurora_spawner and write results.md beside this file.

    python benchmarks/spawner/run.py              about four minutes; with --million about ten
    apt install parallel; pip install huey        two of the peers; what is missing is left out

Every figure comes from processes of its own; medians of REPEATS runs with the range beside them. What a run leaves
is removed only after the last one: for minutes after files were removed ext4 passes over their inodes one by one
whenever it makes a new file, so a thousand of them made a later run 40 % slower than an earlier one.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import platform
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPEATS = 5
TASK_S = 0.1
WIDTHS = (10, 1_000)
"""Tasks at once in the simulated graphs: few wait for each other's commits, many keep the processor busy."""
SIZES = [1_000, 10_000, 100_000]
EASY = 100_000
"""Simulated tasks up to which a figure is a median."""
NAMES = {
    "aurora": "aurora-spawner",
    "asyncio": "plain asyncio + subprocess",
    "parallel": "GNU parallel --joblog",
    "huey": "Huey on SQLite, threads",
}


def measure(program: str, *arguments: object) -> str:
    """What a program beside this one prints, run in an empty folder below the working one."""
    folder = tempfile.mkdtemp(dir=".")
    command = [sys.executable, str(HERE / program), *map(str, arguments), folder]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def spread(values: list[float], unit: str = "", digits: int = 2) -> str:
    return f"{statistics.median(values):.{digits}f}{unit} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def available() -> list[str]:
    found = ["aurora", "asyncio"]
    found += ["parallel"] if shutil.which("parallel") else []
    return found + (["huey"] if importlib.util.find_spec("huey") else [])


def walls() -> str:
    peers = available()
    lines = [
        "| tasks of 0.1 s | at once | ideal | limit | " + " | ".join(NAMES[peer] for peer in peers) + " |",
        "|---|---|---|---|" + "---|" * len(peers),
    ]
    for tasks in (50, 200):
        for at_once in (4, 10, 20):
            ideal = -(-tasks // at_once) * TASK_S
            runs: dict[str, list[float]] = {peer: [] for peer in peers}
            for _ in range(REPEATS):
                for peer in peers:  # in turn, so that a disturbance hits all alike
                    runs[peer].append(float(measure("peers.py", peer, tasks, at_once)))
            cells = " | ".join(spread(runs[peer]) for peer in peers)
            lines.append(f"| {tasks} | {at_once} | {ideal:.2f} | {1.3 * ideal + 0.2:.2f} | {cells} |")
    return "\n".join(lines)


def costs() -> str:
    facts = [json.loads(measure("costs.py", "run")) for _ in range(REPEATS)]
    starts = json.loads(measure("costs.py", "supervisor"))
    journal = json.loads(measure("costs.py", "journal"))
    resume = json.loads(measure("costs.py", "resume"))
    rows = [
        ("CPU of a task, all processes but the agent's", "ms", spread([fact["cpu_ms"] for fact in facts]), "≤ 25"),
        ("of it in the coordinator", "ms", spread([fact["own_cpu_ms"] for fact in facts]), ""),
        (
            "coordinator's peak memory, 1,000 tasks",
            "MB",
            spread([fact["rss_mb"] for fact in facts], digits=0),
            "≤ 80",
        ),
        ("supervisor started alone, to its end, agent `true`", "ms", spread(starts["alone_ms"]), "≤ 20"),
        ("supervisor forked by the fork server, the same", "ms", spread(starts["forked_ms"]), ""),
        ("supervisor's own memory (private), alone", "MB", spread(starts["private_mb"], digits=1), "≤ 12"),
        ("durable events, 128 producers", "1/s", f"{journal['events_per_s']:,.0f}", "≥ 2,000"),
        ("one durable event, alone", "ms", spread(journal["single_ms"]), ""),
        ("resume of a run of 10,000 finished tasks", "s", spread(resume["seconds"]), "≤ 1"),
    ]
    lines = ["| | unit | measured | target |", "|---|---|---|---|"]
    return "\n".join(lines + [f"| {what} | {unit} | {value} | {target} |" for what, unit, value, target in rows])


def curve(sizes: list[int]) -> str:
    columns = ("tasks", "at once", "create, s", "execute, s", "tasks/s", "memory a task, bytes")
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for count in sizes:
        repeats = REPEATS if count <= EASY else 1
        for width in WIDTHS:
            facts = [json.loads(measure("costs.py", "curve", count, width)) for _ in range(repeats)]
            cells = [
                f"{count:,}",
                f"{width:,}",
                spread([fact["create_s"] for fact in facts]),
                spread([fact["execute_s"] for fact in facts]),
                spread([count / fact["execute_s"] for fact in facts], digits=0),
                spread([fact["bytes_per_task"] for fact in facts], digits=0),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def machine() -> str:
    versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    load = f"load before the start {os.getloadavg()[0]:.1f}"
    return f"{os.cpu_count()} cores, {platform.system()} {platform.release().split('-')[0]}, {versions}, {load}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--million", action="store_true", help="also the curve's last point")
    options = parser.parse_args()
    written_on = machine()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        report = measured(written_on, [*SIZES, 1_000_000] if options.million else SIZES)
    (HERE / "results.md").write_text(report, encoding="utf-8")
    print(report)


def measured(written_on: str, sizes: list[int]) -> str:
    """The whole report."""
    return f"""# aurora_spawner, measured

Written by `python benchmarks/spawner/run.py` on {written_on}. Medians of {REPEATS}, with the range.

## Wall time of short tasks, in seconds

The ideal is waves of 0.1 s; the limit is 1.3 x ideal + 0.2 s. An agent here is `sh -c "sleep 0.1; echo done"`.
The others do less: none writes ahead, supervises, or ends what an agent leaves behind.

{walls()}

## What a task costs

{costs()}

## Simulated agents, through the durable journal

Each task depends on the tenth, or the thousandth, before it. No process is started; every event is written, chained
and committed (FULL). The time of the execution includes reading the run back from the journal.

{curve(sizes)}
"""


if __name__ == "__main__":
    main()
