"""The events of the journal: one small class for each kind of event of a run."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from json.encoder import encode_basestring_ascii
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
class FilesClaimed(Fact):
    """A task has claimed files until it is settled: those that it declares, or that it was seen to change."""

    kind = "files_claimed"
    files: list[str]
    """Paths and patterns; for `seen` further paths."""
    seen: bool = False
    """True if its tool calls or its worktree showed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceIntended(Fact):
    """The worktree of a task is about to be made, or to be worked in again."""

    kind = "workspace_intended"
    path: str
    branch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecksIntended(Fact):
    """The checks of an attempt's work are about to run; further changes in its worktree come from them."""

    kind = "checks_intended"
    number: int
    """Of the attempt."""
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkChecked(Fact):
    """The checks of an attempt's work have run."""

    kind = "work_checked"
    checked: dict[str, Any]
    """A `CheckedWork`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkReturned(Fact):
    """The work of an attempt came back to its agent, which goes on in another attempt."""

    kind = "work_returned"
    returned: dict[str, Any]
    """A `Returned`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkReviewed(Fact):
    """A reviewer has given its verdict on an attempt's work."""

    kind = "work_reviewed"
    review: dict[str, Any]
    """A `Review`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictForeseen(Fact):
    """The work of a running task conflicts with that of another, as both stand; or does no longer."""

    kind = "conflict_foreseen"
    other: str
    """The id of the other task."""
    files: list[str]
    over: bool = False
    """True if they conflict no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspacePrepared(Fact):
    """The worktree of a task has what it has besides its base commit; its set-up has succeeded."""

    kind = "workspace_prepared"
    ports: list[int]
    """The first port of its block and their number; empty without ports."""
    copied: list[str]
    """The first of them; there may be thousands."""
    copies: int
    linked: list[str]
    setup: list[str]
    """The commands."""
    setup_s: list[float]
    """The time that each of them took."""
    put_back: list[str]
    """Tracked files that they had changed, and that are as in the base commit again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkMerged(Fact):
    """The merge of one task's work was tried."""

    kind = "work_merged"
    merge: dict[str, Any]
    """A `TaskMerge`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkDiscarded(Fact):
    """The user discarded one task's work, which is in the attic now."""

    kind = "work_discarded"
    merge: dict[str, Any]
    """A `TaskMerge`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDelivered(Fact):
    """The merged work of a run is on its integration branch, and was brought to the target if that was wanted."""

    kind = "run_delivered"
    delivery: dict[str, Any]
    """A `RunDelivery`."""


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
class ToolCallJudged(Fact):
    """A tool call of an agent was judged, before it happened."""

    kind = "tool_call_judged"
    agent: str
    tool: str
    subject: str
    """The call in words, cut to a few hundred characters."""
    action: str
    """The policies' answer: allow, prompt or deny."""
    allowed: bool
    """True if it may happen: the policies allow it, or somebody has consented."""
    rule: str
    """"" if no rule applies."""
    reason: str
    answered_by: str
    """The source of the answer to a prompt, as in `ApprovalAnswer`; "" if nobody was asked."""
    approval: str = ""
    """The id of the question, whose answer is used by this; "" if there was none, and in runs of earlier versions."""


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
class WorkJudged(Fact):
    """The policies have judged the diff of an attempt's work."""

    kind = "work_judged"
    number: int
    """Of the attempt."""
    agent: str
    base: str
    """The commit that the task started from."""
    commit: str
    findings: list[dict[str, Any]]
    """Their objections, each with `rule`, `denied`, `subject` and `reason`; empty if nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryJudged(Fact):
    """The policies have judged the delivery of a run's merged work to its target."""

    kind = "delivery_judged"
    target: str
    """The branch; after a remote and `/` if it is pushed there."""
    subject: str
    action: str
    """allow, prompt or deny."""
    rule: str
    """"" if no rule applies."""
    reason: str
    instead: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkPushed(Fact):
    """The merged work of a run was pushed to a remote, because the user asked for a pull request."""

    kind = "work_pushed"
    remote: str
    branch: str
    """Without `refs/heads/`."""
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequested(Fact):
    """A person is asked to approve something; until then it does not happen."""

    kind = "approval_requested"
    approval: str
    """The id of the question."""
    number: int
    """Of the attempt; 0 if there is none."""
    agent: str
    gate: str
    """live, after, merge, push or agent."""
    subject: str
    rule: str
    reason: str
    shape: str
    """The range of an approval for the whole run; "" if it cannot be given."""
    limit_s: float | None
    """Time for the answer; then it is no. None for no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalAnswered(Fact):
    """A question has its answer; a later one does not change it."""

    kind = "approval_answered"
    approval: str
    approved: bool
    by: str
    """user, limit (nobody answered in time), or grant (an earlier approval for the whole run)."""
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalWithdrawn(Fact):
    """A question needs no answer any longer."""

    kind = "approval_withdrawn"
    approval: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRefused(Fact):
    """A process that is not the user's wanted to answer a question, or to take back a grant; nothing changed."""

    kind = "answer_refused"
    approval: str
    """The question that it named."""
    pid: int
    """0 if it is not known."""
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantStored(Fact):
    """The user approves, for the rest of the run, everything of one shape that one rule asks about."""

    kind = "grant_stored"
    approval: str
    """The question with whose answer it was given; the grant has its id, too."""
    rule: str
    shape: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRevoked(Fact):
    """The user has taken back a grant; what it has approved stays approved."""

    kind = "grant_revoked"
    approval: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardPosted(Fact):
    """Somebody has posted on the board of the run; the task of the event is that of the agent that did."""

    kind = "board_posted"
    number: int
    """Of the post, on this board."""
    by: str
    """agent, user or client."""
    attempt: int
    """0 if no agent of the run posted it."""
    agent: str
    post_kind: str
    """fact, decision, question or handover."""
    to_task: str | None
    to_agent: str | None
    """None, and no task either, if it is for all."""
    text: str
    key: str
    """The name that its sender gave it, by which it is posted once."""


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


FACT_TYPES: Final[dict[str, type[Fact]]] = {
    each.kind: each
    for each in (
        RunCreated,
        TasksAdded,
        RunTaken,
        FilesClaimed,
        WorkspaceIntended,
        ChecksIntended,
        WorkChecked,
        WorkReturned,
        WorkReviewed,
        ConflictForeseen,
        WorkspacePrepared,
        WorkMerged,
        WorkDiscarded,
        RunDelivered,
        AttemptIntended,
        AttemptStarted,
        AttemptEnded,
        TaskSettled,
        TaskReopened,
        TaskCancelled,
        CancelWithdrawn,
        RecoveryTransitioned,
        BreakerMoved,
        ProviderMoved,
        AttemptStalled,
        ToolCallJudged,
        BatchTripped,
        CallbackFailed,
        WorkJudged,
        DeliveryJudged,
        WorkPushed,
        ApprovalRequested,
        ApprovalAnswered,
        ApprovalWithdrawn,
        AnswerRefused,
        GrantStored,
        GrantRevoked,
        BoardPosted,
        RunPaused,
        RunUnpaused,
        RunEnding,
        RunEnded,
        RunCleaned,
        JournalRestored,
        GapDeclared,
        NoteKept,
        ChangesAccepted,
    )
}
"""Fact classes by `kind`."""


Entry = tuple[str, str | None, str, str, tuple[Any, ...]]
"""A fact in the form that is written: run, task, kind, its fields as canonical JSON, and the fields one by one.

It holds texts and numbers only. Many entries wait to be durable, and the garbage collector passes over such tuples;
objects took a fifth of the time of a run with 1,000 attempts at once.
"""


_FIELD_NAMES: Final = {
    each: tuple((name, f'"{name}":') for name in sorted(one.name for one in fields(each)))
    for each in FACT_TYPES.values()
}
"""The fields of each fact in the order of canonical JSON; ASCII names sort alike on all systems."""


def field_names(kind: str) -> tuple[str, ...]:
    """Returns the fields of a kind of fact, in the order of an entry's values."""
    return tuple(name for name, _key in _FIELD_NAMES[FACT_TYPES[kind]])


def entry_of(fact: Fact, *, run_id: str, task_id: str | None = None) -> Entry:
    """Encodes a fact; nested values are encoded only once, since results are long.

    Returns:
        An entry whose values are JSON text for lists and objects.
    """
    values, parts = [], []
    for name, key in _FIELD_NAMES[type(fact)]:
        value = getattr(fact, name)
        text = canonical_json(value)
        values.append(text if isinstance(value, (dict, list)) else value)
        parts.append(key + text)
    return run_id, task_id, fact.kind, f"{{{','.join(parts)}}}", tuple(values)


def canonical_json(value: object) -> str:
    """Encodes a value in its only form: sorted keys, no spaces, ASCII."""
    if value is None:
        return "null"
    if type(value) is int:
        return repr(value)
    if type(value) is str:
        return encode_basestring_ascii(value)
    return "[]" if value == [] else _ENCODER.encode(value)


_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)
