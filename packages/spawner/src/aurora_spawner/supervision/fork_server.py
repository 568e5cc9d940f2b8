"""The nursery: a process that forks supervisors on order, ten times cheaper than starting each one anew."""

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
"""After this a nursery counts as dead; the claim in the attempt's folder keeps a late answer from doing harm."""


class Nursery:
    """Starts supervisors, by its process while that works and directly otherwise."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._pid = 0
        self._broken = False
        self._turn = asyncio.Lock()

    async def start(self, order: SupervisorOrder) -> ProcessIdentity:
        """Starts a supervisor.

        Raises:
            OSError: The system could not start it either way.
        """
        async with self._turn:
            if not self._broken:
                with suppress(OSError, ValueError):
                    return await asyncio.wait_for(self._fork(order), ANSWER_LIMIT_S)
                self._broken = True
        return start_supervisor(order)

    async def end_left(self) -> list[int]:
        """Ends what killed supervisors left, if the process lives; returns pids that would not die."""
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
        """Lets the process go; supervisors that it forked stay."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(self._pid, 0)

    async def _fork(self, order: SupervisorOrder) -> ProcessIdentity:
        if self._socket is None:
            self._open(order.environment, order.lifeline)
        pid, start_time = map(int, (await self._ask(encode_order(order))).split())
        return _identity(pid, start_time)

    async def _ask(self, content: bytes) -> bytes:
        """Sends one order; returns the line that answers it. Without an answer the process is given up."""
        assert self._socket is not None
        try:
            os.kill(self._pid, signal.SIGCONT)  # an agent may have stopped it
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(self._socket, len(content).to_bytes(8, "big") + content)
            answer = b""
            while not answer.endswith(b"\n"):
                piece = await loop.sock_recv(self._socket, 1024)
                answer += piece or _gone()
        except BaseException:  # a late answer would be taken for the next order's
            self.close()
            raise
        return answer

    def _open(self, environment: Mapping[str, str], lifeline: int | None) -> None:
        # What it forks shows the nursery's own environment to others. With the first attempt's token in it, a sweep
        # for that attempt's strays would end every supervisor that was ever forked.
        environment = {name: value for name, value in environment.items() if name != TOKEN_VARIABLE}
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            self._pid = run_supervisor_program(["--nursery"], environment, socket=theirs.fileno(), lifeline=lifeline)
        self._socket = ours


def _gone() -> bytes:
    raise ConnectionResetError("the nursery is gone")


def _identity(pid: int, start_time: int) -> ProcessIdentity:
    """Of a supervisor that the nursery named; the nursery knows start times on Linux only (else 0)."""
    named = ProcessIdentity(
        host=host_name(), boot_id=boot_id(), namespace=pid_namespace(), pid=pid, start_time=start_time
    )
    return named if start_time else identify(pid) or named


def encode_order(order: SupervisorOrder) -> bytes:
    """An order as the nursery reads it; see `serve_orders` in supervisor.py."""
    arguments = order.arguments()
    variables = [f"{name}={value}" for name, value in order.environment.items()]
    words = [str(len(arguments)), *arguments, *variables]
    if any("\0" in word for word in words):
        raise ValueError("no argument or variable may hold a NUL")
    return os.fsencode("\0".join(words))
