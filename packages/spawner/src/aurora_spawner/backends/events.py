"""What can be seen of an agent at work: the events that every dialect is translated into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aurora_spawner.tasks.failure import ReportedFailure
    from aurora_spawner.tasks.usage import Usage
    from aurora_spawner.tasks.usage_windows import UsageWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStarted:
    """The agent has a session of that id, which it can go on with later."""

    id: str
    model: str | None = None
    at_work: bool = False
    """Its model has begun to answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """The agent said something to its user."""

    text: str
    continues: bool = False
    """It is the next piece of the message before, where nothing else came between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """The agent uses a tool."""

    name: str
    id: str = ""
    about: str = ""
    """The command, path or query, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """A tool has answered."""

    id: str = ""
    ok: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReported:
    """What was used."""

    usage: Usage
    total: bool = False
    """It takes the place of what was reported before; else it comes on top of that."""
    session: Usage | None = None
    """What the whole session has used so far, processes before this one included, in the fields that the agent counts
    that way; they are not in `usage`."""
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryNotice:
    """The agent's call of its model failed, and the agent tries it again by itself."""

    attempt: int | None = None
    """From 1."""
    delay_s: float | None = None
    failure: ReportedFailure
    """What it tries again for."""

    @property
    def status(self) -> int | None:
        """Of the provider's answer."""
        return self.failure.status


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowsTold:
    """How full the usage windows of the account are."""

    windows: tuple[UsageWindow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundAgent:
    """An agent of the agent's own has begun to work in the background, or has ended there, however it went."""

    id: str
    works: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded:
    """The agent says that it is done."""

    answer: str | None = None
    """Its last words, where the event repeats them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The agent says that it could not do it."""

    failure: ReportedFailure
    for_good: bool = False
    """A `Succeeded` that follows does not outweigh it."""


AgentEvent = (
    SessionStarted
    | Text
    | ToolCall
    | ToolResult
    | UsageReported
    | RetryNotice
    | WindowsTold
    | BackgroundAgent
    | Succeeded
    | Failed
)
