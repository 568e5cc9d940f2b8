"""Steers the runs of all workspaces: each action goes to the journal of the workspace that the run is named with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aurora_cli.error_messages import error_report
from aurora_cli.errors import CliError
from aurora_cli.run_names import parted
from aurora_cli.watch.steering import NOT_DONE, Steering
from aurora_cli.wiring import workspace_root
from aurora_core import AuroraCoreError
from aurora_soar.aurora.root import Aurora

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_spawner.control.live_runs import LiveRun

__all__ = ["WorkspacesSteering"]


class WorkspacesSteering:
    """The runs of all workspaces, steered. The project is opened anew for each action, as the folder is then."""

    def pause(self, run_id: str) -> str:
        """Pauses a run."""
        return _there(run_id, lambda steering, name: steering.pause(name))

    def resume(self, live: LiveRun) -> str:
        """Continues a paused run in its process; for a run without one, names the command that resumes it."""

        def resume(steering: Steering, name: str) -> str:
            return steering.resume(replace(live, run=replace(live.run, run_id=name)))

        return _there(live.run.run_id, resume)

    def cancel(self, run_id: str, task_id: str | None) -> str:
        """Cancels a run, or one of its tasks."""
        return _there(run_id, lambda steering, name: steering.cancel(name, task_id))

    def answer(self, approval: str, *, approved: bool, note: str = "", always: bool = False) -> str:
        """Answers a question."""
        return _there(
            approval, lambda steering, name: steering.answer(name, approved=approved, note=note, always=always)
        )


def _there(name: str, act: Callable[[Steering, str], str]) -> str:
    workspace, own_name = parted(name)
    try:
        root = workspace_root(workspace)
    except (AuroraCoreError, CliError) as error:
        return f"{NOT_DONE}{error_report(error).message}"
    with Aurora.open(root, existing=True) as aurora:
        return act(Steering(aurora, workspace=workspace), own_name)
