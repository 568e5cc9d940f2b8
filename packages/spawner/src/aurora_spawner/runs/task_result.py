"""The result of a task, from the end of its last attempt."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from aurora_spawner.attempts.attempt_folder import first_attempt
from aurora_spawner.attempts.end_reason import ENDED_EARLY, EndReason
from aurora_spawner.backends.base import with_events
from aurora_spawner.backends.sessions import lost_session, read_session_record
from aurora_spawner.runs.evidence import judge
from aurora_spawner.tasks.failure import ReportedFailure
from aurora_spawner.tasks.prompts import shorten
from aurora_spawner.tasks.result import SpawnResult, TaskState

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.attempts.executor import AttemptEnd
    from aurora_spawner.backends.base import Backend, Reply
    from aurora_spawner.spending.prices import PriceTable
    from aurora_spawner.tasks.task import SpawnTask

CUT_OFF = "cut_off"
"""The code of an attempt that was ended by a signal and exits with 0: several CLIs do."""
JOURNAL_OUTPUT_LIMIT = 64_000
"""The most characters of an output that the journal keeps; the spool has the rest."""
TASK_CANCELLED = "task_cancelled"
"""The termination reason of a task that a user has cancelled."""

TAKEN_OVER = "taken_over"
"""The termination reason of an attempt whose task the user has taken over."""


def result_of(
    task: SpawnTask,
    end: AttemptEnd,
    reply: Reply,
    *,
    agent: str,
    backend: Backend,
    cwd: Path,
    retries: int,
    stopped: str | None,
    prices: PriceTable | None = None,
) -> SpawnResult:
    """Judges an attempt and returns the result of its task.

    Args:
        agent: The one that made the attempt; `backend` is its backend.
        retries: Attempts before this one.
        stopped: Why the task was asked to end, if it was. An attempt that still ended by itself is judged by what it
            did: nothing that was finished is thrown away.
        prices: For agents that report tokens and no money.
    """
    verdict = judge(end, reply, outputs=task.files, cwd=cwd, began_at=began_at(end))
    resumed = _went_on(end, backend)
    state = TaskState.SUCCEEDED if verdict.success else TaskState.FAILED
    reason = None if end.reason == EndReason.EXITED else str(end.reason)
    if stopped is not None and end.reason in ENDED_EARLY:
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
        usage=prices.priced(reply.usage, reply.model or task.model or getattr(backend, "model", None))
        if prices
        else reply.usage,
        model=reply.model,
        session_id=reply.session_id,
        resumed=resumed,
        windows=reply.windows,
        reported=None if verdict.success else _reported(end, reply, resumed=resumed),
    )


def began_at(end: AttemptEnd) -> float | None:
    """Returns when the task was first attempted: what an earlier attempt has changed counts for later ones."""
    if end.stdout_path is None:
        return end.started_at
    return first_attempt(end.stdout_path.parent).began_at() or end.started_at


def _reported(end: AttemptEnd, reply: Reply, *, resumed: bool) -> ReportedFailure | None:
    """Returns the failure that an attempt reports, by its output or by the lack of a last event."""
    if end.reason == EndReason.EXITED and end.exit_code == 0 and reply.ends_with_event and not reply.finished:
        return reply.reported or ReportedFailure(code=CUT_OFF, message="it ended without a last word")
    return lost_session(end, reply) if resumed else reply.reported


def _went_on(end: AttemptEnd, backend: Backend) -> bool:
    """Returns True if an attempt started with the session of an earlier one."""
    speaking = with_events(backend)
    may = speaking is not None and speaking.resumes and end.stdout_path is not None
    memo = read_session_record(end.stdout_path.parent) if may and end.stdout_path else None
    return memo is not None and memo.session_id is not None


def without_attempt(
    task: SpawnTask, state: TaskState, error: str, *, agent: str, reason: str | None = None
) -> SpawnResult:
    """Returns the result of a task that no attempt was made at."""
    return SpawnResult(
        task_id=str(task.id),
        agent=agent,
        state=state,
        error=error,
        termination_reason=reason,
        ended_at=time.time(),
    )


def for_journal(result: SpawnResult) -> SpawnResult:
    """Returns the result as the journal keeps it."""
    if len(result.output) <= JOURNAL_OUTPUT_LIMIT:
        return result
    return replace(result, output=shorten(result.output, JOURNAL_OUTPUT_LIMIT))
