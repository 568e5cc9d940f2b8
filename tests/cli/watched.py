"""What the live view is given, built from plain values."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.cli.test_cli_runs_view import run_row

from aurora_cli.watch.facts import Facts
from aurora_policies.budget import BudgetStatus
from aurora_spawner import SpawnResult, SpawnTask, TaskState
from aurora_spawner.control.live_runs import LiveRun, RunDetail
from aurora_spawner.control.status import RunningTask, RunStatus
from aurora_spawner.journal.approval_views import ApprovalRow, ApprovalState
from aurora_spawner.journal.views import TaskRow
from aurora_spawner.tasks.result import RunState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_spawner.journal.views import RunRow

NOW = 1_000_000_100.0


def task(
    task_id: str,
    title: str = "do it",
    *needs: str,
    state: TaskState = TaskState.PENDING,
    result: SpawnResult | None = None,
    attempts: int = 0,
    files: tuple[str, ...] = (),
) -> TaskRow:
    return TaskRow(
        task_id=task_id,
        position=0,
        state=state,
        task=SpawnTask(title, id=task_id, title=title, depends_on=needs, files=files),
        added_by=None,
        attempts=attempts,
        started_at=None,
        ended_at=None,
        result=result,
        cancel_asked=False,
    )


def live(
    *, run: RunRow | None = None, state: str = "running", pid: int | None = 17, running: Sequence[RunningTask] = ()
) -> LiveRun:
    row = run or run_row(state=RunState.RUNNING)
    status = RunStatus(
        run_id=row.run_id, state=state, paused=False, pid=pid, tasks={"pending": 1}, running=tuple(running)
    )
    return LiveRun(run=row, status=status)


def works_on(task_id: str, *, agent: str = "claude", attempt: int = 1, ended: bool = False) -> RunningTask:
    return RunningTask(task=task_id, agent=agent, attempt=attempt, since=NOW - 34, ended=ended)


def question(
    task_id: str = "1",
    *,
    approval: str = "k7m2xq",
    subject: str = "rm -rf lib",
    shape: str = "",
    gate: str = "live",
) -> ApprovalRow:
    return ApprovalRow(
        run_id="spawn-1",
        approval=approval,
        task_id=task_id,
        number=1,
        agent="claude",
        gate=gate,
        subject=subject,
        rule="file_delete",
        reason="it deletes files",
        shape=shape,
        limit_s=None,
        asked_at=NOW - 120,
        state=ApprovalState.OPEN,
        answered_at=None,
        answered_by=None,
        note="",
        granted=False,
    )


def asking(run: LiveRun, *questions: ApprovalRow) -> LiveRun:
    return replace(run, status=replace(run.status, approvals=questions))


def facts_of(run: LiveRun, *tasks: TaskRow) -> Facts:
    detail = RunDetail(run_id=run.run.run_id, tasks=tasks, conflicts=())
    return Facts(at=NOW, runs=(run,), selected=run, detail=detail)


def month(consumed: float, *, limit: float = 50.0) -> BudgetStatus:
    return BudgetStatus(
        period="2001-09",
        limit_usd=limit,
        consumed_usd=consumed,
        estimated_usd=0.0,
        reserved_usd=0.25,
        warn_at_percent=80.0,
        total_entries=1,
        by_agent=(),
    )
