"""The port through which a run starts its attempts, on this machine or on others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping
    from pathlib import Path

    from aurora_spawner.attempts.end_reason import EndReason
    from aurora_spawner.attempts.process_identity import ProcessIdentity
    from aurora_spawner.attempts.resource_limits import ResourceLimits
    from aurora_spawner.attempts.sandbox_finding import SandboxFinding


class AttemptRefusedError(Exception):
    """Raised by an executor that enforces limits: the attempt may not start.

    Attributes:
        reason: One of `REFUSALS`, or `SHARE_SPENT`.
    """

    def __init__(self, reason: EndReason, message: str) -> None:
        self.reason = reason
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedTree:
    """The checkout that an attempt works in, for executors that carry it to another machine and back."""

    path: Path
    """Its top folder."""
    title: str
    """The name of the work on it, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptOrder:
    """An order to run one attempt; run, task and number together are its key."""

    run_id: str
    task_id: str
    number: int
    agent: str
    model: str | None = None
    """None if the agent chooses."""
    token: str
    folder: Path
    prompt: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: Path
    deadline_s: float | None
    files: Mapping[Path, str] = field(default_factory=dict)
    """Files to write before the start, if they do not exist."""
    resumes: str | None = None
    """The session that the attempt continues."""
    open_tasks: int = 1
    """The number of unsettled tasks of the run, this task included."""
    prompt_on_stdin: bool = True
    """False leaves the agent's stdin empty: the prompt is in its command."""
    talks: bool = False
    """Its stdin is the named pipe `stdin` in its folder, which the caller has made and writes to while it runs."""
    writes: tuple[Path, ...] = ()
    """Files and folders outside of `cwd` that the agent needs to write to, such as those of its sessions."""
    limits: ResourceLimits | None = None
    """The most memory, processes and processor time; None for no limits."""
    instructions: str | None = None
    """The task's instructions, if its command or files carry them and its prompt does not."""
    allowance_usd: float | None = None
    """The most that it may cost, for an agent that ends by itself there; its command has it, too."""
    tree: OrderedTree | None = None
    """The worktree of its task; None without one."""
    pool: str | None = None
    """The pool of workers that is to run it, for an executor of pools; None for that of the run."""
    labels: tuple[str, ...] = ()
    """The labels that its worker must have, for an executor of pools."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningAttempt:
    """An attempt that was started or adopted."""

    token: str
    folder: Path
    supervisor: ProcessIdentity
    sandbox: SandboxFinding | None = None
    """The outcome of its own try of its sandbox; None if no sandbox was asked for."""
    begun: asyncio.Event | None = field(default=None, compare=False)
    """Set once it runs, for an attempt that waits for a worker; None if it runs already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedCall:
    """A tool call of an agent, judged on the machine of its worker before it happened."""

    tool: str
    subject: str
    """The call in words."""
    action: str
    """The answer of the policies there: allow, prompt or deny."""
    allowed: bool
    rule: str
    """"" if no rule applies."""
    reason: str
    answered_by: str
    """The source of the answer to a prompt, as in `ApprovalAnswer`; "" for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnd:
    """The end of an attempt: none of its processes runs any longer, except the survivors."""

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
    """The bytes of output, on both streams, that were lost because the disk was full."""
    stdout_path: Path | None = None
    survivors: tuple[int, ...] = ()
    denied: tuple[str, ...] = ()
    """Places outside of its sandbox whose change was denied, as its output says."""
    exceeded: str = ""
    """The limit of memory, processes or processor time that it exceeded."""
    record: dict[str, Any] | None = None
    judged: tuple[JudgedCall, ...] = ()
    """The tool calls that were judged on the machine of its worker; the run itself has judged all others."""
    judged_calls: int = 0
    """The number of those calls, which may be more than are named."""
    notices: tuple[str, ...] = ()
    """Sentences for the report of the run about its place on the machine of its worker."""


class Executor(Protocol):
    """Runs attempts; starts each order at most once, even if it is repeated."""

    async def start(self, order: AttemptOrder) -> RunningAttempt:
        """Starts an attempt whose intent is journalled; if cancelled meanwhile, leaves no process running.

        Raises:
            OSError: The system could not start the attempt.
            AttemptRefusedError: The attempt may not start.
        """
        ...

    async def collect(self, attempt: RunningAttempt) -> AttemptEnd:
        """Waits until no process of the attempt runs; returns its end."""
        ...

    def cancel(self, attempt: RunningAttempt, *, at_once: bool) -> None:
        """Requests the end of an attempt; `collect` returns when it has ended."""
        ...

    def suspend_deadline(self, attempt: RunningAttempt) -> None:
        """Lets the time limit of an attempt stand still, because it waits for a person."""
        ...

    def continue_deadline(self, attempt: RunningAttempt) -> None:
        """Lets the time limit of a suspended attempt go on."""
        ...

    def close(self) -> None:
        """Releases the executor's resources at the end of the run."""
        ...

    async def adopt(
        self, *, token: str, folder: Path, supervisor: ProcessIdentity | None
    ) -> RunningAttempt | AttemptEnd:
        """Takes over an attempt of another coordinator, which still runs, has ended, or never started (voided)."""
        ...


async def end_left(
    executor: Executor, *, token: str, folder: Path, supervisor: ProcessIdentity | None, at_once: bool
) -> AttemptEnd:
    """Ends whatever still runs of an attempt of another coordinator; returns its end."""
    found = await executor.adopt(token=token, folder=folder, supervisor=supervisor)
    if isinstance(found, AttemptEnd):
        return found
    executor.cancel(found, at_once=at_once)
    return await executor.collect(found)


@dataclass(slots=True, kw_only=True)
class WrappingExecutor:
    """The base of executors that start attempts through another one, to which they leave the rest."""

    inner: Executor

    async def collect(self, attempt: RunningAttempt) -> AttemptEnd:
        """Waits for the end of an attempt, as the wrapped executor."""
        return await self.inner.collect(attempt)

    def cancel(self, attempt: RunningAttempt, *, at_once: bool) -> None:
        """Cancels an attempt, as the wrapped executor."""
        self.inner.cancel(attempt, at_once=at_once)

    def suspend_deadline(self, attempt: RunningAttempt) -> None:
        """Suspends a time limit, as the wrapped executor."""
        self.inner.suspend_deadline(attempt)

    def continue_deadline(self, attempt: RunningAttempt) -> None:
        """Continues a time limit, as the wrapped executor."""
        self.inner.continue_deadline(attempt)

    def close(self) -> None:
        """Closes the wrapped executor."""
        self.inner.close()

    async def adopt(
        self, *, token: str, folder: Path, supervisor: ProcessIdentity | None
    ) -> RunningAttempt | AttemptEnd:
        """Adopts an attempt, as the wrapped executor."""
        return await self.inner.adopt(token=token, folder=folder, supervisor=supervisor)
