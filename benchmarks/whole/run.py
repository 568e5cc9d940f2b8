"""Measure the whole of `aur` on real code: index, answer, spawn, start.

    python benchmarks/whole/run.py SOURCES [--out benchmarks/whole/results.md]

SOURCES is a folder of unpacked source distributions (django-…, celery-…, networkx-…). Each is copied to a temporary
folder, so that every index starts cold. The figures are whole-process wall times; a ratio in the same run says more
than a time on another machine.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

AUR = Path(sys.executable).with_name("aur")
QUESTIONS = {
    "networkx": "How is the shortest path between two nodes computed?",
    "celery": "How does the scheduler decide what runs next?",
    "django": "How does a request URL get resolved to a view?",
}
REPEATS = 5


@dataclass(frozen=True)
class Row:
    what: str
    figure: str
    target: str


def timed(*arguments: str, cwd: Path, check: bool = True) -> float:
    started = time.perf_counter()
    subprocess.run([AUR, *arguments], cwd=cwd, check=check, capture_output=True, stdin=subprocess.DEVNULL)
    return time.perf_counter() - started


def median(*arguments: str, cwd: Path) -> float:
    return statistics.median(timed(*arguments, cwd=cwd) for _ in range(REPEATS))


def measure_project(source: Path, work: Path) -> list[Row]:
    project = work / source.name
    shutil.copytree(source, project, symlinks=True)
    name = source.name.split("-")[0].lower()
    text = sum(path.stat().st_size for path in project.rglob("*.py"))
    cold = timed("mem", "index", cwd=project)
    warm = median("mem", "index", cwd=project)
    database = sum(path.stat().st_size for path in (project / ".aurora").glob("memory.db*"))
    question = QUESTIONS[name]
    shell = median("mem", "search", question, cwd=project)
    return [
        Row(
            f"{name}: cold index, {len(list(project.rglob('*.py')))} Python files, {text / 1e6:.1f} MB",
            f"{cold:.1f} s",
            "≤ 60 s",
        ),
        Row(f"{name}: unchanged index", f"{warm:.2f} s", "≤ 2 s"),
        Row(f"{name}: database", f"{database / 1e6:.1f} MB", "≤ 60 MB"),
        Row(f"{name}: `aur mem search`, whole process", f"{shell:.2f} s", "≤ 0.35 s"),
        Row(f"{name}: search in process", f"{search_ms(project, question):.1f} ms", "≤ 100 ms"),
        Row(
            f"{name}: `aur soar`, unchanged index and answer",
            f"{median('soar', question, cwd=project):.1f} s",
            "≤ 10 s",
        ),
    ]


def search_ms(project: Path, question: str) -> float:
    from aurora_core import Memory

    with Memory.open(project) as memory:
        memory.search(question)
        times = []
        for _ in range(20):
            started = time.perf_counter()
            memory.search(question)
            times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e3


def measure_spawn(work: Path) -> Row:
    project = work / "spawn"
    (project / ".aurora").mkdir(parents=True)
    (project / ".aurora" / "config.yaml").write_text(
        'backends:\n  sleeper: {kind: command, command: ["sh", "-c", "sleep 0.1; echo done"]}\n'
    )
    os.environ["AURORA_TRUST"] = "1"

    def run() -> float:
        (project / "tasks.md").write_text("".join(f"- [ ] {i}. Sleep number {i}\n" for i in range(1, 51)))
        return timed("spawn", "tasks.md", "--tool", "sleeper", "--max-concurrent", "10", "--yes", cwd=project)

    walls = [run() for _ in range(REPEATS)]
    return Row("`aur spawn`, 50 tasks of 0.1 s, 10 at once", f"{statistics.median(walls):.2f} s", "≤ 2 s")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the whole of aur on real code.")
    parser.add_argument("sources", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.md"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="aurora-whole-") as folder:
        work = Path(folder)
        rows = [Row("`aur --help`", f"{median('--help', cwd=work) * 1e3:.0f} ms", "≤ 200 ms"), measure_spawn(work)]
        for name in QUESTIONS:
            source = next(
                path for path in sorted(arguments.sources.iterdir()) if path.name.lower().startswith(f"{name}-")
            )
            rows += measure_project(source, work)
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    table = "".join(f"| {row.what} | {row.figure} | {row.target} |\n" for row in rows)
    arguments.out.write_text(
        f"# The whole of `aur`, measured\n\n{machine}, {datetime.now(UTC):%Y-%m-%d}; medians of {REPEATS} runs. "
        "Made by `python benchmarks/whole/run.py SOURCES`.\n\n| what | figure | target |\n|---|---|---|\n" + table
    )
    sys.stdout.write(table)


if __name__ == "__main__":
    main()
