"""The events of a session, for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aurora_spawner.conversations.transcript import Turn
    from aurora_spawner.tasks.approvals import ApprovalAnswer, ApprovalQuestion


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReady:
    """An agent is ready for a turn, in a process that has just begun."""

    agent: str
    words: str
    """The way of turns to it; "" where only the process of the session knows it."""
    how: str
    """The way in which it comes to know the earlier turns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSwitched:
    """The next turns go to another agent."""

    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnBegan:
    """A turn of the user is in the journal, and goes to its agent."""

    turn: Turn
    elsewhere: bool = False
    """True if it was said in a terminal that is attached to the session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoke:
    """The agent has said something."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedTool:
    """The agent uses a tool."""

    turn: int
    name: str
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A person is asked; the question is in the inbox."""

    approval: str
    question: ApprovalQuestion
    limit_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A question has its answer, or needs none any longer."""

    approval: str
    answer: ApprovalAnswer | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultTaken:
    """Nobody has answered a question, so what was stated as its default holds."""

    turn: int
    subject: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnOver:
    """A turn has ended."""

    turn: Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionNotice:
    """Something about the session that its user should know."""

    text: str


SessionEvent = (
    AgentReady
    | AgentSwitched
    | TurnBegan
    | Spoke
    | UsedTool
    | Asked
    | Answered
    | DefaultTaken
    | TurnOver
    | SessionNotice
)
