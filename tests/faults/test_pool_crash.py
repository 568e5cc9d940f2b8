"""A run on a pool while its coordinator, its worker and both are killed: each task runs once, and nothing is left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests.postgres import PostgresServer
from tests.warm_python import WarmPopen

from aurora_spawner.testing import processes_of_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONFIG = """
tool: count
backends:
  count:
    kind: command
    command: [sh, -c, "echo $AURORA_TASK_ID >> runs; until [ -e go ]; do sleep 0.1; done; echo done"]
  wait: {kind: command, command: [sh, -c, "echo $AURORA_TASK_ID >> runs; sleep 60"]}
"""


@dataclass(slots=True)
class Site:
    """A project, and the processes of `aur` that work on it."""

    folder: Path
    url: str
    started: list[WarmPopen[str]] = field(default_factory=list)

    @property
    def environ(self) -> dict[str, str]:
        home = self.folder / "home"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AURORA_")}
        return {**kept, "HOME": str(home), "AURORA_TRUST": "1", "AURORA_DATABASE_URL": self.url}

    def begin(self, *words: str) -> WarmPopen[str]:
        process: WarmPopen[str] = WarmPopen(
            [sys.executable, "-m", "aurora_cli", *words],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.started.append(process)
        return process

    def aur(self, *words: str, status: int = 0) -> str:
        """Runs a command to its end; returns all that it printed."""
        done, printed, told = self._done(*words)
        assert done == status, printed + told
        return printed + told

    def json(self, *words: str) -> Any:
        """Returns the document that a command prints."""
        return json.loads(self._done(*words, "--json")[1])

    def _done(self, *words: str) -> tuple[int, str, str]:
        process: WarmPopen[str] = WarmPopen(
            [sys.executable, "-m", "aurora_cli", *words],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        printed, told = process.communicate(timeout=60)
        return process.returncode, printed, told

    def run_id(self) -> str:
        return str(self.json("runs", "list")["runs"][0]["run_id"])

    @property
    def ran(self) -> list[str]:
        runs = self.folder / "runs"
        return sorted(runs.read_text().split()) if runs.exists() else []

    def states(self) -> list[str]:
        with psycopg.connect(self.url) as connection:
            found = connection.execute("SELECT state FROM aurora_attempts ORDER BY token").fetchall()
        return [state for (state,) in found]


@pytest.fixture
def site(tmp_path: Path, server: PostgresServer) -> Iterator[Site]:
    (tmp_path / ".aurora").mkdir()
    (tmp_path / ".aurora" / "config.yaml").write_text(CONFIG)
    (tmp_path / "home").mkdir()
    site = Site(tmp_path, server.new_database())
    yield site
    for process in site.started:
        if process.poll() is None:
            process.kill()
            process.wait()


def wait_until(reached: Callable[[], object], *, within_s: float = 60.0) -> None:
    end = time.monotonic() + within_s
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_coordinator_and_worker_are_killed_and_each_task_runs_once(site: Site) -> None:
    (site.folder / "tasks.md").write_text("- [ ] 1 One\n- [ ] 2 Two\n")
    worker = site.begin("worker", "--pool", "p", "--concurrency", "2")
    coordinator = site.begin("spawn", "tasks.md", "--pool", "p", "--yes")
    wait_until(lambda: len(site.ran) == 2)
    worker.kill()
    coordinator.kill()
    worker.wait()
    coordinator.wait()
    run_id = site.run_id()
    assert site.states() == ["running", "running"]
    site.begin("worker", "--pool", "p", "--concurrency", "2")
    (site.folder / "go").touch()
    assert "2 of 2" in site.aur("resume", run_id, "--yes")
    assert site.ran == ["1", "2"], "no task has run twice"
    assert (site.folder / "tasks.md").read_text() == "- [x] 1 One\n- [x] 2 Two\n"
    assert site.states() == ["finished", "finished"]
    results = site.json("runs", "show", run_id)["tasks"]
    assert [each["state"] for each in results] == ["succeeded", "succeeded"]
    assert "done" in site.aur("logs", f"{run_id}/1")
    site.aur("audit", "verify")


def test_a_run_whose_coordinator_is_dead_is_cancelled_on_its_worker(site: Site) -> None:
    (site.folder / "tasks.md").write_text("- [ ] 1 One\n  - Agent: wait\n- [ ] 2 Two\n  - Agent: wait\n")
    worker = site.begin("worker", "--pool", "p")  # of one slot: the other task waits in the queue
    coordinator = site.begin("spawn", "tasks.md", "--pool", "p", "--yes")
    wait_until(lambda: len(site.ran) == 1 and len(site.states()) == 2)
    coordinator.kill()
    coordinator.wait()
    run_id = site.run_id()
    site.aur("cancel", run_id)
    wait_until(lambda: not [each for each in processes_of_run(run_id) if b"sleep" in _command(each)], within_s=5)
    assert sorted(site.states()) == ["finished", "voided"]
    worker.terminate()
    assert worker.wait(timeout=30) == 0
    assert "no worker" in site.aur("worker", "list")


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_what_a_pool_does_not_run_is_refused_and_recorded(site: Site) -> None:
    (site.folder / "tasks.md").write_text("- [ ] 1 One\n  - Agent: wait\n")
    site.begin("worker", "--pool", "p", "--allow", "count", "--name", "small")
    site.aur("spawn", "tasks.md", "--pool", "p", "--yes", status=1)
    run_id = site.run_id()
    told = site.aur("runs", "show", run_id)
    assert "worker small does not run it; it runs: count" in told
    ended = [each for each in site.aur("audit", "export", run_id).splitlines() if "not_taken" in each]
    assert ended, "the journal has the refusal"
    assert site.ran == []
    (site.folder / "tasks.md").write_text("- [ ] 1 One\n  - Agent: local\n")
    refused = site.aur("spawn", "tasks.md", "--pool", "p", "--yes", status=4)
    assert "a pool does not run local" in refused
    listed = site.json("worker", "list")["workers"]
    assert [(each["name"], each["state"], each["agents"]) for each in listed] == [("small", "serving", ["count"])]
    site.aur("worker", "drain", "small")
    assert site.started[0].wait(timeout=30) == 0


def test_a_pool_without_a_database_is_refused(site: Site) -> None:
    (site.folder / "tasks.md").write_text("- [ ] 1 One\n")
    site.url = ""
    assert "AURORA_DATABASE_URL" in site.aur("spawn", "tasks.md", "--pool", "p", "--yes", status=4)
    assert "AURORA_DATABASE_URL" in site.aur("worker", "--pool", "p", status=4)
    assert "name the pool" in site.aur("worker", status=2)


def test_nothing_of_the_database_is_loaded_without_a_pool() -> None:
    check = "import sys, aurora_cli.commands.spawn, aurora_soar.taskruns.execute, aurora_cli.commands.worker\n"
    check += "print([each for each in sys.modules if each.partition('.')[0] in ('psycopg',)])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
