"""A run that is interrupted in the very moment in which its agents start ends at once and leaves nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from aurora_spawner import CommandBackend, Run, RunEvent, SpawnTask, TaskStarted

SLEEP_S = "41.4142"


def sleepers() -> list[int]:
    return [p.pid for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", SLEEP_S]]


@pytest.mark.parametrize("after", range(8))
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_between_fork_and_handlers_is_not_lost(
    tmp_path: Path, number: signal.Signals, after: int
) -> None:
    started = 0

    def interrupt(event: RunEvent) -> None:
        nonlocal started
        started += isinstance(event, TaskStarted)
        if isinstance(event, TaskStarted) and started == after + 1:
            os.kill(os.getpid(), number)

    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("sleep", id=str(i)) for i in range(10)],
        {"sleeper": CommandBackend(name="sleeper", command=("sleep", SLEEP_S))},
        default_agent="sleeper",
        max_concurrent=10,
        cwd=tmp_path,
        spool=tmp_path / "spool",
    )
    report = await run.execute(on_event=interrupt)
    assert report.interrupted
    assert report.cancelled == 10
    assert sleepers() == []
