"""The two ends of a good attempt in a stage that looks at its work: left to a resume, or refused for good."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aurora_spawner.runs.task_result import TASK_CANCELLED
from aurora_spawner.tasks.failure import ReportedFailure
from aurora_spawner.tasks.result import TaskState

if TYPE_CHECKING:
    from aurora_spawner.runs.attempt import Attempt
    from aurora_spawner.runs.run_context import RunContext
    from aurora_spawner.tasks.result import SpawnResult


def left_to_resume(run: RunContext, attempt: Attempt, result: SpawnResult, error: str) -> Attempt:
    """Returns the attempt of a task that ended in the middle of a stage; a resume of the run takes it up there."""
    cancelled = run.tasks.cancelled(attempt.task_id)
    why = TASK_CANCELLED if cancelled else run.wishes.ending
    ended = replace(result, state=TaskState.CANCELLED, error=error, termination_reason=why, work=None, checked=None)
    return attempt._replace(result=ended, unchecked=not cancelled)


def refused(attempt: Attempt, result: SpawnResult, *, code: str, error: str) -> Attempt:
    """Returns the attempt with a failure that stands: another attempt would not change it; its branch stays."""
    failed = replace(
        result,
        state=TaskState.FAILED,
        error=error,
        reported=ReportedFailure(code=code, message=error),
        work=None,
    )
    # What the agent printed on stderr says nothing about this failure.
    return attempt._replace(result=failed, judged=replace(attempt.judged, stderr=""), final=True)
