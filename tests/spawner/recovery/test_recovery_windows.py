"""A usage window that closes for two hours, with a kill and a reboot in between: nothing starts against a wall."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from tests.spawner.recovery.window_scenario import CLOSES, RESETS, TASK_S

from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.rate_limits.gate import WINDOW_JITTER_S

PROGRAM = Path(__file__).with_name("window_scenario.py")
REBOOTED = (
    "import runpy, sys; from aurora_spawner.attempts import process_identity as identity;"
    "identity.boot_id = lambda: 'another boot';"
    "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
)


def play(*words: object, rebooted: bool = False) -> subprocess.CompletedProcess[str]:
    start = [sys.executable, *(("-c", REBOOTED) if rebooted else ()), str(PROGRAM)]
    root = str(Path(__file__).parents[3])
    return subprocess.run(
        [*start, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": root},
        check=False,
    )


def notes(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "starts.jsonl").read_text().splitlines()]


def test_two_hours_with_a_kill_and_a_reboot_cost_no_start_and_no_attempt(tmp_path: Path) -> None:
    killed = play(tmp_path, CLOSES - 1_200, "--die-at", CLOSES + 1_800)
    assert killed.returncode == 9, killed.stderr
    run_id = killed.stdout.split()[0]
    ended = play(
        tmp_path, CLOSES + 3_600, "--resume", run_id, "--beside", rebooted=True
    )  # half an hour later, on the machine started anew, and with a run of another project beside it
    assert ended.returncode == 0, ended.stderr
    one, two = json.loads(ended.stdout.splitlines()[-1])
    told = notes(tmp_path)
    known = min(note["at"] for note in told if note["what"] == "refused")
    starts = sorted(note["at"] for note in told if note["what"] == "start")
    assert CLOSES <= known <= CLOSES + TASK_S
    assert [at for at in starts if known < at < RESETS] == [], "no start after the limit is known"
    after = [at for at in starts if at >= RESETS]
    assert RESETS <= after[0] <= RESETS + WINDOW_JITTER_S
    assert after[1] >= after[0] + 120.0, "one probe for both runs, as long as it is not answered"
    assert (one["ok"], two["ok"]) == (True, True)
    assert (one["retries"], two["retries"]) == (0, 0), "no attempt burned"
    assert len(after) <= 2 * 20 + 1
    done = Counter((note["run"], note["task"]) for note in told if note["what"] == "done")
    assert set(done.values()) == {1}, "nothing finished is redone"
    assert len(done) == 40
    with Journal(tmp_path / "one" / "runs.db") as journal:
        assert verify(journal).ok
