"""Start-up of `aur`: each command beside `python -c pass`, turn by turn in one run, so that the load is the same.

    python3 dev.py run python benchmarks/startup/run.py --write

A time is the processor time of the command and all its children; without other work the clock says hardly more.
The least of all turns counts: whatever else runs can only add. The targets are for the clock of a free machine. The
last line is of the live view while a run of 200 tasks works; benchmarks/watch has more of it.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.watch.run import CASES, watched

HERE = Path(__file__).parent
AUR = Path(sys.executable).with_name("aur")
SOURCE = HERE.parents[1] / "packages" / "core" / "src"
QUESTION = "Where is the activation of a chunk computed, and which settings change it?"
COMMANDS: dict[str, tuple[tuple[str, ...], float | None]] = {
    "python -c pass": ((sys.executable, "-c", "pass"), None),
    "aur --help": ((str(AUR), "--help"), 0.08),
    "aur status": ((str(AUR), "status"), 0.25),
    "aur mem search": ((str(AUR), "mem", "search", "activation decay"), 0.35),
    "aur soar, a compound question": ((str(AUR), "soar", QUESTION, "--no-index"), 1.0),
}


@dataclass
class Least:
    """The least times of one command, in seconds."""

    processor: float = float("inf")
    clock: float = float("inf")


def main() -> None:
    """Measures, prints the table and writes it if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        project = Path(name) / "project"
        subprocess.run(["cp", "-r", str(SOURCE), str(project)], check=True)
        (project / ".aurora").mkdir()
        subprocess.run([AUR, "mem", "index"], cwd=project, check=True, capture_output=True)
        least = measured(project, given.turns)
        os.environ.update(HOME=name, AURORA_TRUST="1")  # agents of the view's run are the benchmark's own
        share = watched(CASES[0], Path(name) / "watched").share
    table = shown(least, given.turns, share)
    sys.stdout.write(table)
    if given.write:
        (HERE / "results.md").write_text(table, encoding="utf-8")


def measured(project: Path, turns: int) -> dict[str, Least]:
    """Returns the least times of all turns."""
    least = {name: Least() for name in COMMANDS}
    environ = {**os.environ, "AURORA_TOOL": "local"}
    for _ in range(turns):
        for name, (command, _target) in COMMANDS.items():
            before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run(command, cwd=project, env=environ, capture_output=True, check=False)
            clock = time.perf_counter() - start
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            least[name].processor = min(least[name].processor, processor)
            least[name].clock = min(least[name].clock, clock)
    return least


def shown(least: dict[str, Least], turns: int, share: float) -> str:
    """Returns the page with the table; `share` is that of a core which the live view takes, in percent."""
    base = least["python -c pass"].processor
    lines = [
        "# Start-up",
        "",
        f"Measured {datetime.now(UTC):%Y-%m-%d} by `benchmarks/startup/run.py`, the least of {turns} turns.",
        f"CPython {platform.python_version()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}.",
        "",
        "| command | processor time | times `python -c pass` | clock | target |",
        "|---|---|---|---|---|",
    ]
    for name, each in least.items():
        target = COMMANDS[name][1]
        lines.append(
            f"| `{name}` | {each.processor:.3f} s | {each.processor / base:.1f} | {each.clock:.3f} s "
            f"| {f'{target:.2f} s' if target else ''} |"
        )
    lines.append(f"| `aur status --watch`, 200 tasks | {share:.1f} % of a core |  |  | 5 % of a core |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
