"""The record of users of the dashboard: their acts before they are tried, and their sign-ins."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aurora_spawner.control.approvals import find_approval
from aurora_spawner.control.lookup import find_run, open_journal
from aurora_spawner.errors import UnknownTaskError
from aurora_spawner.journal.entries import entry_of
from aurora_spawner.journal.store import Journal
from aurora_spawner.runs.approval_inbox import TEXT_LIMIT
from aurora_spawner.storage.stored_values import storable_text

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.journal.approval_facts import SignInSeen, UserActed

    Seen = TypeVar("Seen", UserActed, SignInSeen)

__all__ = ["DASHBOARD", "record_act", "record_sign_in"]

DASHBOARD: Final = "dashboard"
"""Stands in an event where others have their run; no run is named so."""


def record_act(journal: Path, act: UserActed, *, run_id: str, task_id: str | None) -> None:
    """Writes down that a user wants to act on a run; durable when this returns.

    Another process may work on the run meanwhile: the event stands between those of that process.

    Args:
        run_id: The run; for an act that answers a question, that of the question counts.
        task_id: The task that the act names. Left out, it would make the act one on the whole run; that of a question
            is left out if the run has no such task.

    Raises:
        UnknownRunError, UnknownApprovalError: The journal has no such run, or no such question.
        UnknownTaskError: The run has no such task.
        JournalError: It cannot be written.
    """
    asked = find_approval(journal, act.approval) if act.approval else None
    if asked is not None:
        run_id, task_id = asked.run_id, asked.task_id
    known = [each.task_id for each in find_run(journal, run_id)[1]]
    if asked is None and task_id is not None and task_id not in known:
        raise UnknownTaskError(run_id, task_id, known)
    with open_journal(journal, run_id) as store:
        store.append([entry_of(_bounded(act), run_id=run_id, task_id=task_id if task_id in known else None)])


def record_sign_in(journal: Path, seen: SignInSeen) -> None:
    """Writes down that somebody has signed in or out, or was refused; durable when this returns.

    Raises:
        JournalError: It cannot be written.
    """
    with Journal(journal) as store:
        store.append([entry_of(_bounded(seen), run_id=DASHBOARD)])


def _bounded(seen: Seen) -> Seen:
    """Returns the fact with texts that can be stored: what a provider says of a user may be anything."""
    values: dict[str, Any] = {each.name: getattr(seen, each.name) for each in fields(seen)}
    texts = {name: storable_text(each, limit=TEXT_LIMIT) for name, each in values.items() if isinstance(each, str)}
    return type(seen)(**{**values, **texts})
