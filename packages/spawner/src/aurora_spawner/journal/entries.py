"""The written form of events: entries, and the list of all kinds of events."""

from __future__ import annotations

import json
from dataclasses import fields
from json.encoder import encode_basestring_ascii
from typing import Any, Final

from aurora_spawner.journal import approval_facts, facts, work_facts

FACT_TYPES: Final[dict[str, type[facts.Fact]]] = {
    each.kind: each
    for each in (
        facts.RunCreated,
        facts.TasksAdded,
        facts.RunTaken,
        work_facts.FilesClaimed,
        work_facts.WorkspaceIntended,
        work_facts.ChecksIntended,
        work_facts.WorkChecked,
        work_facts.WorkReturned,
        work_facts.WorkReviewed,
        work_facts.ConflictForeseen,
        work_facts.WorkspacePrepared,
        work_facts.WorkMerged,
        work_facts.WorkDiscarded,
        work_facts.RunDelivered,
        facts.AttemptIntended,
        facts.AttemptStarted,
        facts.AttemptEnded,
        facts.TaskSettled,
        facts.TaskReopened,
        facts.TaskCancelled,
        facts.CancelWithdrawn,
        facts.TaskTakenOver,
        facts.TaskHandedBack,
        facts.RecoveryTransitioned,
        facts.BreakerMoved,
        facts.ProviderMoved,
        facts.AttemptStalled,
        approval_facts.ToolCallJudged,
        facts.BatchTripped,
        facts.CallbackFailed,
        work_facts.WorkJudged,
        work_facts.DeliveryJudged,
        work_facts.WorkPushed,
        approval_facts.ApprovalRequested,
        approval_facts.ApprovalAnswered,
        approval_facts.ApprovalWithdrawn,
        approval_facts.AnswerRefused,
        approval_facts.UserActed,
        approval_facts.SignInSeen,
        approval_facts.GrantStored,
        approval_facts.GrantRevoked,
        approval_facts.BoardPosted,
        facts.RunPaused,
        facts.RunUnpaused,
        facts.RunEnding,
        facts.RunEnded,
        facts.RunCleaned,
        facts.JournalRestored,
        facts.GapDeclared,
        facts.NoteKept,
        facts.ChangesAccepted,
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


def entry_of(fact: facts.Fact, *, run_id: str, task_id: str | None = None) -> Entry:
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
