"""The result of a task and the report of a run."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.errors import IllegalTransitionError
from aurora_spawner.storage.stored_values import Reader, read_fields
from aurora_spawner.tasks.checked import CheckedWork, checked_from_json
from aurora_spawner.tasks.choice import Choice, choice_from_json
from aurora_spawner.tasks.documents import pretty
from aurora_spawner.tasks.failure import ReportedFailure, failure_from_json
from aurora_spawner.tasks.review import Review, review_from_json
from aurora_spawner.tasks.usage import Usage, usage_from_json
from aurora_spawner.tasks.verification import Verification, verification_of
from aurora_spawner.tasks.work import RunMerge, TaskWork, work_from_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_spawner.tasks.usage_windows import UsageWindow


CHECK_FAILED: Final = "check_failed"
"""The code of a failure that checks of the work have found, not its agent."""
POLICY_REFUSED: Final = "policy_refused"
"""The code of a failure of work that the policies deny, or a person did not approve."""
RESULT_REFUSED: Final = "result_refused"
"""The code of a failure of an agent whose answers were not the document that its task asks for."""
REVIEW_REFUSED: Final = "review_refused"
"""The code of a failure of work that its reviewer has sent back more often than it may be."""
REVIEW_FAILED: Final = "review_failed"
"""The code of a failure of a task whose reviewer could not be asked, or gave no verdict."""
PROVIDER_STOPPED: Final = "provider_stopped"
PROVIDER_LIMITED: Final = "provider_limited"
"""The termination reasons of tasks that only their provider prevented; a resume runs these tasks again."""
NOT_PICKED: Final = "not_picked"
"""The termination reason of a task whose user has not picked one of its candidates yet."""


class TaskState(StrEnum):
    """The state of a task in its run."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    @property
    def settled(self) -> bool:
        """True if the task is finished in this execution of the run."""
        return self not in (TaskState.PENDING, TaskState.RUNNING)


class TaskStep(StrEnum):
    """The steps that change a task's state."""

    BEGIN = "begin"
    SUCCEED = "succeed"
    FAIL = "fail"
    SKIP = "skip"
    CANCEL = "cancel"
    REOPEN = "reopen"


TASK_TRANSITIONS: Final[Mapping[tuple[TaskState, TaskStep], TaskState]] = {
    (TaskState.PENDING, TaskStep.BEGIN): TaskState.RUNNING,
    # A choice among candidates has no attempt of its own.
    (TaskState.PENDING, TaskStep.SUCCEED): TaskState.SUCCEEDED,
    (TaskState.PENDING, TaskStep.FAIL): TaskState.FAILED,
    (TaskState.PENDING, TaskStep.SKIP): TaskState.SKIPPED,
    (TaskState.PENDING, TaskStep.CANCEL): TaskState.CANCELLED,
    (TaskState.RUNNING, TaskStep.SUCCEED): TaskState.SUCCEEDED,
    (TaskState.RUNNING, TaskStep.FAIL): TaskState.FAILED,
    (TaskState.RUNNING, TaskStep.CANCEL): TaskState.CANCELLED,
    (TaskState.RUNNING, TaskStep.REOPEN): TaskState.PENDING,
    # A resume reopens tasks that an earlier execution left unfinished, or that were edited since.
    (TaskState.CANCELLED, TaskStep.REOPEN): TaskState.PENDING,
    (TaskState.SKIPPED, TaskStep.REOPEN): TaskState.PENDING,
    (TaskState.FAILED, TaskStep.REOPEN): TaskState.PENDING,
    (TaskState.SUCCEEDED, TaskStep.REOPEN): TaskState.PENDING,
}


def advance(state: TaskState, step: TaskStep) -> TaskState:
    """Returns the state after a step.

    Raises:
        IllegalTransitionError: The table does not have this change.
    """
    target = TASK_TRANSITIONS.get((state, step))
    if target is None:
        raise IllegalTransitionError(state, step)
    return target


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnResult:
    """The result of one task."""

    task_id: str
    agent: str
    """The agent of the last attempt."""
    state: TaskState
    output: str = ""
    """The agent's answer; invalid UTF-8 appears as \\xNN, and `output_path` has the exact bytes."""
    error: str | None = None
    exit_code: int | None = None
    """The exit code; negative for a signal, None if no process ran."""
    fallback: bool = False
    original_agent: str | None = None
    """The first agent, if `fallback` is true."""
    retry_count: int = 0
    """The number of attempts after the first."""
    termination_reason: str | None = None
    """The reason if the attempt did not end by itself: deadline, cancelled, interrupted, supervisor_lost; or if only
    its provider prevented the task: provider_stopped, provider_limited."""
    execution_time: float = 0.0
    """The duration of the last attempt in seconds."""
    started_at: float | None = None
    """Unix time."""
    ended_at: float | None = None
    output_bytes: int = 0
    output_path: str | None = None
    """The path of the spooled stdout; removed when the run is cleaned."""
    usage: Usage | None = None
    """The usage of the last attempt; None if its agent does not report it."""
    model: str | None = None
    """The model that answered, as the agent reports."""
    session_id: str | None = None
    """The id of the agent's session, which can be resumed."""
    resumed: bool = False
    """True if the last attempt continued the session of an earlier one."""
    reported: ReportedFailure | None = None
    """The failure that the agent reported."""
    work: TaskWork | None = None
    """The change to the repository; None if the task had no worktree, or did not succeed."""
    checked: CheckedWork | None = None
    """The checks of its work; None if it has none, or never came to them."""
    choice: Choice | None = None
    """The candidate whose result this is; None for a task without candidates."""
    review: Review | None = None
    """The last review of its work; None if it gets none, or never came to it."""
    document: Any = None
    """The answer as a JSON value, if the task has a schema of its result and the answer is valid by it."""
    windows: tuple[UsageWindow, ...] = field(default=(), compare=False)
    """The account's usage windows as the attempt reported them; not stored."""

    @property
    def success(self) -> bool:
        """True if the task is done, on evidence."""
        return self.state is TaskState.SUCCEEDED

    @property
    def worker(self) -> str:
        """The task whose branch has the work: the winner of its candidates, or the task itself."""
        return self.choice.winner if self.choice else self.task_id

    @property
    def shown(self) -> str:
        """The result as others read it: its document, or else the agent's answer."""
        return self.output if self.document is None else pretty(self.document)

    @property
    def verification(self) -> Verification:
        """The extent to which the result is proven, and what was run."""
        return verification_of(self.checked, done=self.success, review=self.review)

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON values, and `success`."""
        return {
            **{name: getattr(self, name) for name in _RESULT_FIELDS},
            "usage": self.usage.to_json() if self.usage else None,
            "reported": self.reported.to_json() if self.reported else None,
            "work": self.work.to_json() if self.work else None,
            "checked": self.checked.to_json() if self.checked else None,
            "choice": self.choice.to_json() if self.choice else None,
            "review": self.review.to_json() if self.review else None,
            "success": self.success,
        }


_RESULT_FIELDS: Final = tuple(each.name for each in fields(SpawnResult) if each.name != "windows")


def result_from_json(stored: dict[str, Any]) -> SpawnResult:
    """Returns the result that `SpawnResult.to_json` stored; skips fields of other versions.

    Raises:
        StoredValueError: The value is not a stored result.
    """
    return SpawnResult(**read_fields(SpawnResult, stored, _RESULT_READERS))


_RESULT_READERS: Final[dict[str, Reader]] = {
    "TaskState": TaskState,
    "Usage": usage_from_json,
    "ReportedFailure": failure_from_json,
    "TaskWork": work_from_json,
    "CheckedWork": checked_from_json,
    "Choice": choice_from_json,
    "Review": review_from_json,
    "Any": lambda value: value,
}


class RunState(StrEnum):
    """The state of a run; the first three can be resumed."""

    CREATED = "created"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def settled(self) -> bool:
        """True if the run is over and not meant to continue."""
        return self in (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """The report of a run."""

    run_id: str
    results: Mapping[str, SpawnResult] = field(repr=False)
    """The results by task id, in the order of the tasks; without those of candidates."""
    duration_s: float
    candidates: Mapping[str, SpawnResult] = field(default_factory=dict, repr=False)
    """The results of candidates, by their ids."""
    interrupted: bool = False
    """True if SIGINT, SIGTERM or SIGHUP ended the run, which can be resumed."""
    cancelled_by_user: bool = False
    notices: tuple[str, ...] = field(default=())
    """Messages for the user: processes that survived, lines left alone."""
    trouble: tuple[str, ...] = ()
    """Problems of the journal during the run: a run with trouble did not succeed, whatever its tasks did."""
    merge: RunMerge | None = None
    """The merge of the tasks' work; None for a run without worktrees, and for one that ended before."""
    recovery_metrics: Mapping[str, Any] | None = field(default=None, repr=False)
    """The recovery metrics of this execution as JSON values; None without recovery or without metrics."""

    def _count(self, state: TaskState) -> int:
        return sum(result.state is state for result in self.results.values())

    @property
    def succeeded(self) -> int:
        """The number of tasks that succeeded."""
        return self._count(TaskState.SUCCEEDED)

    @property
    def failed(self) -> int:
        """The number of tasks that failed."""
        return self._count(TaskState.FAILED)

    @property
    def skipped(self) -> int:
        """The number of tasks that never started because a dependency failed."""
        return self._count(TaskState.SKIPPED)

    @property
    def cancelled(self) -> int:
        """The number of tasks that the user or the end of the run cancelled."""
        return self._count(TaskState.CANCELLED)

    @property
    def ok(self) -> bool:
        """True if every task succeeded, and its work was merged."""
        return self.succeeded == len(self.results) and (self.merge is None or self.merge.ok)

    @property
    def state(self) -> RunState:
        """The final state of the run."""
        if self.ok:
            return RunState.SUCCEEDED
        if self.interrupted:
            return RunState.INTERRUPTED
        return RunState.CANCELLED if self.cancelled_by_user else RunState.FAILED
