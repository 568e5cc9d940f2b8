"""Measure the same work in worktrees by agent-worktree (`wt run`); writes worktree-peer.md beside this file.

    python benchmarks/spawner/worktree_peer.py WT    about five minutes

WT is the program of the npm package @nekocode/agent-worktree-linux-x64. Repository and tasks are those of
worktrees.py: each agent writes one file, its work is committed, merged into the branch, and its worktree removed.
`wt run` makes a worktree and runs one agent, which commits; AT_ONCE of it run side by side. `wt merge --delete` then
merges one after the other: side by side (`--on-success merge`) they meet in the user's checkout, and most are not
merged. What does not come to the branch is counted. The two take turns, each in a repository of its own.
"""

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from benchmarks.spawner.worktrees import AT_ONCE, FILES, TASKS, git, make_repository, run

HERE = Path(__file__).resolve().parent
REPEATS = 2
PLACE = Path("/dev/shm")
AGENT = 'echo "$0" > "new$0.txt" && git add --all && git commit --quiet -m "task $0"'


def with_aurora(folder: Path, repository: Path) -> None:
    report, _peak = run(folder, repository, isolated=True, agent_s=0)
    assert report.ok, report


def with_peer(folder: Path, repository: Path, program: str) -> None:
    environment = {**os.environ, "HOME": str(folder)}
    git(repository, "config", "user.name", "Tess")
    git(repository, "config", "user.email", "tess@example.invalid")

    def one(number: int) -> None:
        command = [program, "run", f"task{number}", "--on-success", "keep", "--", "sh", "-c", AGENT, str(number)]
        subprocess.run(command, cwd=repository, env=environment, check=False, capture_output=True)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(one, range(TASKS)))
    listing = git(repository, "worktree", "list", "--porcelain").splitlines()
    for worktree in [line.removeprefix("worktree ") for line in listing if line.startswith("worktree ")][1:]:
        subprocess.run(
            [program, "merge", "--delete"], cwd=worktree, env=environment, check=False, capture_output=True
        )


def measured(program: str) -> tuple[float, int, int]:
    """The milliseconds a task, the tasks whose file is on the branch, and the worktrees that are left.

    Args:
        program: of the peer; empty for Aurora.
    """
    with tempfile.TemporaryDirectory(dir=PLACE) as name:
        folder = Path(name)
        repository = make_repository(folder)
        begin = time.perf_counter()
        if program:
            with_peer(folder, repository, program)
        else:
            with_aurora(folder, repository)
        took_ms = (time.perf_counter() - begin) * 1000 / TASKS
        names = git(repository, "ls-tree", "--name-only", "main").splitlines()
        left = git(repository, "worktree", "list").count("\n") - 1
        return took_ms, sum(each.startswith("new") for each in names), left


def main() -> None:
    program = sys.argv[1]
    version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    load = os.getloadavg()[0]
    found: dict[str, list[tuple[float, int, int]]] = {"Aurora": [], f"agent-worktree ({version})": []}
    for _ in range(REPEATS):
        for name, rows in found.items():
            rows.append(measured("" if name == "Aurora" else program))
            print(name, rows[-1], file=sys.stderr, flush=True)
    lines = [
        f"| {name} | {statistics.median(ms):.0f} ({min(ms):.0f} to {max(ms):.0f}) | {', '.join(map(str, arrived))} |"
        f" {', '.join(map(str, left))} |"
        for name, (ms, arrived, left) in ((name, tuple(zip(*rows, strict=True))) for name, rows in found.items())
    ]
    system = f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}"
    report = f"""# The same work in worktrees by a peer, measured

Written by `python benchmarks/spawner/worktree_peer.py` on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores,
{system}, load before the start {load:.1f}. {TASKS} tasks, {AT_ONCE} at once,
in a repository of {FILES:,} files in memory; {REPEATS} runs of each, in turns. Aurora also journals and supervises.

| | milliseconds a task, median (range) | tasks on the branch, of {TASKS} | worktrees left |
|---|---|---|---|
{chr(10).join(lines)}
"""
    (HERE / "worktree-peer.md").write_text(report, encoding="utf-8")
    print(report)


if __name__ == "__main__":
    main()
