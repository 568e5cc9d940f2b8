"""Take-overs in the process of the run: a task goes on, whenever it is handed back."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.waiting import wait_for

from aurora_spawner import CliBackend, CommandBackend, Run, RunOptions, SpawnTask
from aurora_spawner.attempts.process_identity import own_identity
from aurora_spawner.errors import TakeOverError
from aurora_spawner.runs.coordinator import Coordinator
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.result import TaskState
from aurora_spawner.tasks.run_events import TaskEnded, TaskHandedBack, TaskTakenOver

if TYPE_CHECKING:
    from aurora_spawner import RunEvent

AGENT = Path(__file__).parents[1] / "cli" / "taken_agent.py"
DEAF = 'trap "" TERM; exec "$0" "$@"'
"""Starts an agent that does not end when it is asked to."""


async def test_a_task_that_is_handed_back_before_its_attempt_has_ended_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coordinators: list[Coordinator] = []

    class Known(Coordinator):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            coordinators.append(self)

    monkeypatch.setattr("aurora_spawner.runs.execution.Coordinator", Known)
    agent = CliBackend(
        name="claude", kind="claude", command=("sh", "-c", DEAF, sys.executable, str(AGENT), str(tmp_path))
    )
    options = RunOptions(
        default_agent="claude", cwd=tmp_path, spool=tmp_path / "runs", executor=LocalExecutor(grace_s=1.0)
    )
    run = Run.create(tmp_path / "runs.db", [SpawnTask("Do it", id="a")], {"claude": agent}, options)
    events: list[RunEvent] = []
    running = asyncio.create_task(run.execute(on_event=events.append))
    calls = tmp_path / "calls"
    spool = tmp_path / "runs" / run.run_id
    await asyncio.to_thread(
        wait_for, lambda: any(b"I work on it" in each.read_bytes() for each in spool.glob("*/stdout"))
    )
    await coordinators[0].take_over("a", own_identity())
    await coordinators[0].hand_back("a", why="at once")
    await asyncio.to_thread(wait_for, lambda: len(calls.read_text().splitlines()) == 2)
    (tmp_path / "go").touch()
    report = await running
    assert report.results["a"].state is TaskState.SUCCEEDED
    told = [type(each) for each in events if isinstance(each, TaskTakenOver | TaskHandedBack | TaskEnded)]
    assert told == [TaskTakenOver, TaskHandedBack, TaskEnded]


async def test_a_task_on_another_machine_is_not_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be it a worker or a host over ssh; the pool is the task's own, if it names one."""
    coordinators: list[Coordinator] = []

    class Known(Coordinator):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            coordinators.append(self)

    monkeypatch.setattr("aurora_spawner.runs.execution.Coordinator", Known)
    agent = CommandBackend("far", ("sh", "-c", f"touch {tmp_path}/begun; sleep 60"))
    options = RunOptions(
        default_agent="far",
        cwd=tmp_path,
        spool=tmp_path / "runs",
        executor=LocalExecutor(grace_s=1.0),  # stands for that of a pool
        pool="p",
    )
    run = Run.create(tmp_path / "runs.db", [SpawnTask("Do it", id="a", pool="host")], {"far": agent}, options)
    running = asyncio.create_task(run.execute())
    await asyncio.to_thread(wait_for, (tmp_path / "begun").exists)
    with pytest.raises(TakeOverError, match="@far works on another machine, of pool host; only work on this machine"):
        await coordinators[0].take_over("a", own_identity())
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
