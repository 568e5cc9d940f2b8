"""Checks of a whole journal: is it unchanged, and is it still there?"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from aurora_spawner.errors import JournalGoneError
from aurora_spawner.journal import approval_facts, facts, work_facts
from aurora_spawner.journal.anchor import read_anchor
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import AuditReport, verify
from aurora_spawner.rate_limits.gate_store import default_state_dir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DECISIONS: Final = frozenset(
    each.kind
    for each in (
        approval_facts.ToolCallJudged,
        work_facts.WorkJudged,
        work_facts.DeliveryJudged,
        approval_facts.ApprovalRequested,
        approval_facts.ApprovalAnswered,
        approval_facts.ApprovalWithdrawn,
        approval_facts.AnswerRefused,
        approval_facts.UserActed,
        approval_facts.SignInSeen,
        approval_facts.GrantStored,
        approval_facts.GrantRevoked,
        facts.TaskCancelled,
        facts.TaskTakenOver,
        facts.TaskHandedBack,
        work_facts.WorkMerged,
        work_facts.WorkDiscarded,
        work_facts.RunDelivered,
        work_facts.WorkPushed,
        facts.ChangesAccepted,
    )
)
"""The kinds of events that say who allowed what."""


def audit_journal(journal: Path) -> AuditReport:
    """Verifies a journal against its hashes, and against its head in the user's state folder.

    A journal that never existed has no event.

    Raises:
        JournalError: It cannot be read, or a journal that the state folder knows is gone.
    """
    with existing_journal(journal) as store:
        if store is None:
            return AuditReport(events=0, head="")
        return verify(store, read_anchor(default_state_dir(), journal))


@contextmanager
def existing_journal(journal: Path) -> Iterator[Journal | None]:
    """Opens a journal that is there; yields None for one that never existed.

    Raises:
        JournalError: It cannot be read, or a journal that the state folder knows is gone.
    """
    if not journal.exists():
        check_not_gone(journal)
        yield None
        return
    with Journal(journal, make=False) as store:
        yield store


def check_not_gone(journal: Path) -> None:
    """Checks that a journal that is missing, or has no event, never had one.

    Raises:
        JournalError: The user's state folder knows events of the journal, or it cannot be read.
    """
    anchor = read_anchor(default_state_dir(), journal)
    if anchor is not None and not _has_events(journal):
        raise JournalGoneError(journal, str(anchor), anchor.seq)


def _has_events(journal: Path) -> bool:
    if not journal.exists():
        return False
    with Journal(journal, make=False) as store:
        return store.last_event() is not None
