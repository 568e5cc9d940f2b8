"""Runs on a host over a real sshd while either side is killed at each step: each agent runs once, all is merged."""

from __future__ import annotations

import contextlib
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from tests.exhaustive import few
from tests.faults.faulty_site import FAULTY, FaultySite, faulty_project
from tests.ssh_server import SshServer

if TYPE_CHECKING:
    from collections.abc import Iterator

BACKENDS = """
backends:
  write:
    kind: command
    command: [sh, -c, "t=$AURORA_TASK_ID; echo $t >> {folder}/runs; echo $t >> $t.txt; ls; sleep 0.2"]
"""


@dataclass(slots=True, kw_only=True)
class Site(FaultySite):
    """A project here and one on the host, and the processes of `aur` here."""

    server: SshServer

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
    project = faulty_project(tmp_path, config)
    variables = {"PATH": ssh_server.path}
    site = Site(folder=tmp_path, project=project, variables=variables, server=ssh_server)
    yield site
    site.close()


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


@pytest.mark.parametrize("fault", few(COORDINATOR, 1))
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
