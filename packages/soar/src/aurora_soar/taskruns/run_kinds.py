"""The kinds of runs, and which of them can be resumed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_soar.resumption.kinds import QUESTION_RUN, SUBGOALS_RUN
from aurora_spawner.conversations.kinds import SESSION_RUN
from aurora_spawner.tasks.result import RunState

if TYPE_CHECKING:
    from aurora_spawner.control.checkpoints import RunSummary
    from aurora_spawner.control.status import RunStatus

__all__ = [
    "RESUMABLE",
    "RUNS_OF_TASKS",
    "RUNS_WITH_BOARD",
    "TASKFILE_RUN",
    "TASK_RUN",
    "can_resume",
    "is_left_part",
]

TASKFILE_RUN: Final = "spawn"
"""The kind of the runs of task files, as the journal has it."""
TASK_RUN: Final = "exec"
"""The kind of the runs of one task that the user gave in a command."""
RUNS_OF_TASKS: Final = frozenset({TASKFILE_RUN, TASK_RUN})
"""The kinds of runs whose tasks can be resumed; the others answer questions, or parts of them."""
RUNS_WITH_BOARD: Final = RUNS_OF_TASKS | {SUBGOALS_RUN}
"""The kinds of runs whose agents have a board in common; sessions, questions and calls of a model have none."""
RESUMABLE: Final = RUNS_OF_TASKS | {QUESTION_RUN}
"""The kinds that `aur resume` takes; parts of a question are resumed with it."""


def can_resume(summary: RunSummary) -> bool:
    """Returns True if a run of tasks has unfinished tasks, or a question no answer, and no process works on it."""
    if summary.run.kind == QUESTION_RUN:
        answered = summary.run.state in (RunState.SUCCEEDED, RunState.FAILED)
        return not (answered or summary.held or summary.total)
    return summary.resumable and summary.run.kind in RUNS_OF_TASKS


def is_left_part(status: RunStatus) -> bool:
    """Returns True for a part of a question that was stopped: the question is resumed, and not its part.

    The questions of earlier versions were runs of tasks, and nothing can continue them.
    """
    works = status.pid is not None or any(not task.ended for task in status.running)
    resumable = status.kind in RUNS_OF_TASKS | {SESSION_RUN} or (status.kind == QUESTION_RUN and not status.tasks)
    return not resumable and not works
