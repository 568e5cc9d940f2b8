"""What the spawner needs to know of a kind of agent."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol, cast, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from aurora_spawner.backends.dialects.base import Dialect
    from aurora_spawner.tasks.failure import ReportedFailure
    from aurora_spawner.tasks.task import SpawnTask
    from aurora_spawner.tasks.usage import Usage
    from aurora_spawner.tasks.usage_windows import UsageWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """How an agent is started for one task; the prompt goes to its stdin unless its command carries it."""

    command: tuple[str, ...]
    env: Mapping[str, str]
    keep_env: tuple[str, ...] = ()
    """Names or patterns of further variables that the user wants this agent to inherit."""
    instructed: bool = False
    """The command or environment carries the task's instructions; else they are put before the prompt."""
    own_env: tuple[str, ...] = ()
    """Patterns of inherited variables that are this agent's and its provider's, keys included."""
    files: Mapping[Path, str] = field(default_factory=dict)
    """Written before it starts, where they are not there yet: its configuration."""
    session_id: str | None = None
    """What its session is called, where that was for us to choose."""
    prompt_last: bool = False
    """The prompt is to be the command's last argument; if it is too long, words that say which file holds it."""
    prompt_on_stdin: bool = True
    """Without it stdin is empty: an agent that reads its stdin beside its argument would be asked twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an agent said, read from its streams."""

    text: str
    failure: str | None = None
    """What the agent itself reports as failed, whatever its exit code says."""
    finished: bool = False
    """It gave a terminal success event; agents without events never do."""
    ends_with_event: bool = False
    """It would have given one, had it come to its end: exit code 0 alone does not count."""
    reported: ReportedFailure | None = None
    """That failure for the classifier, or what the agent was trying again for when it was cut off."""
    session_id: str | None = None
    """What it can be resumed by."""
    model: str | None = None
    usage: Usage | None = None
    """What the attempt used; None where its agent does not say."""
    session_usage: Usage | None = None
    """The part of it that is counted for the whole session, attempts before this one included."""
    worked: bool = False
    """Its model began to answer."""
    retries: int = 0
    """Calls of its model that it tried again."""
    windows: tuple[UsageWindow, ...] = ()
    """Usage windows of the account, as they were told last."""
    tells_tools: bool = False
    """Its agent tells each tool that it uses."""
    tool_calls: int = 0
    lines: int = 0
    unknown_events: int = 0
    """Of types that we do not know: its version may be newer than what we know of it."""
    broken_lines: int = 0

    def counted(self, *, lines: int, unknown: int, broken: int) -> Reply:
        """The same with how much of its stream could be read."""
        return replace(self, lines=lines, unknown_events=unknown, broken_lines=broken)

    def after(self, before: Usage | None) -> Reply:
        """The same of an attempt whose session had used that much before it."""
        if self.usage is None or self.session_usage is None or before is None:
            return self
        return replace(
            self, usage=self.usage.without(self.session_usage).with_session(self.session_usage.since(before))
        )


class Backend(Protocol):
    """Drives one kind of agent."""

    @property
    def name(self) -> str:
        """What tasks call it by."""
        ...

    @property
    def timeout_s(self) -> float | None:
        """The limit of an attempt where the task sets none."""
        ...

    def invoke(self, task: SpawnTask) -> Invocation:
        """How to start it for this task.

        Raises:
            BackendError: Its program cannot be found.
        """
        ...

    def read(self, stdout: str, stderr: str) -> Reply:
        """What an ended attempt said."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRequest:
    """One attempt for which a command line is wanted."""

    task: SpawnTask
    folder: Path
    """The attempt's own."""
    prompt_file: Path
    """Holds the prompt."""
    home: Path
    """Where the agent may keep its configuration and sessions for this task, if it shall not use the user's own."""
    resume: str | None = None
    """A session of this agent to go on with."""
    new_session: str = ""
    """What a new one may be called, by an agent that lets its caller choose; empty for one that resumes none."""


@runtime_checkable
class AgentBackend(Backend, Protocol):
    """Drives a kind of agent that tells what it does by events, and may go on with a session."""

    @property
    def dialect(self) -> Dialect | None:
        """What its stdout is written in; None for plain text."""
        ...

    @property
    def resumes(self) -> bool:
        """Whether it can go on with a session by its id."""
        ...

    def request(self, request: AttemptRequest) -> Invocation:
        """How to start it for this attempt.

        Raises:
            BackendError: Its program cannot be found.
        """
        ...

    def read_stream(self, pieces: Iterable[bytes]) -> Reply:
        """What an ended attempt said, from its output piece by piece."""
        ...


def with_events(backend: Backend) -> AgentBackend | None:
    """The same backend where it is one that tells events; None where it is a plain one."""
    kind = type(backend)
    if kind not in _WITH_EVENTS:  # a protocol takes 20 µs to be asked, three times an attempt
        _WITH_EVENTS[kind] = isinstance(backend, AgentBackend)
    return cast("AgentBackend", backend) if _WITH_EVENTS[kind] else None


_WITH_EVENTS: Final[dict[type, bool]] = {}
