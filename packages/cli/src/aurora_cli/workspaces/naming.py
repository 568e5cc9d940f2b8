"""Readings of a workspace, with the names that its runs and questions have outside it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aurora_cli.run_names import named

if TYPE_CHECKING:
    from aurora_spawner.control.checkpoints import RunSummary
    from aurora_spawner.control.live_runs import LiveRun, RunDetail
    from aurora_spawner.control.status import RunStatus
    from aurora_spawner.journal.approval_views import ApprovalRow

__all__ = ["named_detail", "named_live", "named_status", "named_summary"]


def named_status(workspace: str, status: RunStatus) -> RunStatus:
    """Returns a status in which the run and its questions have their names with the workspace."""
    asked = tuple(_question(workspace, each) for each in status.approvals)
    return replace(status, run_id=named(workspace, status.run_id), approvals=asked)


def named_summary(workspace: str, summary: RunSummary) -> RunSummary:
    """Returns a run of a list with its name."""
    return replace(summary, run=replace(summary.run, run_id=named(workspace, summary.run.run_id)))


def named_live(workspace: str, live: LiveRun) -> LiveRun:
    """Returns a run of the live view with its name."""
    run = replace(live.run, run_id=named(workspace, live.run.run_id))
    return replace(live, run=run, status=named_status(workspace, live.status))


def named_detail(workspace: str, detail: RunDetail) -> RunDetail:
    """Returns the tasks of a run with its name."""
    return replace(detail, run_id=named(workspace, detail.run_id))


def _question(workspace: str, asked: ApprovalRow) -> ApprovalRow:
    return replace(asked, run_id=named(workspace, asked.run_id), approval=named(workspace, asked.approval))
