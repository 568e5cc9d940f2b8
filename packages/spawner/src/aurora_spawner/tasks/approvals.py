"""Questions of gates to a person, and the answers: what a gate needs to know of an inbox."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

AGENT_GATE: Final = "agent"
"""The gate of questions that an agent asks itself; their answer is a text."""
WHOLE_RUN: Final = ""
"""The task of a question that is about the work of a whole run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalQuestion:
    """Something that may only happen if a person agrees."""

    task_id: str  # or WHOLE_RUN
    gate: str  # "live", "after", "merge", "push" or "agent"
    subject: str  # what is asked for: a command, an edit of a file, a finding
    rule: str
    reason: str
    shape: str = ""  # what "always in this run" would remember; "" if nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class AskingAttempt:
    """The attempt that a question comes from."""

    number: int
    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalAnswer:
    """The answer to a question."""

    approved: bool
    by: str  # "user", "limit" (nobody answered in time), "grant" (remembered), "no inbox"
    note: str = ""
    approval: str = ""  # the id of the question; "" if it was not asked
    user: str = ""  # the name of a user who has signed in; "" for whoever runs Aurora
