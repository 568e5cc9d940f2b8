"""The port to a kind of agent: `Backend`, and the values that cross it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol, cast, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from aurora_spawner.backends.dialects.base import Dialect
    from aurora_spawner.gates.hook_command import HookCommand
    from aurora_spawner.tasks.failure import ReportedFailure
    from aurora_spawner.tasks.task import SpawnTask
    from aurora_spawner.tasks.usage import Usage
    from aurora_spawner.tasks.usage_windows import UsageWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """The start of an agent for one task; its stdin is the prompt unless its command carries it."""

    command: tuple[str, ...]
    env: Mapping[str, str]
    keep_env: tuple[str, ...] = ()
    """Names or patterns of further variables that the user passes to this agent."""
    instructed: bool = False
    """True if the command or environment carries the task's instructions; else they precede the prompt."""
    own_env: tuple[str, ...] = ()
    """Patterns of the inherited variables of this agent and its provider, keys included."""
    files: Mapping[Path, str] = field(default_factory=dict)
    """Configuration files to write before the start, if they do not exist."""
    session_id: str | None = None
    """The id of its new session, if we chose it."""
    writes: tuple[Path, ...] = ()
    """Files and folders outside of the workspace that the agent needs to write to, such as its sessions."""
    prompt_last: bool = False
    """True makes the prompt the command's last argument; for a long prompt, that argument names the prompt's file."""
    prompt_on_stdin: bool = True
    """False leaves stdin empty, for an agent that would read the prompt from its stdin and its argument."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An agent's answer and report, read from its output."""

    text: str
    failure: str | None = None
    """The failure that the agent itself reports, whatever its exit code."""
    finished: bool = False
    """True if the agent sent a final success event; agents without events never send one."""
    ends_with_event: bool = False
    """True if the agent ends with an event when it succeeds: exit code 0 alone does not count."""
    reported: ReportedFailure | None = None
    """The failure for the classifier: the reported one, or the one that the agent retried when it was cut off."""
    session_id: str | None = None
    """The id by which the session is resumed."""
    model: str | None = None
    usage: Usage | None = None
    """The usage of the attempt; None if the agent does not report it."""
    session_usage: Usage | None = None
    """The part of `usage` that counts for the whole session, earlier attempts included."""
    folder: str | None = None
    """The folder in which the agent says that it works."""
    worked: bool = False
    """True if the model started to answer."""
    retries: int = 0
    """The number of retried model calls."""
    windows: tuple[UsageWindow, ...] = ()
    """The account's usage windows, as last reported."""
    reports_tools: bool = False
    """True if the agent reports each tool that it uses."""
    tool_calls: int = 0
    lines: int = 0
    unknown_events: int = 0
    """The number of events of unknown types; the agent may be newer than its dialect here."""
    broken_lines: int = 0
    too_long_lines: int = 0
    """The number of lines that were not read because of their length."""

    def after(self, before: Usage | None) -> Reply:
        """Returns the reply without the usage that its session had before the attempt."""
        if self.usage is None or self.session_usage is None or before is None:
            return self
        return replace(
            self, usage=self.usage.without(self.session_usage).with_session(self.session_usage.since(before))
        )


class Backend(Protocol):
    """Drives one kind of agent."""

    @property
    def name(self) -> str:
        """The name by which tasks refer to this backend."""
        ...

    @property
    def timeout_s(self) -> float | None:
        """The time limit of an attempt if its task sets none."""
        ...

    def invoke(self, task: SpawnTask) -> Invocation:
        """Returns the invocation of the agent for this task.

        Raises:
            BackendError: Its program cannot be found.
        """
        ...

    def read(self, stdout: str, stderr: str) -> Reply:
        """Returns the reply of an ended attempt."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The words of one side in a conversation."""

    by_user: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRequest:
    """An attempt that needs an invocation."""

    task: SpawnTask
    folder: Path
    """The attempt's folder."""
    prompt_file: Path
    """The file that holds the prompt."""
    home: Path
    """The folder for the agent's configuration and sessions in this task, if it does not use the user's."""
    resume: str | None = None
    """The id of a session of this agent to resume."""
    new_session: str = ""
    """The id for a new session, if the agent lets its caller choose one; empty if it resumes none."""
    hook: HookCommand | None = None
    """The hook to run before each tool call, for a CLI that has hooks; None without a gate."""
    own: Mapping[str, str] = field(default_factory=dict)
    """The variables by which its processes know the attempt."""
    earlier: tuple[Said, ...] = ()
    """The conversation before the prompt, for an agent that keeps none itself."""


@runtime_checkable
class AgentBackend(Backend, Protocol):
    """Drives a kind of agent that reports its work by events and may resume sessions."""

    @property
    def dialect(self) -> Dialect | None:
        """The dialect of its stdout; None for plain text."""
        ...

    @property
    def resumes(self) -> bool:
        """True if it can resume a session by its id."""
        ...

    def request(self, request: AttemptRequest) -> Invocation:
        """Returns the invocation of the agent for this attempt.

        Raises:
            BackendError: Its program cannot be found.
        """
        ...

    def read_stream(self, pieces: Iterable[bytes]) -> Reply:
        """Returns the reply of an ended attempt, from the pieces of its output."""
        ...


def with_events(backend: Backend) -> AgentBackend | None:
    """Returns the backend if it reports events; else None."""
    kind = type(backend)
    if kind not in _WITH_EVENTS:  # a protocol check takes 20 µs, three times an attempt
        _WITH_EVENTS[kind] = isinstance(backend, AgentBackend)
    return cast("AgentBackend", backend) if _WITH_EVENTS[kind] else None


_WITH_EVENTS: Final[dict[type, bool]] = {}
