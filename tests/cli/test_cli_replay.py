"""`aur runs replay` and `aur runs diff`."""

import json
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.cli.test_cli_runs import CONFIG, spawned, write_tasks

from aurora_cli.exits import ExitCode

Aur = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def works(shop: Path) -> Path:
    (shop / ".aurora").mkdir()
    (shop / ".aurora" / "config.yaml").write_text(CONFIG, encoding="utf-8")
    return shop / "tasks.md"


def test_a_run_is_replayed_simulated_and_an_edited_event_is_named(aur: Aur, works: Path) -> None:
    write_tasks(works, "1 Say hello", "2 Break\n  - Agent: broken", "3 Say more\n  - Depends: 1")
    run_id = spawned(aur)
    done = aur("runs", "replay", run_id)
    assert done.returncode == ExitCode.DONE, done.stderr
    assert "made again, all as recorded" in done.stdout
    assert "hash chain: unchanged" in done.stdout
    assert json.loads(aur("runs", "replay", run_id, "--json").stdout)["identical"] is True
    lines = aur("runs", "replay", run_id, "--what-if", "max_concurrent=1", "--what-if", "max_retries=0").stdout
    assert f"{run_id}, simulated with max_concurrent=1, max_retries=0" in lines
    assert "simulated as it was" in lines
    assert "note: how long an attempt takes" in lines
    assert json.loads(aur("runs", "replay", run_id, "--what-if", "max_concurrent=1", "--json").stdout)["simulation"]
    refused = aur("runs", "replay", run_id, "--what-if", "max_concurent=1")
    assert refused.returncode == ExitCode.USAGE
    assert "did you mean max_concurrent?" in refused.stderr
    with closing(sqlite3.connect(works.parent / ".aurora/runs.db")) as journal, journal:
        query = "SELECT max(seq), payload FROM events WHERE kind = 'attempt_intended' AND task_id = '3'"
        seq, payload = journal.execute(query).fetchone()
        edited = json.dumps({**json.loads(payload), "agent": "slow"})
        journal.execute("UPDATE events SET payload = ? WHERE seq = ?", (edited, seq))
    changed = aur("runs", "replay", run_id)
    assert changed.returncode == ExitCode.NOT_REACHED
    assert f"{run_id}: event {seq} differs" in changed.stdout
    assert "recorded  attempt 1 by @slow starts" in changed.stdout
    assert "made      attempt 1 by @echo starts" in changed.stdout
    assert f"hash chain: event {seq} has been changed" in changed.stdout


def test_two_runs_are_compared(aur: Aur, works: Path) -> None:
    write_tasks(works, "1 Say hello", "2 Say more")
    first = spawned(aur)
    write_tasks(works, "1 Say hello", "2 Say more\n  - Agent: broken")
    second = spawned(aur)
    shown = aur("runs", "diff", first, second)
    assert shown.returncode == ExitCode.DONE, shown.stderr
    lines = shown.stdout.splitlines()
    assert [line.split()[1] for line in lines[:2]] == [first, second]
    assert lines[2] == "1 of 2 tasks came out otherwise"
    assert "the task itself is another" in shown.stdout
    assert "A  succeeded  @echo" in shown.stdout
    assert "B  failed  @broken" in shown.stdout
    assert "1  Say hello" in aur("runs", "diff", first, second, "--all").stdout
    assert json.loads(aur("runs", "diff", first, second, "--json").stdout)["differing"] == 1
    assert aur("runs", "diff", first, "spawn-1").returncode != ExitCode.DONE
