"""A run that is interrupted in the very moment in which its agents start ends at once and leaves nothing."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.exhaustive import few

from aurora_spawner import CommandBackend, Run, RunEvent, RunOptions, RunReport, SpawnTask
from aurora_spawner.control.steering import run_status
from aurora_spawner.runs.execution import Execution
from aurora_spawner.tasks.run_events import TaskStarted

SLEEP_S = "41.4142"


def sleepers() -> list[int]:
    return [p.pid for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", SLEEP_S]]


@pytest.mark.parametrize("after", few(range(8), 1))
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
        RunOptions(
            default_agent="sleeper",
            max_concurrent=10,
            cwd=tmp_path,
            spool=tmp_path / "spool",
        ),
    )
    report = await run.execute(on_event=interrupt)
    assert report.interrupted
    assert report.cancelled == 10
    assert sleepers() == []


@pytest.mark.parametrize("number", few([signal.SIGINT, signal.SIGTERM, signal.SIGHUP], 1))
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_signal_around_the_work_leaves_no_crashed_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, moment: str
) -> None:
    """While attempts are adopted before it, and before the end of the run is written down after it."""
    run = Run.create(
        tmp_path / "runs.db",
        [SpawnTask("go")],
        {"echo": CommandBackend(name="echo", command=("echo", "done"))},
        RunOptions(
            default_agent="echo",
            cwd=tmp_path,
            spool=tmp_path / "spool",
        ),
    )

    def interrupt(*given: Any) -> RunReport:
        os.kill(os.getpid(), number)
        return report_of(*given)

    report_of = Execution.report
    if moment == "after":
        monkeypatch.setattr(Execution, "report", interrupt)
    else:
        begin = Execution.coordinator

        def interrupted(*given: Any, **more: Any) -> object:
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)
            return begin(*given, **more)

        monkeypatch.setattr(Execution, "coordinator", interrupted)
    report = await run.execute()
    assert report.state in (("succeeded",) if moment == "after" else ("interrupted", "succeeded"))
    assert run_status(tmp_path / "runs.db", run.run_id).state == report.state
