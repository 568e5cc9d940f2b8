"""Trees on a pool while a worker or the coordinator is killed at each step of their way: all of it is merged once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.exhaustive import few
from tests.postgres import PostgresServer
from tests.spawner.workspaces.repository import ALONE, Repository, make_repository
from tests.warm_python import WarmPopen

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG = """
tool: write
merge: auto
backends:
  write:
    kind: command
    command: [sh, -c, "t=$AURORA_TASK_ID; echo $t >> $HOME/runs; echo $t >> $t.txt; ls; sleep 0.2"]
"""
TASKS = "- [ ] 1 One\n- [ ] 2 Two\n- [ ] 3 Three\n  - Depends: 1, 2\n"


@dataclass(slots=True)
class Site:
    """A project with its own git, a bare repository for the pool, and the processes of `aur` on them."""

    folder: Path
    url: str
    project: Repository
    started: list[WarmPopen[str]] = field(default_factory=list)

    def begin(self, *words: str, fault: str = "") -> WarmPopen[str]:
        """Starts `aur`, which kills itself at a step if it is told to."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("AURORA_")}
        environ |= {
            **ALONE,
            "HOME": str(self.folder / "home"),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "AURORA_TRUST": "1",
            "AURORA_DATABASE_URL": self.url,
        }
        program = ["-m", "aurora_cli"]
        if fault:
            program = [str(Path(__file__).with_name("faulty_pool.py"))]
            environ |= {"AURORA_FAULT": fault, "AURORA_FAULT_DONE": str(self.folder / "killed")}
        with (self.folder / f"log-{len(self.started)}").open("w") as log:
            process: WarmPopen[str] = WarmPopen(
                [sys.executable, *program, *words], cwd=self.project.path, env=environ, stdout=log, stderr=log
            )
        self.started.append(process)
        return process

    def worker(self, *words: str, fault: str = "") -> WarmPopen[str]:
        return self.begin("worker", "--pool", "p", "--concurrency", "2", *words, fault=fault)

    def ended(self, process: WarmPopen[str], within_s: float = 60.0) -> int:
        """Waits for a process; returns its status, -9 for one that has killed itself."""
        try:
            return process.wait(timeout=within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(self.said) from None

    @property
    def said(self) -> str:
        return "\n".join(each.read_text() for each in sorted(self.folder.glob("log-*")))

    def json(self, *words: str) -> Any:
        process = self.begin(*words, "--json")
        self.ended(process)
        return json.loads((self.folder / f"log-{len(self.started) - 1}").read_text())

    @property
    def ran(self) -> list[str]:
        return sorted((self.folder / "home" / "runs").read_text().split())

    def refs(self) -> list[str]:
        return self.project("for-each-ref", "--format=%(refname)", folder=self.folder / "exchange").splitlines()

    def kept(self) -> list[Path]:
        return list(self.folder.glob("home/.config/aurora/workers/*/trees/worktrees/*/*/*-*"))


@pytest.fixture
def site(tmp_path: Path, server: PostgresServer) -> Iterator[Site]:
    subprocess.run(["git", "init", "--quiet", "--bare", tmp_path / "exchange"], check=True)
    config = f"{CONFIG}pools:\n  p: {{repository: {tmp_path / 'exchange'}}}\n"
    project = make_repository(
        tmp_path / "project", {"tasks.md": TASKS, ".aurora/config.yaml": config, ".gitignore": ".aurora/*\n"}
    )
    project("checkout", "--quiet", "-b", "work")  # a protected branch would want an approval
    (tmp_path / "home").mkdir()
    site = Site(tmp_path, server.new_database(), project)
    yield site
    for process in site.started:
        if process.poll() is None:
            process.kill()
            process.wait()


def check(site: Site, *, runs: int = 3) -> None:
    """Each task succeeded once, its work is merged once, the checkout is the branch, and nothing is left behind."""
    project = site.project.path
    for name in "123":
        assert (project / f"{name}.txt").read_text() == f"{name}\n", site.said
    assert (project / "tasks.md").read_text().count("[x]") == 3, site.said
    assert site.project("status", "--porcelain", "--", "1.txt", "2.txt", "3.txt", ".gitignore") == ""
    assert sorted(set(site.ran)) == ["1", "2", "3"]
    assert len(site.ran) <= runs, "no more attempts than the kill has cost"
    assert site.refs() == [], site.said
    run = site.json("runs", "list")["runs"][0]
    assert run["state"] == "succeeded"
    assert site.ended(site.begin("audit", "verify")) == 0


WORKER = [
    "before:fetch",
    "after:fetch",
    "after:start",
    "before:commit",
    "after:commit",
    "after:push",
    "after:deliver",
]
"""A kill between the claim and the start of the agent costs an attempt; later ones do not."""


@pytest.mark.parametrize("fault", few(WORKER, 1))
def test_a_worker_is_killed_at_each_step_and_its_next_process_goes_on(site: Site, fault: str) -> None:
    coordinator = site.begin("spawn", "tasks.md", "--pool", "p", "--yes")
    assert site.ended(site.worker(fault=fault)) == -9, site.said
    last = site.worker()
    assert site.ended(coordinator) == 0, site.said
    check(site)
    last.terminate()
    assert site.ended(last) == 0
    assert site.kept(), "its worktrees stay until it has seen that their work is safe"
    site.worker()
    until(lambda: not site.kept(), site)


COORDINATOR = ["before:send", "after:send", "after:queue", "before:bring", "x:reset", "after:bring", "before:sweep"]


@pytest.mark.parametrize("fault", few(COORDINATOR, 1))
def test_the_coordinator_is_killed_at_each_step_and_a_resume_goes_on(site: Site, fault: str) -> None:
    site.worker()
    assert site.ended(site.begin("spawn", "tasks.md", "--pool", "p", "--yes", fault=fault)) == -9, site.said
    run_id = str(site.json("runs", "list")["runs"][0]["run_id"])
    site.ended(site.begin("resume", run_id, "--yes"))
    check(site)


def until(reached: Any, site: Site, *, within_s: float = 60.0) -> None:
    end = time.monotonic() + within_s
    while not reached():
        assert time.monotonic() < end, site.said
        time.sleep(0.05)


def test_a_sandboxed_agent_commits_in_its_worktree_and_changes_nothing_else(site: Site) -> None:
    script = "touch $HOME/out; echo x > x.txt; git add .; git commit -qm own; ls"
    own = f"  own: {{kind: command, command: [sh, -c, '{script}']}}\n"
    config = site.project.path / ".aurora" / "config.yaml"
    config.write_text(config.read_text().replace("backends:\n", f"backends:\n{own}"))
    (site.project.path / "tasks.md").write_text("- [ ] 1 One\n  - Agent: own\n")
    site.worker()
    coordinator = site.begin("spawn", "tasks.md", "--pool", "p", "--yes", "--sandbox", "require")
    if site.ended(coordinator) and "does not hold" in site.said:
        pytest.skip("no sandbox holds here")
    assert (site.project.path / "x.txt").read_text() == "x\n", site.said
    assert site.project("log", "--format=%s", "-1", "--", "x.txt") == "own"
    assert not (site.folder / "home" / "out").exists()
