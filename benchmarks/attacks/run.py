"""Attacks on real runs: random kills, signals, and damaged journals. Real processes and real SQLite.

    python benchmarks/attacks/run.py --kills 60 --signals 70 --damage 24 --write

Each attack hits a run of twelve tasks whose agents append to a side log when they begin; two thirds of them leave a
daemon behind. Then the run is resumed to its end, and this is checked: no task whose result was recorded has begun
again, every output is exact to the byte, no process of the run is left, the journal's chain holds. The exit status
is 1 if one of them does not; --write puts the figures into results.md.
"""

import argparse
import json
import os
import platform
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask, TaskState
from aurora_spawner.errors import JournalError
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.journal.views import load_attempts, load_tasks
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.testing import processes_of_run

TASKS = 12
LINES = 200
LIMIT_S = 90.0
AGENT = f"""
echo $AURORA_TASK_ID >> begun
if [ $((AURORA_TASK_ID % 3)) = 0 ]; then setsid sleep 300 > /dev/null 2>&1 & fi
if [ $((AURORA_TASK_ID % 3)) = 1 ]; then (setsid setsid sleep 300 > /dev/null 2>&1 &) fi
sleep 0.$((AURORA_TASK_ID % 5 + 3))
i=0
while [ $i -lt {LINES} ]; do echo "task $AURORA_TASK_ID line $i"; i=$((i + 1)); done
"""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
BACKENDS = {"sh": CommandBackend("sh", ("sh", "-c", AGENT))}


def coordinate(folder: Path) -> int:
    """Begin the run of a folder, or resume it."""
    name, executor = folder / "run_id", LocalExecutor(grace_s=0.5)
    if name.exists():
        run = Run.resume(folder / "runs.db", name.read_text(), BACKENDS, executor=executor)
    else:
        tasks = [
            SpawnTask("go", id=str(n), depends_on=(str(n - 1), str(n - 2)) if n % 4 == 0 else ())
            for n in range(1, TASKS + 1)
        ]
        run = Run.create(
            folder / "runs.db",
            tasks,
            BACKENDS,
            RunOptions(
                default_agent="sh",
                max_concurrent=4,
                cwd=folder,
                spool=folder / "runs",
                executor=executor,
            ),
        )
        draft = folder / "run_id.draft"
        draft.write_text(run.run_id)
        draft.replace(name)
    report = run.execute_sync()
    return 130 if report.interrupted else 0 if report.ok else 1


def start(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, __file__, "--coordinate", str(folder)])


def settled(folder: Path) -> set[str]:
    """The tasks whose success the journal has."""
    if not (folder / "run_id").exists():
        return set()
    with Journal(folder / "runs.db") as store:
        rows = load_tasks(store, (folder / "run_id").read_text())
    return {row.task_id for row in rows if row.state is TaskState.SUCCEEDED}


def begun(folder: Path) -> Counter[str]:
    with suppress(FileNotFoundError):
        return Counter((folder / "begun").read_text().split())
    return Counter()


def kill_supervisors(folder: Path, how_many: int, chance: random.Random) -> int:
    if not (folder / "run_id").exists():
        return 0
    with Journal(folder / "runs.db") as store:
        attempts = load_attempts(store, (folder / "run_id").read_text(), open_only=True)
    alive = [each.supervisor for each in attempts if each.supervisor and each.supervisor.alive()]
    hit = chance.sample(alive, min(how_many, len(alive)))
    for supervisor in hit:
        with suppress(ProcessLookupError):
            os.kill(supervisor.pid, signal.SIGKILL)
    return len(hit)


def faults_after(folder: Path, done: set[str], before: Counter[str]) -> list[str]:
    """What is wrong with a run that was resumed to its end."""
    run_id = (folder / "run_id").read_text()
    after = begun(folder)
    faults = [f"task {each} was done and began again" for each in sorted(done) if after[each] != before[each]]
    with Journal(folder / "runs.db") as store:
        report = verify(store)
        faults += [] if report.ok else [f"the journal: {report.problem}"]
        for row in load_tasks(store, run_id):
            wanted = "".join(f"task {row.task_id} line {number}\n" for number in range(LINES))
            if row.result is None or row.result.output != wanted:
                faults.append(f"task {row.task_id}: its output is not exact ({row.state})")
    left = processes_of_run(run_id)
    return faults + ([f"processes {left} are left"] if left else [])


def finish(folder: Path) -> list[str]:
    process = start(folder)
    try:
        status = process.wait(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return [f"the resume did not end within {LIMIT_S:.0f} s"]
    return [] if status == 0 else [f"the resume ended with {status}"]


def wait_for_agents(folder: Path, process: subprocess.Popen[bytes], chance: random.Random) -> None:
    """Wait for a random moment while agents run; one time in six for one of the start."""
    if chance.random() < 1 / 6:
        time.sleep(chance.uniform(0.05, 0.6))
        return
    before, end = begun(folder), time.monotonic() + 20
    while begun(folder) == before and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(chance.uniform(0.0, 0.9))


def kill_once(folder: Path, chance: random.Random) -> tuple[int, list[str]]:
    """Kill the coordinator once or twice at random moments, at times with supervisors; returns how many of those."""
    supervisors = 0
    done: set[str] = set()
    before: Counter[str] = Counter()
    faults: list[str] = []
    for _ in range(chance.choice((1, 1, 2))):
        process = start(folder)
        wait_for_agents(folder, process, chance)
        process.kill()
        process.wait()
        if chance.random() < 0.8:
            supervisors += kill_supervisors(folder, chance.randint(1, 3), chance)
        now = settled(folder)
        faults += [f"task {each} is not done any more" for each in sorted(done - now)]
        faults += [f"task {each} was done and began again" for each in done if begun(folder)[each] != before[each]]
        done, before = now, begun(folder)
    faults += finish(folder)
    return supervisors, faults or faults_after(folder, done, before)


def signal_once(folder: Path, chance: random.Random) -> tuple[str, list[str]]:
    """Send an ending signal at a random moment, half of them twice."""
    number, twice = chance.choice(SIGNALS), chance.random() < 0.5
    process = start(folder)
    time.sleep(chance.uniform(0.5, 1.6))
    for _ in range(1 + twice):
        process.send_signal(number)
        time.sleep(0.1)
    try:
        process.wait(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return number.name, ["it did not end"]
    faults = []
    if (folder / "run_id").exists():
        left = processes_of_run((folder / "run_id").read_text())
        faults += [f"processes {left} are left after the signal"] if left else []
    done, before = settled(folder), begun(folder)
    faults += finish(folder)
    return number.name, faults or faults_after(folder, done, before)


def damage_once(folder: Path, chance: random.Random) -> str:
    """Resume from a journal with some bits flipped; returns what came of it."""
    done, before = settled(folder), begun(folder)
    path = folder / "runs.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    kind = chance.choice(("header", "page", "cell", "cell", "cell"))
    page = chance.randrange(len(content) // 4096)
    for _ in range(chance.randint(1, 4)):
        place = {"header": chance.randrange(100), "page": page * 4096 + chance.randrange(200)}.get(
            kind, page * 4096 + chance.randrange(200, 4096)
        )
        content[min(place, len(content) - 1)] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    try:
        run = Run.resume(path, (folder / "run_id").read_text(), BACKENDS, executor=LocalExecutor(grace_s=0.5))
        run.execute_sync()
    except JournalError as error:
        outcome = f"refused: {type(error).__name__}"
    except Exception as error:  # noqa: BLE001 -- what must not happen is counted
        outcome = f"UNTYPED: {type(error).__name__}"
    else:
        outcome = "went on; nothing that counts was hit"
    return "REDONE" if any(begun(folder)[each] != before[each] for each in done) else outcome


def cut_off(folder: Path) -> None:
    """Make a run of which about half is done and nothing runs."""
    process = start(folder)
    while len(settled(folder)) < TASKS // 3:
        time.sleep(0.05)
    process.terminate()
    process.wait(timeout=LIMIT_S)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--signals", type=int, default=70)
    parser.add_argument("--damage", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="put the figures into results.md")
    parser.add_argument("--coordinate", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.coordinate:
        return coordinate(given.coordinate)
    figures, faults = attack(given.kills, given.signals, given.damage, random.Random(given.seed))
    print(json.dumps({"figures": figures, "faults": faults}, indent=2))
    if given.write:
        write(figures, faults)
    return 1 if faults else 0


def attack(kills: int, signals: int, damage: int, chance: random.Random) -> tuple[dict[str, object], list[str]]:
    faults: list[str] = []
    supervisors, by_signal, outcomes = 0, Counter[str](), Counter[str]()
    began = time.monotonic()
    for number in range(kills):
        with tempfile.TemporaryDirectory(prefix="attack-") as name:
            hit, found = kill_once(Path(name), chance)
        supervisors += hit
        faults += [f"kill {number}: {each}" for each in found]
    for number in range(signals):
        with tempfile.TemporaryDirectory(prefix="attack-") as name:
            which, found = signal_once(Path(name), chance)
        by_signal[which] += 1
        faults += [f"signal {number} ({which}): {each}" for each in found]
    for number in range(damage):
        with tempfile.TemporaryDirectory(prefix="attack-") as name:
            cut_off(Path(name))
            outcome = damage_once(Path(name), chance)
        outcomes[outcome] += 1
        faults += [f"damage {number}: {outcome}"] if outcome[0:4] in ("UNTY", "REDO") else []
    figures: dict[str, object] = {
        "kills": kills,
        "supervisors killed with them": supervisors,
        "signals": dict(sorted(by_signal.items())),
        "damaged journals": dict(sorted(outcomes.items())),
        "faults": len(faults),
        "minutes": round((time.monotonic() - began) / 60, 1),
    }
    return figures, faults


def write(figures: dict[str, object], faults: list[str]) -> None:
    target = Path(__file__).with_name("results.md")
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    rows = []
    for name, value in figures.items():
        if isinstance(value, dict):
            rows += [f"| {name}: {each} | {many} |" for each, many in value.items()]
        else:
            rows.append(f"| {name} | {value} |")
    lines = [
        "# Attacks on runs",
        "",
        f"{datetime.now(tz=UTC):%Y-%m-%d}, {machine}, SQLite {sqlite3.sqlite_version}.",
        "Made by `python benchmarks/attacks/run.py --write`; its first lines say what is attacked and checked.",
        "",
        "| | |",
        "|---|---|",
        *rows,
        *(["", "Faults:", "", *(f"- {each}" for each in faults)] if faults else []),
    ]
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
