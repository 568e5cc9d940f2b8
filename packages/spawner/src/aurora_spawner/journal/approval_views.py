"""Reads of the questions to a person that the journal has, and of the approvals that hold for a whole run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.journal.approval_facts import ToolCallJudged
from aurora_spawner.journal.sqlite_errors import translated
from aurora_spawner.journal.views import as_written, rows_of
from aurora_spawner.storage.stored_values import Reader, count, read_fields, text

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from aurora_spawner.journal.store import Journal
    from aurora_spawner.journal.views import Statement


class ApprovalState(StrEnum):
    """The state of a question."""

    OPEN = "open"
    APPROVED = "approved"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    """Nothing waits for the answer any longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRow:
    """A question to a person as the journal has it."""

    run_id: str
    approval: str
    """Its id."""
    task_id: str
    """"" for a question about the whole run."""
    number: int
    """Of the attempt; 0 if there is none."""
    agent: str
    gate: str
    """live, after, merge or agent."""
    subject: str
    """The command, the files, or whatever is to be approved."""
    rule: str
    reason: str
    shape: str
    """The range of an approval for the whole run; "" if it cannot be given."""
    limit_s: float | None
    """Time for the answer; then it is no. None for no limit."""
    asked_at: float
    """Unix time."""
    state: ApprovalState
    answered_at: float | None
    answered_by: str | None
    """user, limit or grant; None without an answer."""
    note: str
    """Of the answer, or why it needs none."""
    granted: bool
    """True if it was approved for the whole run, and that was not revoked."""
    answered_user: str = ""
    """The name of a user who has signed in and answered; "" for whoever runs Aurora, and without an answer."""

    def to_dict(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        return {**asdict(self), "state": self.state.value}


_READERS: Final[dict[str, Reader]] = {"ApprovalState": ApprovalState, "int": count}
_COLUMNS: Final = (
    "run_id, approval, task_id, number, agent, gate, subject, rule, reason, shape, limit_s, asked_at, state,"
    " answered_at, answered_by, note, granted, answered_user"
)


def select_approvals(run_id: str | None = None, *, open_only: bool = False) -> Statement:
    """Returns the statement for the questions of a run, or of all runs."""
    query = f"""
        SELECT {_COLUMNS} FROM approvals WHERE (? IS NULL OR run_id = ?) AND (NOT ? OR state = 'open')
        ORDER BY asked_at, approval
        """  # noqa: S608 -- fixed words
    return query, (run_id, run_id, open_only)


def load_approvals(journal: Journal, run_id: str | None = None, *, open_only: bool = False) -> list[ApprovalRow]:
    """Returns the questions of a run, or of all runs, the oldest first; `open_only` leaves out settled ones."""
    with translated(journal.path):
        rows = rows_of(journal, select_approvals(run_id, open_only=open_only))
    return [read_approval(row, journal.path) for row in rows]


def load_used_approvals(journal: Journal, run_id: str) -> frozenset[str]:
    """Returns the questions of a run whose answers have decided on a tool call; each answer is for one call."""
    query = "SELECT payload FROM events WHERE run_id = ? AND kind = ? AND payload IS NOT NULL"
    with translated(journal.path):
        rows = rows_of(journal, (query, (run_id, ToolCallJudged.kind)))
    with as_written(journal.path, f"run {run_id}: its tool calls"):
        found = (json.loads(row["payload"]).get("approval") for row in rows)
        return frozenset(text(each) for each in found if each)


def read_approval(row: sqlite3.Row, journal: Path) -> ApprovalRow:
    """Returns the question of a row of `select_approvals`.

    Raises:
        JournalCorruptError: A value of the row is malformed.
    """
    with as_written(journal, f"run {row['run_id']}, approval {row['approval']}"):
        return ApprovalRow(**read_fields(ApprovalRow, dict(row), _READERS))
