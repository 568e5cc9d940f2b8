"""The port to an agent that is talked with: `Conversation`, and the events of a turn."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from aurora_spawner.backends.events import AgentEvent
from aurora_spawner.errors import SpawnerError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from pathlib import Path

    from aurora_spawner.backends.events import PermissionAsked, QuestionAsked

    OnStart = Callable[["Began"], Awaitable[None]]
    """Called with each process that is started, before anything is sent to it."""


CANCELLED: Final = "cancelled"
"""The code of the failure by which an agent reports that its turn was ended from outside."""


class ConversationError(SpawnerError):
    """An agent with whom no conversation can be had: it does not start, or does not answer."""

    def __init__(self, agent: str, problem: str) -> None:
        super().__init__(f"agent {agent}: {problem}")
        self.agent = agent
        self.problem = problem


class Outcome(StrEnum):
    """The ends of a turn."""

    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    LOST = "lost"
    """The agent ended before it had answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnded:
    """The agent has answered, or will not."""

    outcome: Outcome
    problem: str = ""
    """The reason in one line, if it is not done."""
    session_lost: bool = False
    """True if the agent could not go on with its session, and has done nothing; the turn can be said again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSkipped:
    """A line of the agent's was too long, so nobody knows what it said."""

    size: int
    """In bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryCut:
    """An agent that is sent all earlier turns each time gets only the newest of them from now on."""

    sent: int
    of: int
    tokens: int
    """The budget that the rest would not fit in."""


ConversationEvent = AgentEvent | LineSkipped | HistoryCut | TurnEnded


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """A process of the agent that has been started for a conversation."""

    token: str
    folder: Path


class Conversation(Protocol):
    """Talks with one agent, turn by turn; one turn at a time."""

    @property
    def begun(self) -> int:
        """The number of times that the agent had to be made ready."""
        ...

    @property
    def read_bytes(self) -> int:
        """The bytes of its latest process's output whose events were handed out."""
        ...

    @property
    def session_id(self) -> str | None:
        """The id of the agent's own session, by which it can go on later; None if it has none so far."""
        ...

    @property
    def remembers(self) -> bool:
        """True if the agent knows the earlier turns; else the next turn has to tell them."""
        ...

    @property
    def words(self) -> str:
        """The way of turns to the agent, in a few words for its user."""
        ...

    async def open(self, session_id: str | None) -> None:
        """Makes the agent ready; with an id it goes on with that session if it can, as `remembers` tells then.

        Raises:
            ConversationError: It cannot be talked with.
        """
        ...

    def turn(self, text: str) -> AsyncGenerator[ConversationEvent]:
        """Sends a turn; yields what the agent does, and last how the turn ended."""
        ...

    async def permit(self, asked: PermissionAsked, *, allowed: bool, reason: str) -> None:
        """Answers a request for permission, in the turn in which it was asked."""
        ...

    async def answer(self, asked: QuestionAsked, text: str | None) -> None:
        """Answers a question, in the turn in which it was asked; None if nobody has an answer."""
        ...

    async def interrupt(self) -> None:
        """Ends the turn as soon as possible; the conversation goes on."""
        ...

    async def close(self) -> None:
        """Ends the agent and everything that it has started."""
        ...
