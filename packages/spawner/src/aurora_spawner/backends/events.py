"""Events of an agent at work, into which every dialect is translated."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_spawner.tasks.failure import ReportedFailure
    from aurora_spawner.tasks.usage import Usage
    from aurora_spawner.tasks.usage_windows import UsageWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStarted:
    """The agent has a session of this id, which it can resume later."""

    id: str
    model: str | None = None
    at_work: bool = False
    """True if its model has started to answer."""
    folder: str | None = None
    """The folder in which the agent says that it works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """The agent sent text to its user."""

    text: str
    continues: bool = False
    """True if the text continues the message before it, with no other event between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """The agent uses a tool."""

    name: str
    id: str = ""
    about: str = ""
    """The command, path or query of the call, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """A tool has answered."""

    id: str = ""
    ok: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReported:
    """The agent reports its usage."""

    usage: Usage
    total: bool = False
    """True if it replaces earlier reports; else it is added to them."""
    session: Usage | None = None
    """The usage of the whole session so far, earlier processes included, in the fields that the agent counts by
    session; these fields are not in `usage`."""
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryNotice:
    """The agent's model call failed, and the agent retries it by itself."""

    attempt: int | None = None
    """The number of the retry, from 1."""
    delay_s: float | None = None
    failure: ReportedFailure
    """The failure of the call."""

    @property
    def status(self) -> int | None:
        """The status of the provider's answer."""
        return self.failure.status


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowsReported:
    """The agent reports the usage windows of its account."""

    windows: tuple[UsageWindow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundAgent:
    """A background agent of the agent has started, or has ended with any outcome."""

    id: str
    works: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionAsked:
    """The agent asks if it may use a tool, and waits for the answer."""

    id: str
    tool: str
    given: Mapping[str, Any]
    """The arguments of the call."""
    call: str = ""
    """The agent's id of the call, which its hook is given, too; "" if it says none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionAsked:
    """The agent asks its user something, and waits for the answer."""

    id: str
    text: str
    default: str | None = None
    """The answer if nobody gives one."""
    choices: tuple[str, ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict)
    """The request as the agent has put it, for a protocol whose answer repeats it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestUnserved:
    """The agent asks for something that Aurora does not do, and waits for the answer."""

    id: str
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded:
    """The agent reports success."""

    answer: str | None = None
    """The final answer, if the event repeats it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The agent reports failure."""

    failure: ReportedFailure
    final: bool = False
    """True if a later `Succeeded` does not cancel the failure."""


AgentEvent = (
    SessionStarted
    | Text
    | ToolCall
    | ToolResult
    | UsageReported
    | RetryNotice
    | WindowsReported
    | BackgroundAgent
    | PermissionAsked
    | QuestionAsked
    | RequestUnserved
    | Succeeded
    | Failed
)
