"""What came of a task and of a run."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.errors import IllegalTransitionError
from aurora_spawner.storage.stored_values import Reader, read_fields
from aurora_spawner.tasks.failure import ReportedFailure, failure_from_json
from aurora_spawner.tasks.usage import Usage, usage_from_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_spawner.tasks.usage_windows import UsageWindow


PROVIDER_STOPPED: Final = "provider_stopped"
PROVIDER_LIMITED: Final = "provider_limited"
"""Termination reasons of tasks that nothing kept from being done but their providers; a resume runs them again."""


class TaskState(StrEnum):
    """Where a task stands in its run."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    @property
    def settled(self) -> bool:
        """Whether nothing more happens to the task in this execution of the run."""
        return self not in (TaskState.PENDING, TaskState.RUNNING)


class TaskStep(StrEnum):
    """What can happen to a task."""

    BEGIN = "begin"
    SUCCEED = "succeed"
    FAIL = "fail"
    SKIP = "skip"
    CANCEL = "cancel"
    REOPEN = "reopen"


TASK_TRANSITIONS: Final[Mapping[tuple[TaskState, TaskStep], TaskState]] = {
    (TaskState.PENDING, TaskStep.BEGIN): TaskState.RUNNING,
    (TaskState.PENDING, TaskStep.FAIL): TaskState.FAILED,
    (TaskState.PENDING, TaskStep.SKIP): TaskState.SKIPPED,
    (TaskState.PENDING, TaskStep.CANCEL): TaskState.CANCELLED,
    (TaskState.RUNNING, TaskStep.SUCCEED): TaskState.SUCCEEDED,
    (TaskState.RUNNING, TaskStep.FAIL): TaskState.FAILED,
    (TaskState.RUNNING, TaskStep.CANCEL): TaskState.CANCELLED,
    (TaskState.RUNNING, TaskStep.REOPEN): TaskState.PENDING,
    # A resume opens what an earlier execution left unfinished, or what has been edited since.
    (TaskState.CANCELLED, TaskStep.REOPEN): TaskState.PENDING,
    (TaskState.SKIPPED, TaskStep.REOPEN): TaskState.PENDING,
    (TaskState.FAILED, TaskStep.REOPEN): TaskState.PENDING,
    (TaskState.SUCCEEDED, TaskStep.REOPEN): TaskState.PENDING,
}


def advance(state: TaskState, step: TaskStep) -> TaskState:
    """The state after a step.

    Raises:
        IllegalTransitionError: The table has no such change.
    """
    target = TASK_TRANSITIONS.get((state, step))
    if target is None:
        raise IllegalTransitionError(state, step)
    return target


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnResult:
    """What came of one task."""

    task_id: str
    agent: str
    """Who did it in the end."""
    state: TaskState
    output: str = ""
    """What the agent answered; bytes that are no UTF-8 appear as \\xNN. `output_path` has the exact bytes."""
    error: str | None = None
    exit_code: int | None = None
    """Negative: ended by that signal. None: nothing ran."""
    fallback: bool = False
    original_agent: str | None = None
    """Who was asked first, where `fallback` is true."""
    retry_count: int = 0
    """Attempts beyond the first."""
    termination_reason: str | None = None
    """Why the attempt did not end by itself: deadline, cancelled, interrupted, supervisor_lost; or that only its
    provider kept the task from being done: provider_stopped, provider_limited."""
    execution_time: float = 0.0
    """Seconds that the last attempt took."""
    started_at: float | None = None
    """Unix time."""
    ended_at: float | None = None
    output_bytes: int = 0
    output_path: str | None = None
    """The spooled stdout; gone once the run is cleaned away."""
    usage: Usage | None = None
    """What the last attempt used; None where its agent does not say."""
    model: str | None = None
    """Which model answered, as the agent says."""
    session_id: str | None = None
    """The agent's session, by which it can go on."""
    resumed: bool = False
    """The last attempt went on with the session of an earlier one."""
    reported: ReportedFailure | None = None
    """What the agent itself reported as failed."""
    windows: tuple[UsageWindow, ...] = field(default=(), compare=False)
    """Usage windows of the account, as the attempt told them; not kept beyond it."""

    @property
    def success(self) -> bool:
        """Done, on evidence."""
        return self.state is TaskState.SUCCEEDED

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values, and `success`."""
        return {
            **{name: getattr(self, name) for name in _RESULT_FIELDS},
            "usage": self.usage.to_json() if self.usage else None,
            "reported": self.reported.to_json() if self.reported else None,
            "success": self.success,
        }


_RESULT_FIELDS: Final = tuple(each.name for each in fields(SpawnResult) if each.name != "windows")


def result_from_json(stored: dict[str, Any]) -> SpawnResult:
    """The result that `SpawnResult.to_json` stored; what other versions have more is passed over.

    Raises:
        StoredValueError: It is not what was stored.
    """
    return SpawnResult(**read_fields(SpawnResult, stored, _RESULT_READERS))


_RESULT_READERS: Final[dict[str, Reader]] = {
    "TaskState": TaskState,
    "Usage": usage_from_json,
    "ReportedFailure": failure_from_json,
}


class RunState(StrEnum):
    """Where a run stands; the first three can be resumed."""

    CREATED = "created"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def settled(self) -> bool:
        """Whether nothing of the run goes on, or is meant to."""
        return self in (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What came of a run."""

    run_id: str
    results: Mapping[str, SpawnResult] = field(repr=False)
    """By task id, in the order of the tasks."""
    duration_s: float
    interrupted: bool = False
    """Ended by SIGINT, SIGTERM or SIGHUP; can be resumed."""
    cancelled_by_user: bool = False
    notices: tuple[str, ...] = field(default=())
    """What the user should know: survivors that could not be killed, lines left alone."""
    trouble: tuple[str, ...] = ()
    """What happened to the journal meanwhile: a run with trouble is not in order, whatever its tasks did."""
    recovery_metrics: Mapping[str, Any] | None = field(default=None, repr=False)
    """What recovery did in this execution, as JSON values; None without recovery, or where it is not counted."""

    def _count(self, state: TaskState) -> int:
        return sum(result.state is state for result in self.results.values())

    @property
    def succeeded(self) -> int:
        """How many tasks are done."""
        return self._count(TaskState.SUCCEEDED)

    @property
    def failed(self) -> int:
        """How many tasks were tried and not done."""
        return self._count(TaskState.FAILED)

    @property
    def skipped(self) -> int:
        """How many tasks were never tried, because one that they need failed."""
        return self._count(TaskState.SKIPPED)

    @property
    def cancelled(self) -> int:
        """How many tasks the end of the run, or the user, cut off."""
        return self._count(TaskState.CANCELLED)

    @property
    def ok(self) -> bool:
        """Every task succeeded."""
        return self.succeeded == len(self.results)

    @property
    def state(self) -> RunState:
        """The state that the run is left in."""
        if self.ok:
            return RunState.SUCCEEDED
        if self.interrupted:
            return RunState.INTERRUPTED
        return RunState.CANCELLED if self.cancelled_by_user else RunState.FAILED
