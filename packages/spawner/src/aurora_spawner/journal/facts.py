"""What can be written into the journal: one small class for each thing that happens to a run."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from json.encoder import encode_basestring_ascii
from typing import Any, ClassVar, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that happened, or (for intents and decisions) is about to.

    The values of its fields are JSON values; the class is known by `kind` in the database, which never changes.
    """

    kind: ClassVar[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCreated(Fact):
    """A run exists; nothing of it has started."""

    kind = "run_created"
    run_kind: str
    """What asked for it: spawn, soar, exec."""
    cwd: str
    spool: str
    max_concurrent: int
    default_agent: str
    default_timeout_s: float | None
    options: dict[str, Any] | None = None
    """`StoredOptions`; None where nothing was asked for, and in runs of earlier versions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksAdded(Fact):
    """Tasks joined the run, in this order, after those that it has."""

    kind = "tasks_added"
    first_position: int
    tasks: list[dict[str, Any]]
    """As `task_to_json` gives them, with `content_hash` added."""
    added_by: str | None = None
    """The task whose result asked for them."""
    rewired: list[dict[str, Any]] = field(default_factory=list)
    """Tasks that now depend on these as well, as they are now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTaken(Fact):
    """A coordinator holds the run from here on; every later fact of it carries this lease."""

    kind = "run_taken"
    lease: str
    holder: dict[str, Any]
    """A `ProcessIdentity`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptIntended(Fact):
    """An attempt is about to be started; without a claim in its folder it never was."""

    kind = "attempt_intended"
    number: int
    token: str
    agent: str
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStarted(Fact):
    """The supervisor of an attempt runs as this process."""

    kind = "attempt_started"
    number: int
    supervisor: dict[str, Any]
    """A `ProcessIdentity`."""
    adopted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnded(Fact):
    """An attempt is over and nothing of it runs, but for the survivors named."""

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
    """A `SpawnResult`; a long output is cut here and whole in the spool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskReopened(Fact):
    """A settled task is to run again."""

    kind = "task_reopened"
    why: str
    """interrupted, edited or retry_failed."""
    task: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPaused(Fact):
    """No attempt starts until the run goes on; those that run are left alone."""

    kind = "run_paused"
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunUnpaused(Fact):
    """The run goes on after a pause."""

    kind = "run_unpaused"
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnding(Fact):
    """The run was told to end before its tasks were done."""

    kind = "run_ending"
    why: str
    at_once: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCancelled(Fact):
    """A user asked for the end of one task; its settling follows."""

    kind = "task_cancel_asked"
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelWithdrawn(Fact):
    """The user wants a task all the same that was to be cancelled and is not settled yet."""

    kind = "task_cancel_withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryTransitioned(Fact):
    """The recovery of a task went from one state to the next."""

    kind = "recovery_transition"
    change: dict[str, Any]
    """A `RecoveryStateTransition`."""
    due: float | None
    """When a task that waits for its retry may start, Unix time."""
    waits: bool
    """The task holds no slot now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerMoved(Fact):
    """The circuit breaker of an agent counted a failure, opened, gave out its trial, or closed."""

    kind = "breaker_moved"
    agent: str
    breaker: dict[str, Any]
    """A `CircuitBreaker`, as it is now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderMoved(Fact):
    """A provider was paused, probed, stopped or opened; the user's own file says how it stands now."""

    kind = "provider_moved"
    provider: str
    gate: dict[str, Any]
    """A `ProviderGate`, as it was then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStalled(Fact):
    """An attempt shows no sign of life, or its time is up without one."""

    kind = "attempt_stalled"
    number: int
    reason: str
    """What it waits for."""
    ended: bool
    """Whether it is being ended for that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTripped(Fact):
    """So much of the run has failed that the rest does not start."""

    kind = "batch_tripped"
    reason: str
    action: str
    """held, skipped, or continued because the user said so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackFailed(Fact):
    """A callback of the recovery policy raised; nothing else came of it."""

    kind = "callback_failed"
    callback: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Fact):
    """The coordinator is done with the run and no longer holds it."""

    kind = "run_ended"
    state: str
    notices: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCleaned(Fact):
    """The user had the run's contents removed; its events keep their hashes and lose their payloads."""

    kind = "run_cleaned"
    events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRestored(Fact):
    """The journal's file was removed or replaced while the run worked, and was written back from the open one."""

    kind = "journal_restored"
    problem: str
    repeated: int
    """Facts of this run that the file in place did not have; they are written after this one once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GapDeclared(Fact):
    """Events that this journal once had are lost, or not as they were written; no later event takes their numbers."""

    kind = "gap_declared"
    first: int
    last: int
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesAccepted(Fact):
    """The user goes on with a run though its part of the journal was changed from outside."""

    kind = "changes_accepted"
    problem: str


FACT_TYPES: Final[dict[str, type[Fact]]] = {
    each.kind: each
    for each in (
        RunCreated,
        TasksAdded,
        RunTaken,
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
        BatchTripped,
        CallbackFailed,
        RunPaused,
        RunUnpaused,
        RunEnding,
        RunEnded,
        RunCleaned,
        JournalRestored,
        GapDeclared,
        ChangesAccepted,
    )
}
"""By the name that the database has."""


Entry = tuple[str, str | None, str, str, tuple[Any, ...]]
"""A fact as the journal takes it: run, task, kind, its fields as canonical JSON, and the fields one by one.

Texts and numbers only: many wait to be durable, and a tuple of such is no work for the garbage collector, whereas
objects on their way took a fifth of the time of a run with 1,000 at once.
"""


_FIELD_NAMES: Final = {
    each: tuple((name, f'"{name}":') for name in sorted(one.name for one in fields(each)))
    for each in FACT_TYPES.values()
}
"""In the order of canonical JSON; ASCII names sort the same way everywhere."""


def field_names(kind: str) -> tuple[str, ...]:
    """The fields of a kind of fact, in the order of an entry's values."""
    return tuple(name for name, _key in _FIELD_NAMES[FACT_TYPES[kind]])


def entry_of(fact: Fact, *, run_id: str, task_id: str | None = None) -> Entry:
    """Encodes a fact; what is nested in it is encoded only once, since results are long.

    Returns:
        An entry whose values have JSON text for lists and objects.
    """
    values, parts = [], []
    for name, key in _FIELD_NAMES[type(fact)]:
        value = getattr(fact, name)
        text = canonical_json(value)
        values.append(text if isinstance(value, (dict, list)) else value)
        parts.append(key + text)
    return run_id, task_id, fact.kind, f"{{{','.join(parts)}}}", tuple(values)


def canonical_json(value: object) -> str:
    """The one way to write a value: sorted keys, no spaces, ASCII."""
    if value is None:
        return "null"
    if type(value) is int:
        return repr(value)
    if type(value) is str:
        return encode_basestring_ascii(value)
    return "[]" if value == [] else _ENCODER.encode(value)


_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)
