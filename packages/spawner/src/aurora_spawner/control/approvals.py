"""The inbox from outside: lists the questions of runs, answers them, and takes back approvals for a whole run.

A coordinator that lives takes the answer; without one it goes into the journal, and a resume finds it there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aurora_spawner.control.audit import check_not_gone
from aurora_spawner.control.lookup import open_journal
from aurora_spawner.control.unattended import append_unattended, steered
from aurora_spawner.errors import (
    AgentAnswersError,
    NoShapeError,
    NotAQuestionError,
    NotGrantedError,
    UnknownApprovalError,
)
from aurora_spawner.journal.approval_facts import ApprovalAnswered, GrantRevoked, GrantStored
from aurora_spawner.journal.approval_views import ApprovalRow, ApprovalState, load_approvals
from aurora_spawner.journal.views import load_run
from aurora_spawner.runs.approval_inbox import TEXT_LIMIT, USER_LIMIT, grant_note
from aurora_spawner.storage.stored_values import storable_text
from aurora_spawner.supervision.belonging import own_attempt
from aurora_spawner.tasks.approvals import AGENT_GATE, ApprovalAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from aurora_spawner.journal.facts import Fact
    from aurora_spawner.journal.store import Journal

__all__ = [
    "AnswerReport",
    "ApprovalRow",
    "ApprovalState",
    "answer_agent",
    "answer_approval",
    "approvals_of",
    "check_is_user",
    "find_approval",
    "grants_of",
    "open_approvals",
    "revoke_grant",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerReport:
    """The result of an answer."""

    approval: ApprovalRow
    """The question, as it was before."""
    answer: ApprovalAnswer
    """The answer that counts."""
    first: bool
    """True if it is the one that was given now; False if another was faster."""
    running: bool
    """True if a coordinator has taken it; False if a resume of the run will."""


def approvals_of(journal: Path, run_id: str | None = None) -> list[ApprovalRow]:
    """Returns the questions of a run, or of all runs, the oldest first; none if there is no journal.

    Raises:
        UnknownRunError: The journal has no such run.
    """
    return _rows(journal, run_id, open_only=False)


def open_approvals(journal: Path, run_id: str | None = None) -> list[ApprovalRow]:
    """Returns the questions that wait for an answer, the oldest first; errors as `approvals_of`."""
    return _rows(journal, run_id, open_only=True)


def _rows(journal: Path, run_id: str | None, *, open_only: bool) -> list[ApprovalRow]:
    if run_id is None and not journal.exists():
        check_not_gone(journal)
        return []
    with open_journal(journal, run_id or "") as store:
        if run_id is not None:
            load_run(store, run_id)
        return load_approvals(store, run_id, open_only=open_only)


def grants_of(journal: Path) -> list[ApprovalRow]:
    """Returns the questions that were approved for the whole run, and not revoked since, of all runs."""
    return [each for each in approvals_of(journal) if each.granted]


def find_approval(journal: Path, approval: str) -> ApprovalRow:
    """Returns a question by its id, or by the beginning of it if no other begins so.

    Raises:
        UnknownApprovalError: There is none, or more than one.
    """
    rows = approvals_of(journal)
    exact = [each for each in rows if each.approval == approval]
    found = exact or [each for each in rows if approval and each.approval.startswith(approval)]
    if len(found) != 1:
        raise UnknownApprovalError(approval)
    return found[0]


def check_is_user(approval: str) -> None:
    """Sees that this process may answer a question, whatever its own environment says.

    Raises:
        AgentAnswersError: It belongs to an agent.
        UnknownLineageError: Nobody can tell.
    """
    if own_attempt() is not None:
        raise AgentAnswersError(approval)


def answer_agent(journal: Path, approval: str, text: str) -> AnswerReport:
    """Answers a question of an agent with a text; durable when this returns.

    Raises:
        NotAQuestionError: It is something that is only approved or denied.
        AgentAnswersError, UnknownApprovalError, NoAnswerError, RunHeldError: As for `answer_approval`.
    """
    check_is_user(approval)
    row = find_approval(journal, approval)
    if row.gate != AGENT_GATE:
        raise NotAQuestionError(row.approval)
    return answer_approval(journal, row.approval, approved=True, note=text)


def answer_approval(
    journal: Path, approval: str, *, approved: bool, note: str = "", always: bool = False, user: str = ""
) -> AnswerReport:
    """Answers a question; durable when this returns. Of two answers at once the first counts.

    Args:
        approval: as for `find_approval`.
        always: also approve, for the rest of the run, what has the same rule and shape.
        user: the name of the user, if somebody who has signed in answers.

    Raises:
        AgentAnswersError: This process belongs to an agent.
        UnknownApprovalError: There is no such question, or it needs no answer any longer.
        NoShapeError: An approval for the whole run cannot be given.
        NoAnswerError: The coordinator lives and does not answer.
        RunHeldError: The run belongs to a process that cannot be reached.
    """
    check_is_user(approval)
    row = find_approval(journal, approval)
    note = storable_text(note, limit=TEXT_LIMIT)
    _check_answerable(row, always=always)
    request = {"do": "answer", "approval": row.approval, "approved": approved, "note": note, "always": always}
    request |= {"user": user} if user else {}
    given = ApprovalAnswer(approved=approved, by="user", note=note, user=storable_text(user, limit=USER_LIMIT))

    def without_coordinator() -> AnswerReport:
        with open_journal(journal, row.run_id) as store:
            found = _append(store, row, lambda now: _answer_facts(store, now, given, always=always))
        first = found.state is ApprovalState.OPEN
        answer = given if first else _answer_in(found)
        return AnswerReport(approval=row, answer=answer, first=first, running=False)

    def by_coordinator(said: Mapping[str, Any]) -> AnswerReport:
        answer = ApprovalAnswer(
            approved=said.get("approved") is True,
            by=str(said.get("by")),
            note=str(said.get("note", "")),
            user=str(said.get("user", "")),
        )
        return AnswerReport(approval=row, answer=answer, first=said.get("first") is True, running=True)

    return steered(journal, row.run_id, request, by_coordinator, without_coordinator)


def revoke_grant(journal: Path, approval: str) -> ApprovalRow:
    """Takes back an approval for a whole run; durable when this returns. Returns the question that it was given with.

    Raises:
        UnknownApprovalError: There is no such question.
        NotGrantedError: It was not approved for the whole run.
        AgentAnswersError: This process belongs to an agent.
    """
    check_is_user(approval)
    row = find_approval(journal, approval)
    if not row.granted:
        raise NotGrantedError(row.approval)

    def without_coordinator() -> ApprovalRow:
        with open_journal(journal, row.run_id) as store:
            _append(
                store, row, lambda now: [(now.task_id, GrantRevoked(approval=now.approval))] if now.granted else []
            )
        return row

    request = {"do": "revoke", "approval": row.approval}
    return steered(journal, row.run_id, request, lambda _said: row, without_coordinator)


def _check_answerable(row: ApprovalRow, *, always: bool) -> None:
    if row.state is ApprovalState.WITHDRAWN:
        raise UnknownApprovalError(row.approval, withdrawn=True)
    if always and not row.shape:
        raise NoShapeError(row.approval)


def _answer_facts(
    store: Journal, row: ApprovalRow, answer: ApprovalAnswer, *, always: bool
) -> list[tuple[str, Fact]]:
    """Returns the facts of an answer, each with its task; a grant answers the open questions that it covers, too."""
    if row.state is not ApprovalState.OPEN:
        return []
    answered = ApprovalAnswered(
        approval=row.approval, approved=answer.approved, by=answer.by, note=answer.note, user=answer.user
    )
    if not (always and answer.approved):
        return [(row.task_id, answered)]
    note = grant_note(row.approval)
    alike = [
        (each.task_id, ApprovalAnswered(approval=each.approval, approved=True, by="grant", note=note))
        for each in load_approvals(store, row.run_id, open_only=True)
        if each.approval != row.approval and (each.rule, each.shape) == (row.rule, row.shape)
    ]
    granted = GrantStored(approval=row.approval, rule=row.rule, shape=row.shape)
    return [(row.task_id, answered), (row.task_id, granted), *alike]


def _answer_in(row: ApprovalRow) -> ApprovalAnswer:
    """Returns the answer that a question has.

    Raises:
        UnknownApprovalError: It was withdrawn.
    """
    if row.state is ApprovalState.WITHDRAWN:
        raise UnknownApprovalError(row.approval, withdrawn=True)
    return ApprovalAnswer(
        approved=row.state is ApprovalState.APPROVED,
        by=row.answered_by or "user",
        note=row.note,
        user=row.answered_user,
    )


def _append(
    store: Journal, row: ApprovalRow, facts_for: Callable[[ApprovalRow], list[tuple[str, Fact]]]
) -> ApprovalRow:
    """Writes facts about questions of a run without a coordinator; returns the question as it was before.

    Raises:
        RunHeldError: Another process holds the run.
    """
    found = row

    def facts_now() -> list[tuple[str | None, Fact]]:
        nonlocal found
        found = next(each for each in load_approvals(store, row.run_id) if each.approval == row.approval)
        return [*facts_for(found)]

    append_unattended(store, row.run_id, facts_now)
    return found
