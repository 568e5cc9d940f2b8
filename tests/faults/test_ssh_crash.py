"""Runs on a host over a real sshd while either side is killed at each step: each agent runs once, all is merged."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from tests.exhaustive import few
from tests.spawner.workspaces.repository import ALONE, Repository, make_repository
from tests.ssh_server import SshServer
from tests.warm_python import WarmPopen

if TYPE_CHECKING:
    from collections.abc import Iterator

FAULTY = Path(__file__).with_name("faulty_pool.py")
BACKENDS = """
backends:
  write:
    kind: command
    command: [sh, -c, "t=$AURORA_TASK_ID; echo $t >> {folder}/runs; echo $t >> $t.txt; ls; sleep 0.2"]
"""
TASKS = "- [ ] 1 One\n- [ ] 2 Two\n- [ ] 3 Three\n  - Depends: 1, 2\n"


@dataclass(slots=True)
class Site:
    """A project here and one on the host, and the processes of `aur` here."""

    folder: Path
    server: SshServer
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
            "PATH": self.server.path,
        }
        program = ["-m", "aurora_cli"]
        if fault:
            program = [str(FAULTY)]
            environ |= {"AURORA_FAULT": fault, "AURORA_FAULT_DONE": str(self.folder / "killed")}
        with (self.folder / f"log-{len(self.started)}").open("w") as log:
            process: WarmPopen[str] = WarmPopen(
                [sys.executable, *program, *words], cwd=self.project.path, env=environ, stdout=log, stderr=log
            )
        self.started.append(process)
        return process

    def host_dies_at(self, fault: str) -> None:
        """Makes the program of the host kill itself at a step, once."""
        done = shlex.quote(str(self.folder / "killed"))
        script = self.folder / "aur"
        script.write_text(
            f'#!/bin/sh\n[ -e {done} ] && exec {self.server.program} "$@"\n'
            f"export AURORA_FAULT={fault} AURORA_FAULT_DONE={done}\n"
            f'exec {sys.executable} {shlex.quote(str(FAULTY))} "$@"\n'
        )
        script.chmod(0o755)
        config = self.project.path / ".aurora" / "config.yaml"
        config.write_text(config.read_text().replace(self.server.program, str(script)))

    def ended(self, process: WarmPopen[str], within_s: float = 90.0) -> int:
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
        return (self.folder / "runs").read_text().split()


@pytest.fixture
def site(tmp_path: Path, ssh_server: SshServer) -> Iterator[Site]:
    backends = BACKENDS.format(folder=tmp_path)
    there = tmp_path / "there" / ".aurora"
    there.mkdir(parents=True)
    (there / "config.yaml").write_text(backends)
    where = f"ssh: far, port: {ssh_server.port}, folder: {there.parent}, program: {ssh_server.program}"
    config = f"tool: write\nmerge: auto\n{backends}pools:\n  far: {{{where}, concurrency: 2}}\n"
    project = make_repository(
        tmp_path / "project", {"tasks.md": TASKS, ".aurora/config.yaml": config, ".gitignore": ".aurora/*\n"}
    )
    project("checkout", "--quiet", "-b", "work")  # a protected branch would want an approval
    (tmp_path / "home").mkdir()
    site = Site(tmp_path, ssh_server, project)
    yield site
    for process in site.started:
        if process.poll() is None:
            process.kill()
            process.wait()


def check(site: Site) -> str:
    """Each task ran and succeeded once, its work is merged once, and nothing is left behind; returns the run's id."""
    project = site.project.path
    for name in "123":
        assert (project / f"{name}.txt").read_text() == f"{name}\n", site.said
    assert (project / "tasks.md").read_text().count("[x]") == 3, site.said
    assert sorted(site.ran) == ["1", "2", "3"], site.said
    run = site.json("runs", "list")["runs"][0]
    assert run["state"] == "succeeded"
    assert site.ended(site.begin("audit", "verify")) == 0
    return str(run["run_id"])


HOST = ["before:take", "after:fetch", "after:start", "before:commit", "after:push", "before:give", "after:commit"]


@pytest.mark.parametrize("fault", few(HOST, 1))
def test_the_program_of_the_host_is_killed_at_each_step_and_the_next_one_goes_on(site: Site, fault: str) -> None:
    site.host_dies_at(fault)
    assert site.ended(site.begin("spawn", "tasks.md", "--pool", "far", "--yes")) == 0, site.said
    assert (site.folder / "killed").exists()
    run_id = check(site)
    shown = site.json("runs", "show", run_id)
    assert {task["host"] for task in shown["tasks"]} == {"far"}


COORDINATOR = ["after:ask", "x:reset", "before:ask", "before:send", "after:send", "after:bring", "before:sweep"]


@pytest.mark.parametrize("fault", few(COORDINATOR, 2))
def test_the_coordinator_is_killed_at_each_step_and_a_resume_adopts(site: Site, fault: str) -> None:
    assert site.ended(site.begin("spawn", "tasks.md", "--pool", "far", "--yes", fault=fault)) == -9, site.said
    run_id = str(site.json("runs", "list")["runs"][0]["run_id"])
    site.ended(site.begin("resume", run_id, "--yes"))
    check(site)


def test_a_cancel_from_outside_ends_the_agent_on_the_host(site: Site) -> None:
    there = site.folder / "there" / ".aurora" / "config.yaml"
    there.write_text(there.read_text().replace("sleep 0.2", "exec sleep 60"))
    coordinator = site.begin("spawn", "tasks.md", "--pool", "far", "--yes")
    until(lambda: (site.folder / "runs").exists() and len(site.ran) == 2, site)
    (run,) = site.json("status")["runs"]
    assert {each["host"] for each in run["running"]} == {"far"}
    assert processes_of(run["run_id"])
    assert site.ended(site.begin("cancel", run["run_id"])) == 0, site.said
    site.ended(coordinator)
    assert not processes_of(run["run_id"])
    assert site.json("runs", "list")["runs"][0]["state"] == "cancelled"


def processes_of(run_id: str) -> list[psutil.Process]:
    """Returns the processes of agents of a run."""
    found = []
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if each.environ().get("AURORA_RUN_ID") == run_id and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each)
    return found


def until(reached: Any, site: Site, *, within_s: float = 60.0) -> None:
    end = time.monotonic() + within_s
    while not reached():
        assert time.monotonic() < end, site.said
        time.sleep(0.05)
