"""Text and JSON of the questions to a person, and of approvals that hold for a whole run."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from aurora_cli.render.words import one_line
from aurora_spawner.conversations.kinds import SESSION_RUN
from aurora_spawner.tasks.approvals import AGENT_GATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aurora_spawner.control.approvals import AnswerReport, ApprovalRow
    from aurora_spawner.tasks.approvals import ApprovalAnswer
    from aurora_spawner.tasks.run_events import ApprovalAsked

__all__ = [
    "WHOLE",
    "answer_document",
    "answer_line",
    "approval_lines",
    "approvals_document",
    "asked_line",
    "grant_lines",
    "question_lines",
    "settled_line",
    "short_line",
    "time_words",
]

_NEXT: Final = {"merge": "; deliver the work with: aur merge {} --yes", "push": "; push the work with: aur pr {}"}
"""The next step after an approval that no process waits for, by gate."""
WHOLE: Final = 40_000
"""Characters of the longest subject with each one escaped: whoever approves a command must see its end, too."""


def question_lines(row: ApprovalRow, *, now: float) -> Iterator[str]:
    """Yields a question: who asks for what, why, since when, and what happens without an answer."""
    since = time_words(max(0.0, now - row.asked_at))
    yield f"{row.approval}  {_who(row)}  asked {since} ago"
    yield f"  what  {one_line(row.subject, WHOLE)}"
    yield f"  why   {one_line(row.reason, 300)} [{one_line(row.rule)}]"
    if row.gate in ("after", "merge", "push"):
        task = f" {shlex.quote(one_line(row.task_id))}" if row.task_id else ""
        yield f"  look  aur diff {one_line(row.run_id)}{task}"
    if row.gate == AGENT_GATE:
        yield f'  say   aur answer {row.approval} "…"'
    if row.limit_s is not None and row.gate != AGENT_GATE:
        yield f"  denied if nobody answers within {time_words(row.limit_s)}"
    if row.shape:
        yield f"  --always-this-run would approve: {one_line(row.shape, 200)}"


def approval_lines(rows: Sequence[ApprovalRow], *, now: float) -> Iterator[str]:
    """Yields the lines of questions, answered ones as one line each."""
    for row in rows:
        if row.state == "open":
            yield from question_lines(row, now=now)
        else:
            yield settled_line(row)


def settled_line(row: ApprovalRow) -> str:
    """Returns one line for a question that needs no answer any longer."""
    by = f" by {_by(row.answered_by, row.answered_user)}" if row.answered_by else ""
    note = f": {one_line(row.note, 200)}" if row.note else ""
    state = "answered" if row.gate == AGENT_GATE and row.state == "approved" else row.state
    return f"{row.approval}  {_who(row)}  {state}{by}{note}  ({one_line(row.reason, 120)}: {_subject(row)})"


def short_line(row: ApprovalRow) -> str:
    """Returns an open question in one line, with the command that answers it."""
    why = f"{one_line(row.reason, 120)}: {_subject(row)}"
    if row.gate == AGENT_GATE:
        return f'waits for your answer ({row.approval}): {why}; aur answer {row.approval} "…"'
    return f"waits for your answer ({row.approval}): {why}; aur approve {row.approval}, or aur deny {row.approval}"


def asked_line(event: ApprovalAsked) -> str:
    """Returns a question that a run asks now, in one line: the commands that answer it, and what happens without."""
    question = event.question
    until = f", and is denied after {time_words(event.limit_s)}" if event.limit_s is not None else ""
    answers = f"aur approve {event.approval}, or aur deny {event.approval}"
    if question.gate == AGENT_GATE:
        answers, until = f'aur answer {event.approval} "…"', ""
    why = f"{one_line(question.reason, 120)}: {one_line(question.subject, 160)}"
    return f"waits for your answer{until} ({answers}): {why}"


def grant_lines(rows: Sequence[ApprovalRow]) -> Iterator[str]:
    """Yields a line for each approval that holds for a whole run."""
    for row in rows:
        yield f"{row.approval}  {one_line(row.run_id)}  {one_line(row.rule)}: {one_line(row.shape, 200)}"


def approvals_document(rows: Sequence[ApprovalRow]) -> dict[str, object]:
    """Returns questions as data for `--json`."""
    return {"approvals": [row.to_dict() for row in rows]}


def answer_document(report: AnswerReport) -> dict[str, object]:
    """Returns the result of an answer as data for `--json`."""
    return {
        "approval": report.approval.approval,
        "run_id": report.approval.run_id,
        "task": report.approval.task_id,
        "first": report.first,
        "approved": report.answer.approved,
        "by": report.answer.by,
        "user": report.answer.user,
        "note": report.answer.note,
        "running": report.running,
    }


def _continuing(run_id: str, name: str) -> str:
    kind = run_id.partition("-")[0]
    return f"aur interact --resume {name}" if kind == SESSION_RUN else f"aur resume {name}"


def answer_line(report: AnswerReport, *, shown_as: Callable[[str], str] = str) -> str:
    """Returns what came of an answer, in one line.

    Args:
        shown_as: Returns the name by which commands are told to take a run, or a question.
    """
    row, question, run_id = report.approval, shown_as(report.approval.approval), shown_as(report.approval.run_id)
    if not report.first:
        before = _words(report.answer, in_words=row.gate == AGENT_GATE)
        return f"{question} was answered before: {before}; nothing changed"
    said = "answered" if row.gate == AGENT_GATE else "approved" if report.answer.approved else "denied"
    if report.running:
        return f"{question} {said}; {_who(row)} has the answer"
    if row.gate in _NEXT:
        how = _NEXT[row.gate].format(run_id) if report.answer.approved else ""
        return f"{question} {said}{how}"
    return f"{question} {said}; no process works on the run, so continue it: {_continuing(row.run_id, run_id)}"


def time_words(seconds: float) -> str:
    """Returns a time in its largest suitable unit: `45 s`, `12 min`, `3 h`, `2 days`."""
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size or (seconds >= size and seconds % size == 0 and unit != "days"):
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _words(answer: ApprovalAnswer, *, in_words: bool) -> str:
    if in_words and answer.approved:
        return f"by {one_line(answer.by)}: {one_line(answer.note, 200)}"
    note = f" ({one_line(answer.note, 200)})" if answer.note else ""
    return f"{'approved' if answer.approved else 'denied'} by {_by(answer.by, answer.user)}{note}"


def _by(source: str, user: str) -> str:
    """Returns who answered: the source, and the name of a user who has signed in."""
    return f"{one_line(source)} {one_line(user)}" if user else one_line(source)


def _who(row: ApprovalRow) -> str:
    if not row.task_id:
        return one_line(row.run_id)
    return f"{one_line(row.run_id)}/{one_line(row.task_id)} @{one_line(row.agent)}"


def _subject(row: ApprovalRow) -> str:
    return one_line(row.subject, 160)
