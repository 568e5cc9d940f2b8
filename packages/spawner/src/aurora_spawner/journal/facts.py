"""The events of the journal: one small class for each kind of event of a run, of its tasks and of their attempts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

WORK: Final = "work"
REVIEW: Final = "review"
"""The roles of an attempt's agent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """An event that happened, or (for intents and decisions) is about to happen.

    Its fields are JSON values. The database knows the class by `kind`, which never changes.
    """

    kind: ClassVar[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCreated(Fact):
    """A run was created; no task has started."""

    kind = "run_created"
    run_kind: str
    """The command that created it: spawn, soar or exec."""
    cwd: str
    spool: str
    max_concurrent: int
    default_agent: str
    default_timeout_s: float | None
    options: dict[str, Any] | None = None
    """`StoredOptions`; None without options, and in runs of earlier versions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksAdded(Fact):
    """Tasks were added to the run, in this order, after its present tasks."""

    kind = "tasks_added"
    first_position: int
    tasks: list[dict[str, Any]]
    """The values of `task_to_json`, with `content_hash` added."""
    added_by: str | None = None
    """The task whose result added them."""
    rewired: list[dict[str, Any]] = field(default_factory=list)
    """Present tasks that now depend on the new ones, in their new form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTaken(Fact):
    """A coordinator holds the run from here on; every later fact of that coordinator is written under this lease."""

    kind = "run_taken"
    lease: str
    holder: dict[str, Any]
    """A `ProcessIdentity`."""
    settings: dict[str, Any] | None = None
    """`DecisionSettings`, for a replay; None if no task is coordinated, and in runs of earlier versions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptIntended(Fact):
    """An attempt is about to be started; without a claim in its folder it never started."""

    kind = "attempt_intended"
    number: int
    token: str
    agent: str
    folder: str
    role: str = WORK
    """`REVIEW` if the agent reviews the work of another attempt at the task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStarted(Fact):
    """The supervisor of an attempt has started, as this process."""

    kind = "attempt_started"
    number: int
    supervisor: dict[str, Any]
    """A `ProcessIdentity`."""
    adopted: bool = False
    sandbox: dict[str, Any] | None = None
    """A `SandboxFinding`; None if no sandbox was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnded(Fact):
    """An attempt has ended, and none of its processes runs except the survivors."""

    kind = "attempt_ended"
    number: int
    reason: str
    """An `EndReason`."""
    exit_code: int | None
    record: dict[str, Any] | None
    """The supervisor's exit record."""
    survivors: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSettled(Fact):
    """The result of a task is known and final for this execution."""

    kind = "task_settled"
    result: dict[str, Any]
    """A `SpawnResult`; a long output is cut here and complete in the spool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskReopened(Fact):
    """A task will run again."""

    kind = "task_reopened"
    why: str
    """interrupted, cancelled, edited, retry_failed, commented, wanted again, or that its provider is asked again."""
    task: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPaused(Fact):
    """The run was paused: no attempt starts, running ones continue."""

    kind = "run_paused"
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunUnpaused(Fact):
    """The run continues after a pause."""

    kind = "run_unpaused"
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnding(Fact):
    """The run was interrupted or cancelled before its tasks were done."""

    kind = "run_ending"
    why: str
    at_once: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCancelled(Fact):
    """The user cancelled one task; its settlement follows."""

    kind = "task_cancel_asked"
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelWithdrawn(Fact):
    """The user withdrew the cancellation of a task that is not settled yet."""

    kind = "task_cancel_withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTakenOver(Fact):
    """The user works in the session of a task's agent: the task has no attempt until it is handed back."""

    kind = "task_taken_over"
    token: str
    """Carried by the processes of the user's work there."""
    holder: dict[str, Any]
    """A `ProcessIdentity`: with the end of that process the task is handed back."""
    agent: str
    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskHandedBack(Fact):
    """The user has left the session of a task's agent, which goes on with it."""

    kind = "task_handed_back"
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryTransitioned(Fact):
    """The recovery of a task changed its state."""

    kind = "recovery_transition"
    change: dict[str, Any]
    """A `RecoveryStateTransition`."""
    due: float | None
    """The time from which a waiting retry may start, Unix time; None if the task waits for no retry."""
    waits: bool
    """True if the task holds no slot now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerMoved(Fact):
    """The circuit breaker of an agent counted a failure, opened, granted its trial, or closed."""

    kind = "breaker_moved"
    agent: str
    breaker: dict[str, Any]
    """The new `CircuitBreaker`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderMoved(Fact):
    """A provider was paused, probed, stopped or opened; its present gate is in the user's `providers.db`."""

    kind = "provider_moved"
    provider: str
    gate: dict[str, Any]
    """The new `ProviderGate`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStalled(Fact):
    """An attempt shows no activity, or reached a time limit without activity."""

    kind = "attempt_stalled"
    number: int
    reason: str
    """The thing that it waits for."""
    ended: bool
    """True if it is ended for that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTripped(Fact):
    """Too many tasks of the run have failed, and the rest does not start."""

    kind = "batch_tripped"
    reason: str
    action: str
    """held, skipped, or continued because the user said so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackFailed(Fact):
    """A callback of the recovery policy raised an error, which had no other effect."""

    kind = "callback_failed"
    callback: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Fact):
    """The coordinator has released the run."""

    kind = "run_ended"
    state: str
    notices: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCleaned(Fact):
    """The user removed the run's contents; its events keep their hashes and lose their payloads."""

    kind = "run_cleaned"
    events: int
    keep_days: int | None = None
    """The retention rule by which it was done; None if the user chose the age."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRestored(Fact):
    """The journal's file was removed or replaced during the run, and was written back from the open one."""

    kind = "journal_restored"
    problem: str
    repeated: int
    """The number of facts of this run that the file in place lacks; they are written again after this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GapDeclared(Fact):
    """Events that this journal once had are lost or changed; no later event takes their numbers."""

    kind = "gap_declared"
    first: int
    last: int
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteKept(Fact):
    """The program that made the run has kept a note with it, which only that program reads."""

    kind = "note_kept"
    topic: str
    note: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesAccepted(Fact):
    """The user continues a run although its part of the journal was changed from outside."""

    kind = "changes_accepted"
    problem: str
