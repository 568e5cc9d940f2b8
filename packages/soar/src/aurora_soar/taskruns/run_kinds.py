"""The kinds of runs, and which of them can be resumed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aurora_spawner.control.checkpoints import RunSummary
    from aurora_spawner.control.status import RunStatus

__all__ = ["RUNS_OF_TASKS", "TASKFILE_RUN", "TASK_RUN", "can_resume", "is_left_question"]

TASKFILE_RUN: Final = "spawn"
"""The kind of the runs of task files, as the journal has it."""
TASK_RUN: Final = "exec"
"""The kind of the runs of one task that the user gave in a command."""
RUNS_OF_TASKS: Final = frozenset({TASKFILE_RUN, TASK_RUN})
"""The kinds of runs that can be resumed; the others answer questions."""


def can_resume(summary: RunSummary) -> bool:
    """Returns True if a run of tasks has unfinished tasks and no process works on it."""
    return summary.resumable and summary.run.kind in RUNS_OF_TASKS


def is_left_question(status: RunStatus) -> bool:
    """Returns True for a question that was stopped: it cannot be resumed, and nothing of it works any more."""
    works = status.pid is not None or any(not task.ended for task in status.running)
    return status.kind not in RUNS_OF_TASKS and not works
