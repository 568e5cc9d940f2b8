"""Attempts in a sandbox under their supervisor: cancelled, killed, adopted, refused, nothing is left."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from tests.exhaustive import few
from tests.spawner.sandbox.mechanism import ERRORS, force

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder, AttemptRefusedError, RunningAttempt
from aurora_spawner.runs.attempt_orders import new_token
from aurora_spawner.sandbox.executor import ConfiningExecutor
from aurora_spawner.sandbox.profile import temporary_folder
from aurora_spawner.sandbox.settings import Confinement, SandboxSettings
from aurora_spawner.supervision.environment import TOKEN_VARIABLE
from aurora_spawner.supervision.local_executor import LocalExecutor

if TYPE_CHECKING:
    from collections.abc import Iterator

BOTH = pytest.mark.parametrize("mechanism", few(ERRORS, 1))


@pytest.fixture(scope="session")
def tmp_path_factory(factory_on_disk: pytest.TempPathFactory) -> pytest.TempPathFactory:
    """On disk, because a sandbox has a /dev of its own."""
    return factory_on_disk


def order(folder: Path, script: str) -> AttemptOrder:
    (folder / "work").mkdir()
    token = new_token()
    return AttemptOrder(
        run_id="run", task_id="1", number=1, agent="a", token=token, folder=folder / "spool" / "1", prompt="",
        command=("sh", "-c", script), cwd=folder / "work", deadline_s=None,
        environment={"PATH": os.environ["PATH"], "HOME": str(folder), TOKEN_VARIABLE: token},
    )  # fmt: skip


def confining(*, required: bool = True, grace_s: float = 0.3) -> ConfiningExecutor:
    sandbox = SandboxSettings(required=required)
    return ConfiningExecutor(
        inner=LocalExecutor(grace_s=grace_s), confining=lambda _agent: Confinement(sandbox=sandbox)
    )


def living(token: str) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(TOKEN_VARIABLE) == token and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def appears(path: Path) -> Iterator[float]:
    """Yields pauses until a file is there."""
    end = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < end, f"{path} does not appear"
        yield 0.01


@BOTH
async def test_a_cancelled_attempt_leaves_nothing(
    mechanism: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its background processes, one of which ignores SIGTERM, and its temporary folder are gone."""
    force(monkeypatch, mechanism)
    executor = confining()
    script = "(trap '' TERM; while :; do sleep 1; done) & setsid sleep 60 & echo x > $TMPDIR/x; echo > ready; wait"
    running = await executor.start(order(tmp_path, script))
    assert running.sandbox is not None
    assert running.sandbox.mechanism == mechanism
    for pause in appears(tmp_path / "work" / "ready"):
        await asyncio.sleep(pause)
    assert (temporary_folder(running.token) / "x").exists()
    executor.cancel(running, at_once=False)
    end = await executor.collect(running)
    executor.close()
    assert end.reason == EndReason.CANCELLED
    assert living(running.token) == []
    assert not temporary_folder(running.token).exists()


@BOTH
async def test_another_coordinator_adopts_it_with_what_its_probe_has_shown(
    mechanism: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first executor is gone without a word, as after kill -9."""
    force(monkeypatch, mechanism)
    given = order(tmp_path, f"while [ ! -e go ]; do sleep 0.02; done; echo no > {tmp_path}/outside; echo done")
    first = confining()
    running = await first.start(given)
    first.close()
    second = confining()
    adopted = await second.adopt(token=given.token, folder=given.folder, supervisor=running.supervisor)
    assert isinstance(adopted, RunningAttempt)
    assert adopted.sandbox == running.sandbox
    (tmp_path / "work" / "go").touch()
    end = await second.collect(adopted)
    assert (end.reason, end.exit_code, end.stdout) == (EndReason.EXITED, 0, "done\n")
    assert end.denied == (f"{tmp_path}/outside",)
    assert end.record is not None
    assert end.record["denied"] == [f"{tmp_path}/outside"]
    assert not temporary_folder(given.token).exists()
    again = await confining().adopt(token=given.token, folder=given.folder, supervisor=running.supervisor)
    assert isinstance(again, AttemptEnd)
    assert again.denied == end.denied


@BOTH
async def test_kill_9_of_its_supervisor_ends_all_of_it(
    mechanism: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    force(monkeypatch, mechanism)
    executor = confining()
    running = await executor.start(order(tmp_path, "sleep 60 & echo > ready; sleep 60"))
    for pause in appears(tmp_path / "work" / "ready"):
        await asyncio.sleep(pause)
    os.kill(running.supervisor.pid, signal.SIGKILL)
    end = await executor.collect(running)
    executor.close()
    assert end.reason == EndReason.SUPERVISOR_LOST
    assert living(running.token) == []


@pytest.mark.parametrize("mechanism", ["none", "bubblewrap"])
async def test_an_attempt_that_needs_a_sandbox_does_not_start_without(
    mechanism: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no mechanism; or there was one a moment ago, and now it fails before any probe."""
    force(monkeypatch, mechanism)
    if mechanism == "bubblewrap":
        monkeypatch.setattr(
            "aurora_spawner.sandbox.launcher.__file__", str(Path(__file__).with_name("no_such_launcher.py"))
        )
    executor = confining()
    given = order(tmp_path, "echo > started")
    with pytest.raises(AttemptRefusedError) as refused:
        await executor.start(given)
    executor.close()
    assert refused.value.reason == EndReason.UNSANDBOXED
    assert "a sandbox is required, and does not hold: " in str(refused.value)
    assert not (tmp_path / "work" / "started").exists()
    assert living(given.token) == []
    assert not temporary_folder(given.token).exists()


async def test_an_attempt_that_ends_before_its_probe_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    force(monkeypatch, "landlock")
    monkeypatch.setattr("aurora_spawner.sandbox.launcher.__file__", str(tmp_path / "no_such_launcher.py"))
    executor = confining(required=False)
    running = await executor.start(order(tmp_path, "true"))
    await executor.collect(running)
    executor.close()
    assert running.sandbox is not None
    assert not running.sandbox.sandboxed
    assert not temporary_folder(running.token).exists()


async def test_where_it_is_not_required_it_runs_and_the_finding_says_unsandboxed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    force(monkeypatch, "none")
    executor = confining(required=False)
    running = await executor.start(order(tmp_path, f"echo no > {tmp_path}/outside; echo done"))
    end = await executor.collect(running)
    executor.close()
    assert running.sandbox is not None
    assert running.sandbox.words.startswith("unsandboxed: ")
    assert (end.stdout, end.denied, (tmp_path / "outside").exists()) == ("done\n", (), True)
