"""Hedging: a second attempt beside one that takes unusually long."""

import asyncio
import os
import sqlite3
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.warm_python import run_warm

from aurora_spawner import (
    CommandBackend,
    RecoveryPolicy,
    RecoverySettings,
    Run,
    RunEvent,
    RunOptions,
    RunReport,
    SpawnTask,
)
from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder, RunningAttempt
from aurora_spawner.backends.base import Reply
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import verify
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.run_events import TaskHedged
from aurora_spawner.testing import SimulatedBackend, SimulatedExecutor, processes_of_run

BACKENDS = {
    "sh": CommandBackend("sh", ("sh",)),
    "quick": CommandBackend("quick", ("sh", "-c", "echo by quick")),
    "broken": CommandBackend("broken", ("sh", "-c", "exit 3")),
    "slow": CommandBackend("slow", ("sh", "-c", "sleep 31.4159; echo by slow")),
}


def settings(fallback: str) -> RecoverySettings:
    policy = RecoveryPolicy(max_retries=0, fallback_to_llm=False, hedge_after=3.0, circuit_breaker_enabled=False)
    return RecoverySettings(policy=policy, fallbacks={"sh": (fallback,)}, state_dir=None)


def run(
    folder: Path, tasks: list[SpawnTask], fallback: str = "quick", at_once: int = 2
) -> tuple[RunReport, list[type[RunEvent]]]:
    made = Run.create(
        folder / "runs.db",
        tasks,
        BACKENDS,
        RunOptions(
            default_agent="sh",
            max_concurrent=at_once,
            cwd=folder,
            spool=folder / "runs",
            recovery=settings(fallback),
            executor=LocalExecutor(grace_s=0.3),
        ),
    )
    kinds: list[type[RunEvent]] = []
    report = made.execute_sync(lambda event: kinds.append(type(event)))
    with Journal(folder / "runs.db") as journal:
        assert verify(journal).problem is None
    assert processes_of_run(made.run_id, within_s=5.0) == []
    with closing(sqlite3.connect(folder / "runs.db")) as connection:
        assert connection.execute("SELECT count(*) FROM attempts WHERE state <> 'ended'").fetchone() == (0,)
    return report, kinds


@pytest.fixture
def known(tmp_path: Path) -> Path:
    """A folder whose journal knows how long the agent takes as a rule."""
    run(tmp_path, [SpawnTask("sleep 0.05; echo x") for _ in range(6)])
    return tmp_path


def test_the_first_good_result_wins_and_the_other_is_ended(known: Path) -> None:
    began = time.monotonic()
    report, kinds = run(known, [SpawnTask("sleep 27.1828; echo by sh")])
    result = report.results["1"]
    assert time.monotonic() - began < 10
    assert TaskHedged in kinds
    assert (result.output, result.agent, result.fallback, result.original_agent) == (
        "by quick\n",
        "quick",
        True,
        "sh",
    )
    assert result.retry_count == 0


def test_the_first_attempt_may_win(known: Path) -> None:
    report, kinds = run(known, [SpawnTask("sleep 2; echo by sh")], fallback="slow")
    assert TaskHedged in kinds
    assert (report.results["1"].output, report.results["1"].fallback) == ("by sh\n", False)


def test_a_hedge_that_fails_leaves_the_first_its_time(known: Path) -> None:
    report, kinds = run(known, [SpawnTask("sleep 2; echo by sh")], fallback="broken")
    assert TaskHedged in kinds
    assert report.results["1"].output == "by sh\n"


def test_when_the_first_fails_the_hedge_still_counts(known: Path) -> None:
    report, _kinds = run(known, [SpawnTask("sleep 2; exit 3")], fallback="quick")
    assert report.results["1"].output == "by quick\n"


def test_only_critical_tasks_are_hedged_and_only_within_the_limits(known: Path) -> None:
    _report, kinds = run(known, [SpawnTask("sleep 2; echo x", critical=False)])
    assert TaskHedged not in kinds
    _report, kinds = run(known, [SpawnTask("sleep 2; echo x")], at_once=1)
    assert TaskHedged not in kinds


def test_without_a_history_nothing_is_hedged(tmp_path: Path) -> None:
    _report, kinds = run(tmp_path, [SpawnTask("sleep 1; echo x")])
    assert TaskHedged not in kinds


@dataclass(frozen=True, slots=True)
class CountingBackend(SimulatedBackend):
    """Counts how often an output is read."""

    reads: list[str] = field(default_factory=list)

    def read(self, stdout: str, stderr: str) -> Reply:
        self.reads.append(stdout)
        return SimulatedBackend.read(self, stdout, stderr)


class OneHangs(SimulatedExecutor):
    """Attempts of the agent `sh` end when they are cancelled; all others at once."""

    def __init__(self, broken: str = "") -> None:
        super().__init__()
        self.broken = broken
        """The agent whose end cannot be collected the first time."""
        self.agents: dict[str, str] = {}
        self.cancelled: list[str] = []

    async def start(self, order: AttemptOrder) -> RunningAttempt:
        running = await super().start(order)
        self.agents[order.token] = order.agent
        if order.agent == "sh":
            self._ends[order.token] = asyncio.get_running_loop().create_future()
        return running

    async def collect(self, attempt: RunningAttempt) -> AttemptEnd:
        if self.agents[attempt.token] == self.broken and not self.cancelled:
            raise OSError("the disk is full")
        return await super().collect(attempt)

    def cancel(self, attempt: RunningAttempt, *, at_once: bool) -> None:
        self.cancelled.append(self.agents[attempt.token])
        super().cancel(attempt, at_once=at_once)


def hedged(folder: Path, executor: OneHangs) -> tuple[Run, CountingBackend, CountingBackend]:
    """Returns a run of one task that will be hedged, and its two agents."""
    first, second = CountingBackend("sh"), CountingBackend("quick")
    settled = RunOptions(
        default_agent="sh", cwd=folder, spool=folder / "runs", recovery=settings("quick"), executor=executor
    )
    made = Run.create(folder / "runs.db", [SpawnTask("go")], {"sh": first, "quick": second}, settled)
    return made, first, second


def test_an_output_is_read_once_though_a_hedge_is_judged_by_it(known: Path) -> None:
    made, first, second = hedged(known, OneHangs())
    assert made.execute_sync().results["1"].agent == "quick"
    assert (first.reads, second.reads) == ([], ["go"])


def test_a_broken_run_ends_both_attempts_of_a_hedge(known: Path) -> None:
    executor = OneHangs(broken="quick")
    made, _first, _second = hedged(known, executor)
    with pytest.raises(OSError, match="the disk is full"):
        made.execute_sync()
    assert set(executor.cancelled) == {"sh", "quick"}


PROGRAM = """
import os, signal, sys
from pathlib import Path
from aurora_spawner import Run, RunOptions, SpawnTask
from aurora_spawner.tasks.run_events import TaskHedged
from tests.spawner.recovery.test_recovery_hedge import BACKENDS, settings
folder = Path(sys.argv[1])
run = Run.create(folder / "runs.db", [SpawnTask("sleep 3; echo by sh")], BACKENDS, RunOptions(default_agent="sh",
    cwd=folder, spool=folder / "runs", recovery=settings("slow")))
(folder / "run_id").write_text(run.run_id)
run.execute_sync(lambda event: isinstance(event, TaskHedged) and os.kill(os.getpid(), signal.SIGKILL))
"""


def test_a_resume_ends_the_hedge_and_goes_on_with_the_first_attempt(known: Path) -> None:
    root = Path(__file__).parents[3]
    run_warm(
        [sys.executable, "-c", PROGRAM, str(known)],
        env={**os.environ, "PYTHONPATH": str(root)},
        timeout=30,
    )
    run_id = (known / "run_id").read_text()
    report = Run.resume(
        known / "runs.db", run_id, BACKENDS, recovery=settings("broken"), executor=LocalExecutor(grace_s=0.3)
    ).execute_sync()
    assert report.results["1"].output == "by sh\n"
    assert processes_of_run(run_id, within_s=5.0) == []
    with closing(sqlite3.connect(known / "runs.db")) as connection:
        query = "SELECT number, reason FROM attempts WHERE run_id = ? AND number < 3 ORDER BY number"
        assert connection.execute(query, (run_id,)).fetchall() == [(1, "exited"), (2, "outdated")]
    with Journal(known / "runs.db") as journal:
        assert verify(journal).problem is None
