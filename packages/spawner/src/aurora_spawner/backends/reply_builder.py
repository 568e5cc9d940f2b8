"""Builds the reply of an attempt from its events."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from aurora_spawner.backends.base import Reply
from aurora_spawner.backends.events import (
    BackgroundAgent,
    Failed,
    RetryNotice,
    SessionStarted,
    Succeeded,
    Text,
    ToolCall,
    ToolResult,
    UsageReported,
    WindowsReported,
)
from aurora_spawner.backends.stream import EventStream
from aurora_spawner.tasks.usage import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aurora_spawner.backends.dialects.base import Dialect
    from aurora_spawner.backends.events import AgentEvent
    from aurora_spawner.tasks.failure import ReportedFailure
    from aurora_spawner.tasks.usage import Usage
    from aurora_spawner.tasks.usage_windows import UsageWindow

ANSWER_LIMIT: Final = 4 << 20
"""The characters kept of a message; the end of a longer one is cut."""


@dataclass(slots=True)
class Digest:
    """Collects the events of one attempt, in order."""

    dialect: Dialect
    session_id: str | None = None
    model: str | None = None
    folder: str | None = None
    usage: Usage | None = None
    session_usage: Usage | None = None
    answer: str = ""
    """The last complete message so far."""
    tool_calls: int = 0
    retries: int = 0
    worked: bool = False
    """True once the model answers: its session is worth resuming."""
    failure: ReportedFailure | None = None
    _finished: bool = False
    _failed_finally: bool = False
    _pending: ReportedFailure | None = None
    """The failure that the agent retries, if no later event came."""
    _asked: ReportedFailure | None = None
    """The last refusal in which the provider named a wait."""
    _windows: dict[str, UsageWindow] = field(default_factory=dict)
    """The usage windows by name, as last reported."""
    _background: set[str] = field(default_factory=set)
    """The ids of its own background agents that still work."""
    _message: list[str] = field(default_factory=list)
    _length: int = 0

    def take(self, events: Iterable[AgentEvent]) -> None:
        """Takes in the next events."""
        for event in events:
            self._take(event)

    def _take(self, event: AgentEvent) -> None:
        if not isinstance(event, (RetryNotice, SessionStarted, UsageReported, WindowsReported)):
            self._pending = None
        match event:
            case SessionStarted():
                self.session_id = event.id
                self.model = event.model or self.model
                self.folder = self.folder or event.folder
                self.worked = self.worked or event.at_work
            case Text():
                self._add_text(event)
            case ToolCall():
                self.tool_calls += 1
                self.worked = True
                self._end_message()
            case ToolResult():
                self._end_message()
            case UsageReported():
                self.usage = event.usage if event.total else (self.usage or NOTHING) + event.usage
                self.session_usage = event.session or self.session_usage
                self.model = event.model or self.model
            case RetryNotice():
                self._retry(event)
            case WindowsReported() | BackgroundAgent():
                self._update(event)
            case Succeeded() | Failed():
                self._end(event)

    def _update(self, event: WindowsReported | BackgroundAgent) -> None:
        if isinstance(event, WindowsReported):
            self._windows |= {window.name: window for window in event.windows}
        elif event.works:
            self._background.add(event.id)
        else:
            self._background.discard(event.id)

    def _retry(self, event: RetryNotice) -> None:
        self.retries += 1
        if event.failure.status or event.failure.code:
            self._pending = event.failure
        if event.failure.retry_after_s is not None:
            self._asked = event.failure

    def _add_text(self, event: Text) -> None:
        if not event.continues:
            self._end_message()
        self.worked = True
        room = ANSWER_LIMIT - self._length
        self._message.append(event.text[: max(0, room)])
        self._length += len(event.text)

    def _end_message(self) -> None:
        if self._message:
            self.answer = "".join(self._message)
            self._message.clear()
            self._length = 0

    def _end(self, event: Succeeded | Failed) -> None:
        if isinstance(event, Succeeded):
            self._succeed(event)
        else:
            self._fail(event)

    def _succeed(self, event: Succeeded) -> None:
        if self.dialect.ends_with_event:
            self._end_message()
        if event.answer is not None:
            self.answer = event.answer[:ANSWER_LIMIT]
        if not self._failed_finally:
            self._finished, self.failure = True, None

    def _fail(self, event: Failed) -> None:
        self._finished = False
        self._failed_finally = self._failed_finally or event.final
        if self.failure is None or event.failure.code or event.failure.status:
            self.failure = event.failure

    def reply(self) -> Reply:
        """Returns the reply so far."""
        self._end_message()
        left = len(self._background)
        failure = f"it reports: {self.failure.text}" if self.failure else None
        if failure is None and self._finished and left:
            failure = f"it ended while {left} of its own background agents still worked"
        return Reply(
            text=self.answer,
            failure=failure,
            finished=self._finished and not left and self.dialect.ends_with_event,
            ends_with_event=self.dialect.ends_with_event,
            reported=self._with_wait(self.failure or self._pending),
            session_id=self.session_id,
            folder=self.folder,
            model=self.model,
            usage=self.usage.with_session(self.session_usage) if self.usage and self.session_usage else self.usage,
            session_usage=self.session_usage,
            worked=self.worked,
            retries=self.retries,
            windows=tuple(self._windows.values()),
            reports_tools=self.dialect.reports_tools,
            tool_calls=self.tool_calls,
        )

    def _with_wait(self, failure: ReportedFailure | None) -> ReportedFailure | None:
        """Returns the failure with the wait that the provider named in an earlier answer of the same status."""
        asked = self._asked
        if failure is None or asked is None or failure.retry_after_s is not None or asked.status != failure.status:
            return failure
        return replace(failure, retry_after_s=asked.retry_after_s)


def digest_of(dialect: Dialect, pieces: Iterable[bytes]) -> Reply:
    """Returns the reply of an attempt's whole output."""
    stream, digest = EventStream(dialect), Digest(dialect)
    for piece in pieces:
        digest.take(stream.feed(piece))
    digest.take(stream.close())
    counts = stream.counts
    return replace(
        digest.reply(),
        lines=counts.lines,
        unknown_events=counts.unknown,
        broken_lines=counts.broken,
        too_long_lines=counts.too_long,
    )
