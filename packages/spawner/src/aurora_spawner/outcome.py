"""From how an attempt ended to what came of its task."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from aurora_spawner.evidence import judge
from aurora_spawner.prompts import shorten
from aurora_spawner.result import SpawnResult, TaskState

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.backends.base import Backend
    from aurora_spawner.executor import AttemptEnd
    from aurora_spawner.task import SpawnTask

JOURNAL_OUTPUT_LIMIT = 64_000
"""Characters of an output that the journal keeps; the spool has the rest."""
TASK_CANCELLED = "task_cancelled"
"""Termination reason of a task that a user ended by itself."""


def result_of(
    task: SpawnTask, end: AttemptEnd, *, agent: str, backend: Backend, cwd: Path, retries: int, stopped: str | None
) -> SpawnResult:
    """Judge an attempt.

    Args:
        retries: Attempts before this one.
        stopped: Why the task was told to stop, if it was. An attempt that ended by itself all the same is judged
            by what it did: nothing that was finished is thrown away.
    """
    reply = backend.read(end.stdout, end.stderr)
    verdict = judge(end, reply, outputs=task.files, cwd=cwd)
    state = TaskState.SUCCEEDED if verdict.success else TaskState.FAILED
    reason = None if end.reason == "exited" else end.reason
    if stopped is not None and end.reason in ("cancelled", "voided", "supervisor_lost"):
        state, reason = TaskState.CANCELLED, stopped
    return SpawnResult(
        task_id=str(task.id),
        agent=agent,
        state=state,
        output=reply.text,
        error=verdict.error,
        exit_code=end.exit_code,
        retry_count=retries,
        termination_reason=reason,
        execution_time=end.duration_s,
        started_at=end.started_at,
        ended_at=end.ended_at,
        output_bytes=end.stdout_bytes,
        output_path=str(end.stdout_path) if end.stdout_path else None,
    )


def without_attempt(
    task: SpawnTask, state: TaskState, error: str, *, agent: str, reason: str | None = None
) -> SpawnResult:
    """The result of a task of which nothing ran."""
    return SpawnResult(
        task_id=str(task.id),
        agent=agent,
        state=state,
        error=error,
        termination_reason=reason,
        ended_at=time.time(),
    )


def for_journal(result: SpawnResult) -> SpawnResult:
    """The result as the journal keeps it."""
    return replace(result, output=shorten(result.output, JOURNAL_OUTPUT_LIMIT))
