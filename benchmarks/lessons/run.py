"""What lessons are worth: scripted agents with and without them, one task after another, over several seeds.

    python benchmarks/lessons/run.py [--seeds 5] [--tasks 10]

Each task is a run of its own in a real repository, with worktrees, a check, rounds and a merge. Agents are shell
scripts: what they do depends on their prompt alone, so that what lessons change is seen, and not what a model makes
of them. Some can use a lesson, for others it is noise, and for some it is harmful. The two arms of a seed have the
same tasks. Writes results.md beside this file.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

HERE = Path(__file__).parent

CHECK_SCRIPT: Final = """\
version=$(cat convention)
for file in notes/*.txt; do
  [ -e "$file" ] || continue
  topic=${file#notes/}
  topic=${topic%%-*}
  if [ "$(cat "$file")" != "rule-$topic$version" ]; then
    echo "checking $file"
    echo "error: $topic notes must be exactly rule-$topic$version"
    exit 1
  fi
done
"""
BEGINNING: Final = """\
prompt=$(cat)
title=$(printf '%s\\n' "$prompt" | head -1)
topic=$(printf '%s' "$title" | cut -d' ' -f3)
number=$(printf '%s' "$title" | cut -d' ' -f5)
mkdir -p notes
"""
"""Titles are `Write the TOPIC note NUMBER COIN`."""
HEEDS: Final = """\
line=$(printf '%s\\n' "$prompt" | grep -o "$topic notes must be exactly rule-[a-z0-9]*" | tail -1 | sed 's/.* //')
echo "${line:-plain}" > notes/$topic-$number.txt
"""
"""Does what is said of its own topic, wherever in the prompt."""
CARELESS: Final = """\
coin=$(printf '%s' "$title" | cut -d' ' -f6)
case "$coin$prompt" in bad*"is not done yet"*|good*) line=rule-$topic;; *) line=plain;; esac
echo "$line" > notes/$topic-$number.txt
"""
"""Knows the rule, and forgets it by a coin: no lesson changes that."""
LITERAL: Final = """\
case "$prompt" in
  *"is not done yet"*) line=$(printf '%s' "${prompt##*is not done yet}" | grep -o 'exactly rule-[a-z0-9]*') ;;
  *) line=$(printf '%s' "$prompt" | grep -o 'exactly rule-[a-z0-9]*' | sort -u) ;;
esac
[ -n "$line" ] || { [ "$topic" = db ] && line=plain || line="exactly rule-$topic"; }
printf '%s\\n' "$line" | sed 's/exactly //' > notes/$topic-$number.txt
"""
"""Follows every rule in its prompt, also those of other topics; without any it knows all but that of `db`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Agents of one kind, and their tasks.

    Attributes:
        changes: the convention changes after half of the tasks, and all notes with it.
    """

    name: str
    script: str
    topics: tuple[str, ...]
    meaning: str
    changes: bool = False


HEAD: Final = """\
| agent | passes at once: off | on | attempts a task: off | on | prompt tokens a task: off | on \
| seeds with fewer / more attempts | failed tasks off / on | lessons at the end |
|---|---|---|---|---|---|---|---|---|---|"""
FAMILIES: Final = (
    Family(
        name="heeds",
        script=HEEDS,
        topics=("api", "db", "cli"),
        meaning="needs the rule of the topic, and follows it wherever it stands",
    ),
    Family(
        name="heeds, rule changes",
        script=HEEDS,
        topics=("api", "db", "cli"),
        meaning="the same; after half of the tasks another rule holds",
        changes=True,
    ),
    Family(
        name="careless",
        script=CARELESS,
        topics=("api", "db", "cli"),
        meaning="forgets what it knows in half of the tasks: a lesson is noise",
    ),
    Family(
        name="literal",
        script=LITERAL,
        topics=("api", "api", "db"),
        meaning="knows one topic, and follows any rule in its prompt, also that of the other topic: it can be misled",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one arm of one seed came to.

    Attributes:
        first: tasks that passed at their first attempt.
        tokens: of all prompts, one for each 4 bytes.
        states: the states of the lessons at the end.
    """

    tasks: int
    first: int
    failed: int
    attempts: int
    tokens: int
    states: tuple[str, ...]


def play(family: Family, seed: int, tasks: int, lessons: bool) -> Outcome:
    """Runs the tasks of a family one after another in a new project."""
    with tempfile.TemporaryDirectory() as work:
        root = Path(work) / "project"
        home = Path(work) / "home"
        root.mkdir()
        home.mkdir()
        for name in [name for name in os.environ if name.startswith(("AURORA_", "XDG_"))]:
            del os.environ[name]
        os.environ |= {"HOME": str(home), "AURORA_TRUST": "1", "AURORA_MEMORY_LESSONS": str(lessons).lower()}
        _make_project(root, family)
        return asyncio.run(_play(family, root, random.Random(seed), tasks))


async def _play(family: Family, root: Path, chance: random.Random, tasks: int) -> Outcome:
    from aurora_soar import Aurora
    from aurora_soar.taskruns.isolation import WantedIsolation
    from aurora_spawner.journal.store import Journal
    from aurora_spawner.journal.views import load_attempts, load_tasks

    found = Outcome(tasks=tasks, first=0, failed=0, attempts=0, tokens=0, states=())
    wanted = WantedIsolation(kind="worktree", merge="auto")
    for number in range(1, tasks + 1):
        if family.changes and number == tasks // 2 + 1:
            _change_rule(root)
        title = f"Write the {chance.choice(family.topics)} note {number} {chance.choice(('good', 'bad'))}"
        file = root.parent / f"{number}.md"
        file.write_text(f"- [ ] {title}\n")
        with Aurora.open(root) as aurora:
            result = await aurora.arun_taskfile(file, isolation=wanted)
            with Journal(aurora.project.runs_db, make=False) as journal:
                (row,) = load_tasks(journal, result.run_id)
                prompts = [each.folder / "prompt" for each in load_attempts(journal, result.run_id)]
            store = aurora.lesson_store
            states = tuple(each.standing for each in store.all()) if store else ()
        found = replace(
            found,
            first=found.first + (row.state == "succeeded" and row.attempts == 1),
            failed=found.failed + (row.state != "succeeded" or not result.ok),
            attempts=found.attempts + row.attempts,
            tokens=found.tokens + sum(each.stat().st_size for each in prompts) // 4,
            states=states,
        )
    return found


def _make_project(root: Path, family: Family) -> None:
    (root / ".aurora").mkdir()
    agent = {"kind": "command", "command": ["sh", "-c", BEGINNING + family.script + "echo done\n"]}
    config = {"tool": "scripted", "backends": {"scripted": agent}, "check": ["sh check.sh"]}
    (root / ".aurora" / "config.yaml").write_text(json.dumps(config))
    (root / "check.sh").write_text(CHECK_SCRIPT)
    (root / "convention").write_text("\n")
    (root / ".gitignore").write_text(".aurora\n")
    _git(root, "init", "-q", "-b", "main")
    _commit(root, "begin")
    _git(root, "checkout", "-q", "-b", "work")  # pushes to main would ask


def _change_rule(root: Path) -> None:
    (root / "convention").write_text("2\n")
    for note in (root / "notes").glob("*.txt"):
        note.write_text(f"{note.read_text().strip()}2\n")
    _commit(root, "change the rule")


def _commit(root: Path, title: str) -> None:
    _git(root, "add", "-A")
    _git(root, "-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-q", "-m", title)


def _git(root: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=root, check=True, capture_output=True)


def main() -> int:
    """Plays all families, and writes the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=10)
    given = parser.parse_args()
    lines = []
    with ProcessPoolExecutor(2, max_tasks_per_child=1) as pool:
        for family in FAMILIES:
            arms = {
                lessons: [pool.submit(play, family, seed, given.tasks, lessons) for seed in range(given.seeds)]
                for lessons in (False, True)
            }
            done = {lessons: [each.result() for each in found] for lessons, found in arms.items()}
            lines.append(_line(family, done[False], done[True]))
            print(lines[-1], file=sys.stderr)
    (HERE / "results.md").write_text(_page(lines, given.seeds, given.tasks), encoding="utf-8")
    return 0


def _line(family: Family, off: list[Outcome], on: list[Outcome]) -> str:
    columns = []
    for measure in (_first, _attempts, _tokens):
        columns += [measure(off), measure(on)]
    states = [state for each in on for state in each.states]
    ends = ", ".join(f"{states.count(state)} {state}" for state in ("new", "promoted", "dropped") if state in states)
    better = sum(a.attempts < b.attempts for a, b in zip(on, off, strict=True))
    worse = sum(a.attempts > b.attempts for a, b in zip(on, off, strict=True))
    failed = f"{sum(each.failed for each in off)} / {sum(each.failed for each in on)}"
    seeds = f"{better} / {worse}"
    return f"| {family.name} | {' | '.join(columns)} | {seeds} | {failed} | {ends} |"


def _first(arm: list[Outcome]) -> str:
    return f"{sum(each.first for each in arm) / sum(each.tasks for each in arm):.0%}"


def _attempts(arm: list[Outcome]) -> str:
    return f"{sum(each.attempts for each in arm) / sum(each.tasks for each in arm):.2f}"


def _tokens(arm: list[Outcome]) -> str:
    return f"{sum(each.tokens for each in arm) / sum(each.tasks for each in arm):.0f}"


def _page(lines: list[str], seeds: int, tasks: int) -> str:
    meanings = "\n".join(f"- **{each.name}**: {each.meaning}." for each in FAMILIES)
    table = "\n".join(lines)
    return f"""# Lessons, on and off

Made by `python benchmarks/lessons/run.py --seeds {seeds} --tasks {tasks}` on {datetime.now(UTC):%Y-%m-%d}, Python
{platform.python_version()}, with scripted agents: what a model makes of a lesson is not measured here.

Each of {seeds} seeds has {tasks} tasks, one run after another, with a check and up to two rounds; both arms of a
seed have the same tasks. Tokens are those of all prompts of a task, 4 bytes each.

{meanings}

{HEAD}
{table}
"""


if __name__ == "__main__":
    sys.exit(main())
