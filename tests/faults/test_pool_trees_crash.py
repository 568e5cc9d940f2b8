"""Trees on a pool while a worker or the coordinator is killed at each step of their way: all of it is merged once."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.exhaustive import few
from tests.faults.faulty_site import FaultySite, faulty_project
from tests.postgres import PostgresServer
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


@dataclass(slots=True, kw_only=True)
class Site(FaultySite):
    """A project with its own git, a bare repository for the pool, and the processes of `aur` on them."""

    def worker(self, *words: str, fault: str = "") -> WarmPopen[str]:
        return self.begin("worker", "--pool", "p", "--concurrency", "2", *words, fault=fault)

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
    project = faulty_project(tmp_path, config)
    variables = {"AURORA_DATABASE_URL": server.new_database()}
    site = Site(folder=tmp_path, project=project, variables=variables)
    yield site
    site.close()


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
