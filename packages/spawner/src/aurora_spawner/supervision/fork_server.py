"""The fork server: a process that forks supervisors on request, ten times cheaper than a new interpreter for each."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from aurora_spawner.attempts.process_identity import ProcessIdentity, boot_id, host_name, identify, pid_namespace
from aurora_spawner.supervision.environment import TOKEN_VARIABLE
from aurora_spawner.supervision.supervisor_process import run_supervisor_program, start_supervisor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_spawner.supervision.supervisor_process import SupervisorOrder

ANSWER_LIMIT_S = 10.0
"""The time after which a silent fork server counts as dead; the claim file makes a late fork harmless."""


class ForkServer:
    """Starts supervisors through its process, and directly once that process has failed."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._pid = 0
        self._broken = False
        self._turn = asyncio.Lock()

    async def start(self, order: SupervisorOrder) -> ProcessIdentity:
        """Starts a supervisor.

        Raises:
            OSError: The system cannot start a process.
        """
        async with self._turn:
            if not self._broken:
                with suppress(OSError, ValueError):
                    return await asyncio.wait_for(self._fork(order), ANSWER_LIMIT_S)
                self._broken = True
        return start_supervisor(order)

    async def end_orphans(self) -> list[int]:
        """Ends the orphans of killed supervisors, if the server lives; returns the pids that survived."""
        async with self._turn:
            if self._socket is None:
                return []
            try:
                answer = await asyncio.wait_for(self._ask(b""), ANSWER_LIMIT_S)
                return [int(word) for word in answer.split()]
            except (OSError, ValueError):
                self._broken = True
                return []

    def close(self) -> None:
        """Ends the server's process; the supervisors that it forked stay."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(self._pid, 0)

    async def _fork(self, order: SupervisorOrder) -> ProcessIdentity:
        if self._socket is None:
            self._open(order.environment, order.death_pipe)
        pid, start_time = map(int, (await self._ask(encode_order(order))).split())
        return _identity(pid, start_time)

    async def _ask(self, content: bytes) -> bytes:
        """Sends one order and returns the answer's line; closes the server if no answer comes."""
        assert self._socket is not None
        try:
            os.kill(self._pid, signal.SIGCONT)  # an agent may have stopped it
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(self._socket, len(content).to_bytes(8, "big") + content)
            answer = b""
            while not answer.endswith(b"\n"):
                piece = await loop.sock_recv(self._socket, 1024)
                answer += piece or _gone()
        except BaseException:  # a late answer would pass for the answer to the next order
            self.close()
            raise
        return answer

    def _open(self, environment: Mapping[str, str], death_pipe: int | None) -> None:
        # Each fork shows the fork server's environment to other processes. With the first attempt's token in it, a
        # sweep for that attempt's orphans would end all supervisors.
        environment = {name: value for name, value in environment.items() if name != TOKEN_VARIABLE}
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            self._pid = run_supervisor_program(
                ["--fork-server"], environment, socket=theirs.fileno(), death_pipe=death_pipe
            )
        self._socket = ours


def _gone() -> bytes:
    raise ConnectionResetError("the fork server is gone")


def _identity(pid: int, start_time: int) -> ProcessIdentity:
    """Returns the identity of a supervisor that the fork server named; its start time is 0 outside Linux."""
    named = ProcessIdentity(
        host=host_name(), boot_id=boot_id(), namespace=pid_namespace(), pid=pid, start_time=start_time
    )
    return named if start_time else identify(pid) or named


def encode_order(order: SupervisorOrder) -> bytes:
    """Returns an order as `serve_orders` in forking.py reads it."""
    arguments = order.arguments()
    variables = [f"{name}={value}" for name, value in order.environment.items()]
    words = [str(len(arguments)), *arguments, *variables]
    if any("\0" in word for word in words):
        raise ValueError("no argument or variable may hold a NUL")
    return os.fsencode("\0".join(words))
