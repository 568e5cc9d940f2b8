"""Sentences about the processes that work on a run or a session, for whoever is attached to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_cli.render.words import one_line
from aurora_spawner.control.attached import Attached, CoordinatorEnded, CoordinatorKilled, CoordinatorTook
from aurora_spawner.tasks.result import RunState

if TYPE_CHECKING:
    from aurora_spawner.control.attached import Attachment

__all__ = ["RESUME", "holder_line"]

RESUME: Final = "aur resume"
"""The command that goes on with a run; sessions have another."""


def holder_line(event: Attachment, run_id: str, *, go_on: str) -> str:
    """Returns what is told of a process.

    Args:
        go_on: the command that goes on with what no process works on.
    """
    name = one_line(run_id)
    match event:
        case Attached(pid=None):
            return f"{name}: {_unheld(event.state, name, go_on)}"
        case Attached():
            return f"attached to {name}, which process {event.pid} works on; Ctrl-C detaches"
        case CoordinatorTook():
            return f"{name}: process {event.pid} works on it from here on"
        case CoordinatorEnded():
            return f"{name}: process {event.pid} has ended ({event.state})"
        case CoordinatorKilled():
            return f"{name}: process {event.pid} was killed; {go_on} {name} continues it"


def _unheld(state: RunState, name: str, go_on: str) -> str:
    """Returns what is told of a run or a session on which no process works."""
    if state is RunState.RUNNING:
        return f"its process was killed; {go_on} {name} continues it"
    if go_on == RESUME and state in (RunState.SUCCEEDED, RunState.FAILED):
        return f"it has {state}, and no process works on it; its results: aur runs show {name}"
    return f"no process works on it ({state}); {go_on} {name} continues it"
