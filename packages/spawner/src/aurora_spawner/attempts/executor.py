"""The port through which attempts run: here on this machine, elsewhere on other ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aurora_spawner.attempts.end_reason import EndReason
    from aurora_spawner.attempts.process_identity import ProcessIdentity


class AttemptRefusedError(Exception):
    """An attempt may not begin; said by an executor that watches over limits.

    Attributes:
        reason: One of `REFUSALS`, or `SHARE_SPENT`.
    """

    def __init__(self, reason: EndReason, message: str) -> None:
        self.reason = reason
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptOrder:
    """One attempt to be run; run, task and number together are its key."""

    run_id: str
    task_id: str
    number: int
    agent: str
    model: str | None = None
    """None where the agent chooses."""
    token: str
    folder: Path
    prompt: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: Path
    deadline_s: float | None
    files: Mapping[Path, str] = field(default_factory=dict)
    """Written before it starts, where they are not there yet."""
    resumes: str | None = None
    """The session that it goes on with."""
    open_tasks: int = 1
    """Tasks of the run that are not settled, this one included."""
    prompt_on_stdin: bool = True
    """Without it the agent's stdin is empty, and the prompt is in its command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningAttempt:
    """An attempt that was started or adopted."""

    token: str
    folder: Path
    supervisor: ProcessIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnd:
    """How an attempt ended; nothing of it runs any more, but for the survivors."""

    reason: EndReason
    exit_code: int | None = None
    exec_errno: int = 0
    started_at: float | None = None
    ended_at: float | None = None
    duration_s: float = 0.0
    stdout: str = ""
    stderr: str = ""
    stdout_bytes: int = 0
    lost_bytes: int = 0
    """Of what it printed, on either stream, what could not be kept because the disk was full."""
    stdout_path: Path | None = None
    survivors: tuple[int, ...] = ()
    record: dict[str, Any] | None = None


class Executor(Protocol):
    """Runs attempts. What it is told to start it starts at most once, whoever asks again."""

    async def start(self, order: AttemptOrder) -> RunningAttempt:
        """Starts an attempt whose intent is journalled; cancelled on the way, it leaves nothing running.

        Raises:
            OSError: The system could not start it.
            AttemptRefusedError: It may not start.
        """
        ...

    async def collect(self, attempt: RunningAttempt) -> AttemptEnd:
        """Waits until nothing of the attempt runs, and brings what it left."""
        ...

    def cancel(self, attempt: RunningAttempt, *, at_once: bool) -> None:
        """Asks for the end of an attempt; `collect` tells when it is reached."""
        ...

    def close(self) -> None:
        """The run is over: let go of what the executor keeps for itself."""
        ...

    async def adopt(
        self, *, token: str, folder: Path, supervisor: ProcessIdentity | None
    ) -> RunningAttempt | AttemptEnd:
        """Takes over an attempt that another coordinator intended: running still, ended, or never begun (voided)."""
        ...
