"""Measure what `aur status --watch` costs while agents work; writes results.md beside this file.

    python benchmarks/watch/run.py           about five minutes

Each run has real processes as agents, in the background; the view is drawn on a terminal of its own and is read all
the time. Its share of a core is its own processor time, user and system, over SECONDS of wall time after its first
picture. The run does not end meanwhile. The time of a key is that from the press of the arrow key to the last byte of
the picture that comes of it.
"""

from __future__ import annotations

import fcntl
import os
import platform
import pty
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from aurora_spawner.control.checkpoints import list_checkpoints

AUR = Path(sys.executable).with_name("aur")
HERE = Path(__file__).resolve().parent
SECONDS = 30
KEYS = 30
SETTLE_S = 6.0
LIMIT = "≤ 5 %"
CONFIG = """
backends:
  worker:
    kind: command
    command: ["sh", "-c", "for i in $(seq {lines}); do echo step $i of the work; sleep {every}; done"]
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A run that is watched."""

    name: str
    tasks: int
    at_once: int
    lines: int
    every_s: float
    rows: int = 24
    columns: int = 80


CASES = (
    Case(name="200 tasks, 16 at once, each 4 s", tasks=200, at_once=16, lines=20, every_s=0.2),
    Case(name="200 tasks, 16 at once, each 4 s", tasks=200, at_once=16, lines=20, every_s=0.2, rows=50, columns=160),
    Case(name="200 tasks, all at once", tasks=200, at_once=200, lines=600, every_s=1.0),
    Case(name="1,000 tasks, 16 at once, each 4 s", tasks=1_000, at_once=16, lines=20, every_s=0.2),
)


class Screen:
    """The view on a terminal of its own."""

    def __init__(self, project: Path, case: Case) -> None:
        self._ours, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", case.rows, case.columns, 0, 0))
        began = time.perf_counter()
        self.process = subprocess.Popen(
            [AUR, "status", "--watch"],
            stdin=its,
            stdout=its,
            stderr=its,
            cwd=project,
            env={**os.environ, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(its)
        drawn = b""
        while b"tasks of" not in drawn:
            drawn += os.read(self._ours, 1 << 16)
        self.start_s = time.perf_counter() - began

    def read_for(self, seconds: float) -> int:
        """Reads what it draws for some time; returns the number of bytes."""
        until, count = time.monotonic() + seconds, 0
        while (left := until - time.monotonic()) > 0:
            if select.select([self._ours], [], [], left)[0]:
                count += len(os.read(self._ours, 1 << 16))
        return count

    def key_ms(self) -> float:
        """Presses the arrow key; returns the time to the end of the picture."""
        self.read_for(0.2)
        began = last = time.perf_counter()
        os.write(self._ours, b"\x1b[B")
        while select.select([self._ours], [], [], 0.1)[0]:
            os.read(self._ours, 1 << 16)
            last = time.perf_counter()
        return (last - began) * 1e3

    def leave(self) -> None:
        os.write(self._ours, b"q")
        with suppress(OSError):  # the other side is closed
            while os.read(self._ours, 1 << 16):
                pass
        self.process.wait()
        os.close(self._ours)


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What one view has cost."""

    share: float
    """Of a core, in percent."""
    drawn_kb: float
    """Kilobytes a second."""
    keys_ms: list[float]
    start_s: float
    memory_mb: float


def measured(case: Case, folder: Path) -> str:
    seen = watched(case, folder)
    row = (
        f"| {case.name} | {case.columns} by {case.rows} | {seen.share:.1f} % | {LIMIT} | {seen.drawn_kb:.1f} kB "
        f"| {statistics.median(seen.keys_ms):.0f} ({max(seen.keys_ms):.0f}) | {seen.start_s:.1f} s "
        f"| {seen.memory_mb:.0f} MB |"
    )
    print(row, file=sys.stderr, flush=True)
    return row


def watched(case: Case, folder: Path) -> Seen:
    """Watches a run that works for as long, and returns what that has cost."""
    project = folder / f"{case.tasks}-{case.at_once}-{case.rows}"
    (project / ".aurora").mkdir(parents=True)
    (project / ".aurora" / "config.yaml").write_text(CONFIG.format(lines=case.lines, every=case.every_s))
    (project / "tasks.md").write_text(
        "".join(f"- [ ] {i} Do part {i} of the work\n" for i in range(1, case.tasks + 1))
    )
    start = ("spawn", "tasks.md", "--bg", "--yes", "--tool", "worker", "--max-concurrent", str(case.at_once))
    subprocess.run([AUR, *start], cwd=project, check=True, capture_output=True)
    journal = project / ".aurora" / "runs.db"
    run = list_checkpoints(journal)[0].run
    try:
        screen = Screen(project, case)
        seen = psutil.Process(screen.process.pid)
        screen.read_for(SETTLE_S)
        before, began = cpu_s(seen), time.monotonic()
        drawn = screen.read_for(SECONDS)
        share = 100 * (cpu_s(seen) - before) / (time.monotonic() - began)
        assert list_checkpoints(journal)[0].held, "the run ended while it was watched; give it more to do"
        memory = seen.memory_info().rss / 1e6
        keys = [screen.key_ms() for _ in range(KEYS)]
        screen.leave()
    finally:
        subprocess.run([AUR, "cancel", run.run_id, "--at-once"], cwd=project, check=True, capture_output=True)
        while list_checkpoints(journal)[0].held:  # it still writes into the folder
            time.sleep(0.1)
    return Seen(share=share, drawn_kb=drawn / SECONDS / 1e3, keys_ms=keys, start_s=screen.start_s, memory_mb=memory)


def main() -> None:
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="aurora-watch-") as place:
        folder = Path(place).resolve()
        os.environ.update(HOME=str(folder / "home"), AURORA_TRUST="1")
        (folder / "home").mkdir()
        table = "\n".join(measured(case, folder) for case in CASES)
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    report = f"""# What the live view costs, measured

Written by `python benchmarks/watch/run.py` on {datetime.now(UTC):%Y-%m-%d}: {machine},
load before the start {load:.1f}.
The share of a core over {SECONDS} s while the agents, which are real processes, work; reads and drawing
included. Keys: the median of {KEYS}, and the longest.

| run | terminal | of a core | target | drawn a second | key, ms | to the first picture | memory |
|---|---|---|---|---|---|---|---|
{table}
"""
    (HERE / "results.md").write_text(report, encoding="utf-8")
    print(report)


if __name__ == "__main__":
    main()
