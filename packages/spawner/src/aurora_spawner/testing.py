"""For tests of programs that use this package: an executor without processes, and a look for processes left over."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, RunningAttempt
from aurora_spawner.attempts.process_identity import own_identity
from aurora_spawner.backends.base import Invocation, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_spawner.attempts.executor import AttemptOrder
    from aurora_spawner.attempts.process_identity import ProcessIdentity
    from aurora_spawner.tasks.task import SpawnTask


def echo(order: AttemptOrder) -> AttemptEnd:
    """An agent that answers with its prompt at once."""
    return AttemptEnd(reason=EndReason.EXITED, exit_code=0, stdout=order.prompt, stdout_bytes=len(order.prompt))


@dataclass(frozen=True, slots=True)
class SimulatedBackend:
    """An agent of which nothing exists but its name."""

    name: str
    timeout_s: float | None = None

    def invoke(self, task: SpawnTask) -> Invocation:  # noqa: ARG002 -- the port's signature
        """A command that is never run."""
        return Invocation(command=(self.name,), env={})

    def read(self, stdout: str, stderr: str) -> Reply:  # noqa: ARG002 -- the port's signature
        """All of stdout is the answer."""
        return Reply(text=stdout)


@dataclass(slots=True, kw_only=True)
class SimulatedExecutor:
    """Runs attempts in the imagination: no process, no file.

    It adopts nothing: what another coordinator started never began.
    """

    agent: Callable[[AttemptOrder], AttemptEnd] = echo
    """Decides how an attempt ends."""
    duration_s: float = 0.0
    """Of every attempt; 0 ends it in the next turn of the loop."""
    orders: list[AttemptOrder] = field(default_factory=list)
    """The started orders; empty if `remember` is false."""
    remember: bool = True
    _ends: dict[str, asyncio.Future[AttemptEnd] | AttemptEnd] = field(default_factory=dict)
    _self: ProcessIdentity = field(default_factory=own_identity)

    async def start(self, order: AttemptOrder) -> RunningAttempt:
        """Lets the attempt end after its duration."""
        if self.remember:
            self.orders.append(order)
        if self.duration_s:
            loop = asyncio.get_running_loop()
            end = self._ends[order.token] = loop.create_future()
            loop.call_later(self.duration_s, _finish, end, self.agent, order)
        else:
            self._ends[order.token] = self.agent(order)
        return RunningAttempt(token=order.token, folder=order.folder, supervisor=self._self)

    async def collect(self, attempt: RunningAttempt) -> AttemptEnd:
        """Waits for its end; one who gives up waiting may ask again."""
        end = self._ends[attempt.token]
        done = end if isinstance(end, AttemptEnd) else await asyncio.shield(end)
        del self._ends[attempt.token]
        return done

    def cancel(self, attempt: RunningAttempt, *, at_once: bool) -> None:  # noqa: ARG002 -- the port's signature
        """Ends the attempt now."""
        end = self._ends.get(attempt.token)
        if isinstance(end, asyncio.Future) and not end.done():
            end.set_result(AttemptEnd(reason=EndReason.CANCELLED))

    def suspend_deadline(self, attempt: RunningAttempt) -> None:
        """There is no time limit."""

    def continue_deadline(self, attempt: RunningAttempt) -> None:
        """There is no time limit."""

    def close(self) -> None:
        """There is nothing to let go of."""

    async def adopt(  # noqa: D102 -- as in the port
        self,
        *,
        token: str,  # noqa: ARG002
        folder: Path,  # noqa: ARG002
        supervisor: ProcessIdentity | None,  # noqa: ARG002
    ) -> RunningAttempt | AttemptEnd:
        return AttemptEnd(reason=EndReason.VOIDED)


def _finish(
    end: asyncio.Future[AttemptEnd], agent: Callable[[AttemptOrder], AttemptEnd], order: AttemptOrder
) -> None:
    if not end.done():
        end.set_result(agent(order))


def processes_of_run(run_id: str, *, within_s: float = 0.0) -> list[int]:
    """Returns the living processes that attempts of a run started, or that supervise them, by their environment.

    Args:
        run_id: The run.
        within_s: The most seconds that they get to end. A supervisor ends a moment after its attempt has ended.
    """
    mark, end = f"AURORA_RUN_ID={run_id}".encode(), time.monotonic() + within_s
    while True:
        found = [pid for pid in psutil.pids() if pid != os.getpid() and mark in _environment(pid)]
        if not found or time.monotonic() >= end:
            return found
        time.sleep(0.02)


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
