"""Measure how many conflicts are foreseen while both agents run; writes forecast.md beside this file.

    python benchmarks/spawner/forecast.py            about nine minutes

A machine with more to do than it has cores is another case, in forecast-busy.md: looks at worktrees take their time.

RUNS runs of four agents each, AT_ONCE at once, so six pairs a run. An agent takes one to two minutes, makes four to
ten edits at random moments of the first nine tenths of them (lines changed or added, files renamed, deleted or new,
some commits), and is idle in the last tenth, as one that runs tests and writes its answer. Every file is as likely as
any other. The truth is the merge of the two finished works. When the first of two tasks ends, its work is merged with
the present state of the other: a conflict that is not there yet came later, and could not be seen while both ran. A
conflict counts as foreseen if the event came before either of the two tasks ended; a false alarm is a pair that was
reported, not withdrawn, and merges cleanly.
"""

import asyncio
import os
import platform
import random
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path

from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.run_events import RunEvent, TaskConflict, TaskEnded
from aurora_spawner.workspaces.forecast import FinishedWork, Forecaster
from aurora_spawner.workspaces.git import Git
from aurora_spawner.workspaces.isolation import MergeMode, isolation_of
from aurora_spawner.workspaces.merging import merge_trees
from aurora_spawner.workspaces.run_worktrees import RunWorktrees

HERE = Path(__file__).resolve().parent
RUNS, AT_ONCE = 32, 8
EVERY_S = 2.0
AGENTS = "abcd"
SHORTEST_S, LONGEST_S, IDLE = 60.0, 120.0, 0.1
FILES = 12
BUSY = 3
"""A load above this many times the cores."""
COUNTS = ("pairs", "conflicts", "in time", "foreseen", "told", "false")
BACKENDS = {"python": CommandBackend("python", (sys.executable, "-"))}
STEP = """
import pathlib, random, subprocess, time
def git(*arguments): subprocess.run(["git", *arguments], check=True, capture_output=True)
def files(): return sorted(path for path in pathlib.Path("src").rglob("*.py"))
def edit(chance):
    path, kind = chance.choice(files()), chance.random()
    lines = path.read_text().splitlines(keepends=True)
    at = chance.randrange(len(lines) or 1)
    if kind < .55: lines[at:at + 2] = [f"# {chance.random()}\\n"]
    elif kind < .75: lines[at:at] = [f"x = {chance.random()}\\n"] * 3
    elif kind < .82: return path.rename(path.with_name(f"moved{chance.randrange(1000)}.py"))
    elif kind < .87: return path.unlink()
    else: path, lines = path.with_name(f"new{chance.randrange(6)}.py"), [f"y = {chance.random()}\\n"]
    path.write_text("".join(lines))
def work(seed, moments, total):
    chance, now = random.Random(seed), 0.0
    for moment in moments:
        time.sleep(moment - now); now = moment
        edit(chance)
        if chance.random() < .3: git("add", "--all"); git("commit", "-qm", "work")
    time.sleep(total - now)
    print("done")
"""


def plan(chance: random.Random) -> str:
    total = chance.uniform(SHORTEST_S, LONGEST_S)
    moments = sorted(chance.uniform(0, total * (1 - IDLE)) for _ in range(chance.randint(4, 10)))
    return f"{STEP}\nwork({chance.random()}, {moments}, {total})\n"


def make_repository(folder: Path, chance: random.Random) -> Path:
    repository = folder / "project"
    for number in range(FILES):
        file = repository / f"src/part{number % 3}/module{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"def f{each}(): return {chance.random()}\n" for each in range(60)))
    for command in (("init", "-q", "-b", "main"), ("config", "user.name", "Tess"), ("config", "user.email", "t@t.t")):
        subprocess.run(["git", *command], cwd=repository, check=True)
    subprocess.run(["git", "add", "--all"], cwd=repository, check=True)
    subprocess.run(["git", "commit", "-qm", "first"], cwd=repository, check=True)
    return repository


async def measure(seed: int) -> dict[str, int]:
    """Runs four agents; returns the counts of pairs."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        repository = make_repository(folder, chance)
        isolation = isolation_of(repository, home=folder / "worktrees", merge=MergeMode.NEVER)[0]
        options = RunOptions(
            default_agent="python",
            cwd=repository,
            spool=folder / "runs",
            isolation=isolation,
            forecast_every_s=EVERY_S,
            executor=LocalExecutor(),
        )
        tasks = [SpawnTask(plan(chance), id=agent) for agent in AGENTS]
        ended, early, there = set[str](), set[frozenset[str]](), set[frozenset[str]]()
        last = dict[frozenset[str], bool]()
        run = Run.create(folder / "runs.db", tasks, BACKENDS, options)
        worktrees = RunWorktrees.of(isolation, run.run_id)

        def watch(event: RunEvent) -> None:
            if isinstance(event, TaskEnded):
                ended.add(event.task_id)
                work = event.result.work
                assert work is not None, event.result.error
                finished = FinishedWork(task_id=event.task_id, base=work.base, commit=work.head)
                others = [worktrees.find(agent) for agent in AGENTS if agent not in ended]
                found = Forecaster(Git(repository)).look([finished, *others])
                there.update(frozenset((each.first, each.second)) for each in found)
            if isinstance(event, TaskConflict):
                pair = frozenset((event.task_id, event.other))
                last[pair] = not event.over
                if not event.over and ended.isdisjoint(pair):
                    early.add(pair)

        report = await run.execute(watch)
        works = {task: result.work.commit for task, result in report.results.items() if result.work}
        assert len(works) == len(AGENTS), report
        counts = dict.fromkeys(COUNTS, 0)
        for pair in map(frozenset, combinations(AGENTS, 2)):
            one, other = sorted(pair)
            clash = not merge_trees(Git(repository), str(works[one]), str(works[other])).is_clean
            told = last.get(pair, False)
            counts["pairs"] += 1
            counts["conflicts"] += clash
            counts["in time"] += clash and pair in there
            counts["foreseen"] += clash and pair in there and pair in early
            counts["told"] += told
            counts["false"] += told and not clash
        return counts


async def measure_all() -> dict[str, int]:
    free = asyncio.Semaphore(AT_ONCE)
    totals = dict.fromkeys(COUNTS, 0)

    async def one(seed: int) -> None:
        async with free:
            for name, number in (await measure(seed)).items():
                totals[name] += number
        print(seed, totals, file=sys.stderr, flush=True)

    await asyncio.gather(*(one(seed) for seed in range(RUNS)))
    return totals


def main() -> None:
    load = os.getloadavg()[0]
    system = f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}"
    found = asyncio.run(measure_all())
    report = f"""# Conflicts foreseen while agents run, measured

Written by `python benchmarks/spawner/forecast.py` on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores,
{system}, load before the start {load:.1f}. {RUNS} runs of {len(AGENTS)} agents, {AT_ONCE} runs at once, a look every
{EVERY_S:.0f} s. The agents are programs that edit at random for {SHORTEST_S:.0f} to {LONGEST_S:.0f} s, idle in their
last tenth.

| | |
|---|---|
| pairs of tasks | {found["pairs"]} |
| pairs whose finished work conflicts | {found["conflicts"]} |
| of these whose conflict was there before the first of the two ended | {found["in time"]} |
| of these foreseen while both ran | {found["foreseen"]} (**{found["foreseen"] / found["in time"]:.1%}**) |
| pairs reported and not withdrawn | {found["told"]} |
| of these that merge without a conflict | {found["false"]} (**{found["false"] / max(found["told"], 1):.1%}**) |
"""
    busy = load > BUSY * (os.cpu_count() or 1)
    (HERE / ("forecast-busy.md" if busy else "forecast.md")).write_text(report, encoding="utf-8")
    print(report)


if __name__ == "__main__":
    main()
