"""Record runs that are killed, paused, cancelled and resumed at random, replay each, and write results.md.

    python benchmarks/replay/run.py [RUNS] [FIRST_SEED] [FOLDER]     50 runs take about eight minutes

What is recorded in FOLDER already is only replayed. Every decision of every run has to come out the same; the first
that does not is printed, and the exit status is 1.
"""

import json
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.spawner.replay.recorded_runs import record

from aurora_spawner.replay.replay import replay_run

HERE = Path(__file__).parent
AT_ONCE = 4


def recorded(folder: Path, seed: int) -> str:
    name = folder / "run_id"
    return name.read_text() if name.exists() else record(folder, seed)


def main(runs: int, first: int, kept: str) -> int:
    differing, events, decisions, coordinators, took_s = [], 0, 0, 0, 0.0
    taken: Counter[str] = Counter()
    noted = 0
    with tempfile.TemporaryDirectory() as temporary:
        place = kept or temporary
        folders = {seed: Path(place) / str(seed) for seed in range(first, first + runs)}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            names = dict(zip(folders, pool.map(lambda seed: recorded(folders[seed], seed), folders), strict=True))
        for seed, run_id in names.items():
            folder = folders[seed]
            began = time.perf_counter()
            report = replay_run(folder / "runs.db", run_id)
            took_s += time.perf_counter() - began
            events, decisions = events + report.events, decisions + report.decisions
            coordinators, noted = coordinators + report.coordinators, noted + bool(report.notes)
            taken.update(report.taken)
            if not report.identical or report.changed:
                differing.append(seed)
                print(seed, json.dumps(report.to_dict(), indent=1), file=sys.stderr)
    identical = runs - len(differing)
    lines = [
        "# Replay",
        "",
        f"{runs} recorded runs, seeds {first} to {first + runs - 1}: {identical} replayed identically.",
        "",
        f"{events:,} events, {coordinators} coordinators, {decisions:,} decisions made again in {took_s:.1f} s.",
        f"Attempts that ended: {taken['attempt_ended']}; moves of provider gates: {taken['provider_moved']};",
        f"tasks cancelled: {taken['task_cancel_asked']}; runs ended early: {taken['run_ending']};",
        f"pauses: {taken['run_paused']}.",
        "",
        f"In {noted} of the runs some decisions within two seconds before a kill could not be compared.",
    ]
    (HERE / "results.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return 1 if differing else 0


if __name__ == "__main__":
    runs, first, kept, *_more = [*sys.argv[1:], *("50", "0", "")[len(sys.argv) - 1 :]]
    sys.exit(main(int(runs), int(first), kept))
