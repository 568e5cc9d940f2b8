"""One connection to a host: requests in any number at once, each with its answers; lost once, lost for good."""

from __future__ import annotations

import asyncio
import os
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import IO, TYPE_CHECKING, Final, Self

from aurora_spawner.distributed.documents import DocumentError
from aurora_spawner.distributed.ssh.destination import HostRefusedError, HostUnreachableError, SshError
from aurora_spawner.distributed.ssh.frames import (
    GREETING,
    HEAD_LIMIT_BYTES,
    PIECE_BYTES,
    Answer,
    answer_in,
    body_of,
    line_of,
)
from aurora_spawner.storage.system_words import system_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aurora_spawner.distributed.ssh.destination import Destination
    from aurora_spawner.distributed.ssh.frames import Request

_GREETED_AFTER: Final = 200
"""The most lines of the start files of a shell."""
_SAID_BYTES: Final = 8 << 10
_END_WITHIN_S: Final = 2.0


@dataclass(slots=True, kw_only=True)
class _Asked:
    answered: asyncio.Future[tuple[Answer, bytes]]
    on_life: Callable[[], None]
    into: IO[bytes] | None


@dataclass(slots=True, kw_only=True)
class Connection:
    """A running ssh whose other side has greeted."""

    destination: Destination
    process: subprocess.Popen[bytes]
    _out: asyncio.StreamReader
    _in: asyncio.StreamWriter
    _pipes: list[asyncio.BaseTransport]
    lost: SshError | None = None
    """Set once it is of no more use."""
    _said: bytearray = field(default_factory=bytearray)
    _asked: dict[int, _Asked] = field(default_factory=dict)
    _count: int = 0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _following: list[asyncio.Task[None]] = field(default_factory=list)

    @classmethod
    async def open(cls, destination: Destination) -> Self:
        """Starts ssh, and waits for the greeting.

        Raises:
            HostUnreachableError: The host is away, or does not answer.
            HostRefusedError: It refuses the login, its key is not the known one, or it has no Aurora that fits.
        """
        process, loop = _started(destination), asyncio.get_running_loop()
        out, errors = (asyncio.StreamReader(limit=HEAD_LIMIT_BYTES) for _ in range(2))
        pipes: list[asyncio.BaseTransport] = []
        try:
            for reader, pipe in ((out, process.stdout), (errors, process.stderr)):
                transport, _ = await loop.connect_read_pipe(partial(asyncio.StreamReaderProtocol, reader), pipe)
                pipes.append(transport)
            sending, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, process.stdin)
            pipes.append(sending)
        except BaseException:  # whoever asked may give up meanwhile
            _end_now(process, pipes)
            for unread in (process.stdout, process.stderr, process.stdin)[len(pipes) :]:
                if unread is not None:
                    unread.close()
            raise
        writer = asyncio.StreamWriter(sending, protocol, None, loop)
        made = cls(destination=destination, process=process, _out=out, _in=writer, _pipes=pipes)
        await made.begin(errors)
        return made

    async def begin(self, errors: asyncio.StreamReader) -> None:
        """Waits for the greeting, and reads on.

        Args:
            errors: What ssh and the other side say as errors.

        Raises:
            HostUnreachableError, HostRefusedError: As `open`.
        """
        self._following.append(asyncio.create_task(self._listen(errors)))
        try:
            async with asyncio.timeout(self.destination.answer_within_s):
                await self._greeted()
        except (TimeoutError, asyncio.IncompleteReadError, ValueError, ConnectionError) as error:
            raise await self._end() from error
        except BaseException:
            self.close()
            raise
        self._following.append(asyncio.create_task(self._read_on()))

    async def _greeted(self) -> None:
        for _ in range(_GREETED_AFTER):
            line = await self._out.readuntil()
            if line == GREETING:
                return
            if line.startswith(GREETING[:16]):
                found = line.decode(errors="replace").strip()
                raise HostRefusedError(
                    f"{self.destination.address} has another version of Aurora ({found}); install the same there"
                )
        raise ValueError("no greeting")

    async def call(
        self,
        request: Request,
        body: bytes | IO[bytes] = b"",
        *,
        into: IO[bytes] | None = None,
        on_life: Callable[[], None] = lambda: None,
    ) -> tuple[Answer, bytes]:
        """Makes a request; returns its last answer, and what is behind that.

        Args:
            body: What is behind the request, of the size that it names.
            into: The file for what is behind the answer, if that is a bundle.
            on_life: Called for each sign of life before.

        Raises:
            HostUnreachableError: The connection was lost, or the file cannot be written; whether the request was read
                is unknown.
            DocumentError: The request is too long.
        """
        self._count += 1
        numbered = request.model_copy(update={"id": self._count})
        line = line_of(numbered)
        asked = _Asked(answered=asyncio.get_running_loop().create_future(), on_life=on_life, into=into)
        if self.lost is not None:
            raise self.lost
        self._asked[numbered.id] = asked
        try:
            await self._send(line, body)
            return await asked.answered
        finally:
            self._asked.pop(numbered.id, None)
            if asked.answered.done() and not asked.answered.cancelled():
                asked.answered.exception()  # it is told here, or nobody waits for it

    async def _send(self, line: bytes, body: bytes | IO[bytes]) -> None:
        async with self._turn:
            with suppress(ConnectionError):  # the reader finds out why
                self._in.write(line)
                if isinstance(body, bytes):
                    self._in.write(body)
                else:
                    while piece := await asyncio.to_thread(body.read, PIECE_BYTES):
                        self._in.write(piece)
                        await self._in.drain()
                await self._in.drain()

    async def _read_on(self) -> None:
        try:
            while True:
                await self._read_one()
        except (asyncio.IncompleteReadError, ConnectionError):
            problem = await self._end()
        except (DocumentError, ValueError) as error:  # ValueError: a line without an end
            await self._end()
            problem = HostUnreachableError(f"{self.destination.address} sent something that cannot be read: {error}")
        except OSError as error:  # of the file for it
            await self._end()
            problem = HostUnreachableError(
                f"what {self.destination.address} sent cannot be written: {system_words(error)}"
            )
        self.lost = problem
        for asked in self._asked.values():
            if not asked.answered.done():
                asked.answered.set_exception(problem)

    async def _read_one(self) -> None:
        reader = self._out
        answer = answer_in(await reader.readuntil())
        asked = self._asked.get(answer.id)
        if answer.kind == "life":
            if asked is not None:
                asked.on_life()
            return
        if asked is not None and asked.into is not None:
            await _copy(reader, asked.into, answer.size)
            body = b""
        else:
            body = await body_of(reader, answer)
        if asked is not None and not asked.answered.done():
            asked.answered.set_result((answer, body))

    async def _listen(self, errors: asyncio.StreamReader) -> None:
        """Keeps the end of what ssh and the other side say as errors."""
        while piece := await errors.read(PIECE_BYTES):
            self._said += piece
            del self._said[:-_SAID_BYTES]

    async def _end(self) -> SshError:
        """Ends ssh; returns why the connection has ended."""
        self._in.close()
        status: int | None = None
        try:
            try:
                status = await asyncio.to_thread(self.process.wait, _END_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
            # A program of the user's may keep the pipe.
            await asyncio.wait({self._following[0]}, timeout=_END_WITHIN_S)
            return self.destination.problem(status, self._said.decode(errors="replace"))
        finally:
            self._close_pipes()

    def close(self) -> None:
        """Ends ssh; attempts continue."""
        for each in self._following:
            each.cancel()
        self._close_pipes()

    def _close_pipes(self) -> None:
        self._following[0].cancel()
        _end_now(self.process, self._pipes)


def _started(destination: Destination) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            destination.command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=destination.environment(os.environ),
            bufsize=0,
            start_new_session=True,  # no Ctrl-C of a terminal, and no question at one
        )
    except OSError as error:
        raise HostRefusedError(f"ssh could not be started: {error.strerror}; install OpenSSH's client") from error


def _end_now(process: subprocess.Popen[bytes], pipes: Iterable[asyncio.BaseTransport]) -> None:
    for each in pipes:
        each.close()
    if process.poll() is None:
        process.kill()
        process.wait()


async def _copy(reader: asyncio.StreamReader, into: IO[bytes], size: int) -> None:
    while size:
        piece = await reader.read(min(size, PIECE_BYTES))
        if not piece:
            raise asyncio.IncompleteReadError(b"", size)
        await asyncio.to_thread(into.write, piece)
        size -= len(piece)
