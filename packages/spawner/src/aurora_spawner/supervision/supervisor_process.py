"""Supervisor processes, seen from the coordinator: start, signal, wait for the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import py_compile
import signal
import sys
from dataclasses import dataclass
from functools import cache
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_spawner.attempts.process_identity import ProcessIdentity, identify

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aurora_spawner.attempts.resource_limits import ResourceLimits

SUPERVISOR = Path(__file__).with_name("supervisor.py")
FORK_SERVER_SOCKET = 3
"""The descriptor's number in supervisor.py, as is DEATH_PIPE."""
DEATH_PIPE = 4
POLL_S = 0.05
"""The polling interval on systems that do not report the end of a process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorOrder:
    """The arguments of a supervisor's command line; see supervisor.py."""

    folder: Path
    token: str
    deadline_s: float | None
    grace_s: float
    cap_bytes: int
    cwd: Path
    cgroup: Path | None
    """The cgroup to create for the agent; None for no cgroup."""
    program: str
    """The path of the agent's program."""
    command: Sequence[str]
    """The program's arguments, its name first."""
    environment: Mapping[str, str]
    limits: ResourceLimits | None = None
    death_pipe: int | None = None
    """The reading end of the parent-death pipe: the attempt ends when it closes. None for a detached attempt."""
    stdin: str = "prompt"
    """prompt, pipe or empty."""

    def arguments(self) -> list[str]:
        """Returns the supervisor's command line, without the program."""
        limits = [str(self.deadline_s or 0), str(self.grace_s), str(self.cap_bytes)]
        held = "-" if self.death_pipe is None else "held"
        places = [str(self.cwd), str(self.cgroup or "-"), _limits_word(self.limits)]
        return [str(self.folder), self.token, *limits, *places, held, self.stdin, "--", self.program, *self.command]


def _limits_word(limits: ResourceLimits | None) -> str:
    """Returns limits as the supervisor reads them: bytes, processes and seconds, 0 for no limit; "-" for none."""
    if not limits:
        return "-"
    return f"{limits.memory_bytes or 0},{limits.processes or 0},{limits.cpu_s or 0}"


@cache
def supervisor_program() -> str:
    """Returns the path of the supervisor's compiled code, which saves 3 ms an attempt; its source if not writable."""
    compiled = cache_from_source(str(SUPERVISOR))
    if _is_current(Path(compiled)):
        return compiled
    try:
        return py_compile.compile(str(SUPERVISOR), doraise=True) or str(SUPERVISOR)
    except OSError:
        return str(SUPERVISOR)


def _is_current(compiled: Path) -> bool:
    """Returns True if compiled code belongs to the present source and this Python, by its header (PEP 552)."""
    source = SUPERVISOR.stat()
    words = (0, int(source.st_mtime) & 0xFFFFFFFF, source.st_size & 0xFFFFFFFF)
    expected = MAGIC_NUMBER + b"".join(word.to_bytes(4, "little") for word in words)
    try:
        with compiled.open("rb") as file:
            return file.read(len(expected)) == expected
    except OSError:
        return False


def start_supervisor(order: SupervisorOrder) -> ProcessIdentity:
    """Starts a supervisor in its own session; it continues when this process dies.

    Raises:
        OSError: The system could not start it.
    """
    pid = run_supervisor_program(order.arguments(), order.environment, death_pipe=order.death_pipe)
    identity = identify(pid)
    if identity is None:  # it ended already; the zombie keeps its pid until it is waited for
        return ProcessIdentity(host="", boot_id="", namespace="", pid=pid, start_time=0)
    return identity


def run_supervisor_program(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    socket: int | None = None,
    death_pipe: int | None = None,
) -> int:
    """Starts supervisor.py in its own session, without streams; returns its pid.

    Args:
        socket: The descriptor that becomes FORK_SERVER_SOCKET.
        death_pipe: The descriptor that becomes DEATH_PIPE.
    """
    null = os.devnull
    actions: list[tuple[int, int, str, int, int] | tuple[int, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 0, null, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, null, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, null, os.O_WRONLY, 0),
    ]
    if socket is not None:
        actions.append((os.POSIX_SPAWN_DUP2, socket, FORK_SERVER_SOCKET))
    if death_pipe is not None:
        actions.append((os.POSIX_SPAWN_DUP2, death_pipe, DEATH_PIPE))
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-S", supervisor_program(), *arguments],
        environment,
        file_actions=actions,
        setsid=True,
        setsigmask=(),
        setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE),
    )


def signal_process(process: ProcessIdentity, number: signal.Signals) -> bool:
    """Signals exactly this process and wakes it to receive the signal; returns False if it has ended."""
    if not process.alive():
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)
        os.kill(process.pid, signal.SIGCONT)
        return True
    return False


async def wait_for_end(process: ProcessIdentity) -> None:
    """Waits until the process has ended; reaps it if it is our child."""
    if hasattr(os, "pidfd_open"):
        await _wait_by_descriptor(process)
    else:
        while process.alive():  # noqa: ASYNC110 -- this system notifies the parent only
            await asyncio.sleep(POLL_S)
    reap(process)


def reap(process: ProcessIdentity) -> None:
    """Reaps a process that has ended, if it is our child."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)


async def _wait_by_descriptor(process: ProcessIdentity) -> None:
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    try:
        if process.start_time and not process.alive():  # the pid may belong to another process by now
            return
        loop.add_reader(descriptor, _set_once, ended)
        await ended
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _set_once(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
