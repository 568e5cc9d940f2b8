"""Measure the recovery of aurora_spawner and write results.md beside this file.

    python benchmarks/recovery/run.py              about three minutes

Every part runs in a process of its own and can be run alone; it then prints JSON.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def measure(program: str, *arguments: object) -> Any:
    command = [sys.executable, str(HERE / program), *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def fleet() -> str:
    names = {
        "gate": "the provider gate",
        "default": "per task, 2 retries",
        "patient": "per task, 3 retries, long waits",
        "aggressive_retry": "per task, 5 retries",
    }
    rows = [
        [names[row["name"]], f"{row['finished']} of 50", f"{row['seconds']:.1f}", str(row["burned"]),
         f"{row['calls']}", f"{row['refused']}"]
        for row in measure("fleet.py")
    ]  # fmt: skip
    return table(["retries by", "finished", "seconds", "attempts burned", "calls", "of them refused"], rows)


def storm() -> str:
    rows = []
    for row in measure("storm.py"):
        computed, found = row["computed"], row["measured"]
        pairs = [
            f"{found[key]:.{digits}f} / {f'{computed[key]:.{digits}f}' if computed else '-'}"
            for key, digits in (("success", 3), ("attempts", 2), ("waited_s", 2))
        ]
        rows.append([row["name"], *pairs, f"{found['wall_s']:.1f}"])
    head = ["policy", "success: measured / computed", "attempts a task", "waited a task, s", "whole run, s"]
    return table(head, rows)


def stalls() -> str:
    found = measure("stalls.py")
    rows = []
    for kind in dict.fromkeys(agent["kind"] for agent in found["agents"]):
        agents = [agent for agent in found["agents"] if agent["kind"] == kind]
        ended = sum(agent["ended"] == "stalled" for agent in agents)
        late = [agent["late_s"] for agent in agents if agent["late_s"] is not None]
        reasons = ", ".join(sorted({str(agent["reason"]) for agent in agents if agent["reason"]})) or "-"
        hangs = "hangs" if agents[0]["hangs"] else "works"
        rows.append([kind, hangs, str(len(agents)), str(ended), f"{max(late):+.2f}" if late else "-", reasons])
    head = ["agent", "", "how many", "ended as stalled", f"beyond {found['threshold_s']:.0f} s, at most", "told as"]
    return table(head, rows)


def overhead() -> str:
    found = measure("overhead.py")
    wall = [(with_[0] - without[0]) / found["tasks"] * 1000 for without, with_ in found["rounds"]]
    busy = [(with_[1] - without[1]) / found["tasks"] * 1000 for without, with_ in found["rounds"]]
    rows = [
        [what, f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})", limit]
        for what, values, limit in (
            ("wall time more, ms a task", wall, "≤ 3"),
            ("the coordinator's processor time more, ms a task", busy, ""),
        )
    ]
    return table(["", "measured", "target"], rows)


def machine() -> str:
    load = f"load before the start {os.getloadavg()[0]:.1f}"
    if os.getloadavg()[0] > (os.cpu_count() or 1):
        load += " (other work shared the machine)"
    system = f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {system}, {load}, {datetime.now(UTC):%Y-%m-%d}"


def main() -> None:
    written_on = machine()
    report = f"""# Recovery, measured

Written by `python benchmarks/recovery/run.py` on {written_on}.

## A fleet under a rate limit

50 tasks, 10 at once, against a provider that answers 429 for 5 s and then lets 2 a second through. Its own limit is
30 s; the target is 50 of 50 within 39 s and no attempt burned.

{fleet()}

## A storm of failures

200 tasks of an agent that fails half the time: a quarter of the failures for good, the others transient, timeouts or
lack of resources. The fallback always answers. Computed: attempts and waits follow from the policy as a geometric
series (see storm.py); breakers are off but in the last line, which has no closed form.

{storm()}

## Stalls

40 agents at once: 10 hang, 10 are silent but busy for 15 s, 20 talk. The threshold is 6 s, the target: every hung one
is found within 2 s more, no other one is ended.

{stalls()}

## What it costs where nothing fails

200 tasks of 0.1 s, 20 at once: everything of recovery switched on, against none of it, in turns. Medians of 7.

{overhead()}
"""
    (HERE / "results.md").write_text(report, encoding="utf-8")
    print(report)


if __name__ == "__main__":
    main()
