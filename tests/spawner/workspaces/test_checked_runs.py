"""Runs whose merged work has to pass a check: red work is left out, and nobody is blamed for what is not theirs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.exhaustive import few
from tests.warm_python import WarmPopen

from aurora_spawner import CommandBackend, Run, RunOptions, RunReport, SpawnTask
from aurora_spawner.control.merging import merge_work
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.result import RunState
from aurora_spawner.tasks.work import Delivery, MergeOutcome
from aurora_spawner.workspaces.isolation import MergeMode, isolation_of

if TYPE_CHECKING:
    from tests.spawner.workspaces.repository import Repository

ROOT = Path(__file__).parents[3]
BACKENDS = {"sh": CommandBackend("sh", ("sh",))}
NOT_BOTH = "if test -e a.txt && test -e b.txt; then echo a and b clash; exit 1; fi"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The folder of the journal, outputs and worktrees: outside the repository."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


def make(
    repository: Repository, place: Path, *checks: str, names: str = "abc", merge: MergeMode = MergeMode.AUTO
) -> Run:
    tasks = [SpawnTask(f"echo {name} > {name}.txt; echo done", id=name) for name in names]
    options = RunOptions(
        default_agent="sh",
        cwd=repository.path,
        spool=place / "runs",
        isolation=isolation_of(repository.path, home=place / "worktrees", merge=merge)[0],
        checks=checks,
        executor=LocalExecutor(grace_s=0.3),
    )
    return Run.create(place / "runs.db", tasks, BACKENDS, options)


def run(repository: Repository, place: Path, *checks: str, names: str = "abc") -> RunReport:
    return make(repository, place, *checks, names=names).execute_sync()


def test_two_that_are_green_alone_and_red_together_are_named(repository: Repository, place: Path) -> None:
    report = run(repository, place, "true", NOT_BOTH)
    assert not report.ok
    assert report.merge is not None
    assert {each.task_id: (each.outcome, each.clashes_with) for each in report.merge.unmerged} == {
        "b": (MergeOutcome.RED, "a")
    }
    assert report.merge.delivery.outcome is Delivery.FAST_FORWARDED
    assert "a and b clash" in report.merge.delivery.check_output
    assert [(repository.path / f"{name}.txt").exists() for name in "abc"] == [True, False, True]
    assert repository("rev-parse", report.merge.unmerged[0].branch) == report.merge.unmerged[0].commit


def test_a_check_that_fails_on_the_base_blames_nobody(repository: Repository, place: Path) -> None:
    report = run(repository, place, "echo always red; exit 1")
    assert not report.ok
    assert report.merge is not None
    assert report.merge.delivery.base_fails
    assert {each.outcome for each in report.merge.unmerged} == {MergeOutcome.UNCHECKED}
    assert report.merge.delivery.outcome is None
    again = merge_work(place / "runs.db", report.run_id, checks=["echo always red; exit 1"])
    assert (again.merge.delivery.base_fails, again.merge.delivery.outcome, again.arrived) == (True, None, False)
    assert not (repository.path / "a.txt").exists()


def test_what_was_merged_without_checks_is_checked_before_it_is_delivered(
    repository: Repository, place: Path
) -> None:
    report = make(repository, place, merge=MergeMode.NEVER).execute_sync()
    refused = merge_work(place / "runs.db", report.run_id, checks=[NOT_BOTH])
    assert refused.merge.delivery.outcome is Delivery.RED
    assert not (repository.path / "a.txt").exists()
    assert merge_work(place / "runs.db", report.run_id).arrived


def test_a_check_whose_files_cannot_be_deleted_ends_no_run(
    repository: Repository, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of a container, which belong to another user."""

    chmod, refused = Path.chmod, []

    def only_ours(path: Path, mode: int) -> None:
        if path.name == "left":
            refused.append(path)
            raise PermissionError(1, "Operation not permitted")
        chmod(path, mode)

    monkeypatch.setattr(Path, "chmod", only_ours)
    assert run(repository, place, "mkdir left; touch left/file").ok
    assert refused


def test_a_check_whose_program_is_missing_fails_no_task(repository: Repository, place: Path) -> None:
    report = run(repository, place, "no-such-program-here --all")
    assert not report.ok
    assert report.merge is not None
    assert report.merge.tasks == {}
    assert "the check 'no-such-program-here --all' cannot run (exit status 127)" in str(report.merge.delivery.problem)
    assert report.succeeded == 3
    again = merge_work(place / "runs.db", report.run_id, checks=["test -e a.txt"])
    assert again.arrived
    assert (repository.path / "c.txt").exists()


def test_a_check_sees_the_merged_work_and_no_secret(
    repository: Repository, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://user:password@host/db")
    report = run(repository, place, "test -e a.txt -a -e b.txt -a -e c.txt", 'test -z "$DATABASE_URL"')
    assert report.ok, report.merge


PROGRAM = """
import sys
from pathlib import Path
from tests.spawner.workspaces.repository import Repository
from tests.spawner.workspaces.test_checked_runs import make
repository, place = Repository(Path(sys.argv[1])), Path(sys.argv[2])
run = make(repository, place, f"echo $$ > {place}/check.pid; sleep 27.1828", names="a")
(place / "run_id").write_text(run.run_id)
print(run.execute_sync().state)
"""


@pytest.mark.parametrize("how", few([signal.SIGINT, signal.SIGKILL], 1))
def test_a_check_ends_with_its_run_and_a_resume_completes_it(
    repository: Repository, place: Path, how: signal.Signals
) -> None:
    command = [sys.executable, "-c", PROGRAM, str(repository.path), str(place)]
    with WarmPopen[bytes](command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}) as program:
        pid_file = place / "check.pid"
        wait_for(lambda: pid_file.exists() and pid_file.read_text().strip())
        program.send_signal(how)
        printed = program.communicate(timeout=20)[0]
    if how is signal.SIGINT:
        assert printed.decode().strip() == RunState.INTERRUPTED
    wait_for(lambda: not is_alive(int(pid_file.read_text())))
    resumed = Run.resume(place / "runs.db", (place / "run_id").read_text(), BACKENDS, checks=("test -e a.txt",))
    assert resumed.execute_sync().ok
    assert (repository.path / "a.txt").read_text() == "a\n"


def wait_for(condition: object) -> None:
    assert callable(condition)
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
