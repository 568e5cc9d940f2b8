"""The side of a host: answers the requests of one connection, and ends with it; attempts go on."""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar

from aurora_spawner.distributed.documents import DocumentError
from aurora_spawner.distributed.exchange import ExchangeError, ExchangeUnreachableError
from aurora_spawner.distributed.ssh.bundles import FULL
from aurora_spawner.distributed.ssh.frames import (
    BUNDLE_LIMIT_BYTES,
    GREETING,
    HEAD_LIMIT_BYTES,
    PIECE_BYTES,
    Answer,
    Request,
    line_of,
    request_in,
)
from aurora_spawner.distributed.ssh.host_attempts import HostAttempts, HostOptions
from aurora_spawner.distributed.ssh.host_refs import HostRefs
from aurora_spawner.distributed.worker_trees import WorkerTrees
from aurora_spawner.storage.system_words import system_words
from aurora_spawner.workspaces.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    Value = TypeVar("Value")

_log = logging.getLogger(__name__)
_PROBLEM_LENGTH: Final = 4000
_FAILURES: Final = (ExchangeError, WorkspaceError, DocumentError, OSError)


@dataclass(slots=True)
class Host:
    """Answers one coordinator.

    Requests that have begun to change something are done to their end when the connection is lost; the next one is
    asked for the same again.
    """

    options: HostOptions
    _write: Callable[[bytes], Awaitable[None]] | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _refs: HostRefs = field(init=False)
    _attempts: HostAttempts = field(init=False)
    _asked: set[asyncio.Task[None]] = field(default_factory=set)
    _changing: set[asyncio.Task[Any]] = field(default_factory=set)

    def __post_init__(self) -> None:
        folder = self.options.place / "trees"
        self._refs = HostRefs(folder)
        trees = WorkerTrees(folder=folder, exchange=self._refs.exchange)
        self._attempts = HostAttempts(options=self.options, trees=trees)

    async def serve(self, reader: asyncio.StreamReader, write: Callable[[bytes], Awaitable[None]]) -> None:
        """Greets, and answers until the other side is gone.

        Raises:
            DocumentError: The other side is no coordinator of this version.
        """
        self._write = write
        await asyncio.to_thread(self._attempts.sweep, time.time())
        try:
            await self._say(GREETING)
            while line := await reader.readline():
                request = request_in(line)
                body = await self._body(reader, request)
                task = asyncio.create_task(self._answer(request, body))
                self._asked.add(task)
                task.add_done_callback(self._asked.discard)
        except asyncio.IncompleteReadError:
            return
        except ValueError as error:
            raise DocumentError(f"a request is longer than {HEAD_LIMIT_BYTES >> 20} MiB") from error
        finally:
            for task in self._asked:
                task.cancel()
            await asyncio.gather(*self._asked, return_exceptions=True)
            while self._changing:
                await asyncio.wait(self._changing)
            self._attempts.close()

    async def _body(self, reader: asyncio.StreamReader, request: Request) -> bytes | IO[bytes]:
        if request.kind != "push":
            return await reader.readexactly(request.size)
        file = tempfile.TemporaryFile(prefix="aurora-bundle-")  # noqa: SIM115 -- closed by who uses it
        left = request.size
        while left:
            piece = await reader.read(min(left, PIECE_BYTES))
            if not piece:
                raise asyncio.IncompleteReadError(b"", left)
            await asyncio.to_thread(file.write, piece)
            left -= len(piece)
        file.seek(0)
        return file

    async def _answer(self, request: Request, body: bytes | IO[bytes]) -> None:
        try:
            if isinstance(body, bytes):
                await self._answer_about_attempt(request, body)
            else:
                with body:
                    await self._answer_about_refs(request, body)
        except _FAILURES as error:
            words = system_words(error) if isinstance(error, OSError) else str(error)
            full = any(each in words.lower() for each in FULL)
            again = full or isinstance(error, ExchangeUnreachableError)
            _log.warning("%s: %s", request.kind, words)
            await self._tell(Answer(id=request.id, kind="refused", problem=words[:_PROBLEM_LENGTH], again=again))

    async def _answer_about_attempt(self, request: Request, body: bytes) -> None:
        if request.kind in ("refs", "fetch", "delete"):
            await self._answer_about_refs(request, None)
            return
        if request.token is None:
            raise DocumentError(f"{request.kind} needs a token")
        if request.kind == "collect":
            await self._collect(request, request.token)
            return
        if request.kind == "start":
            order = body.decode("utf-8", errors="replace")
            state = await self._change(self._attempts.start(request.token, order))
        elif request.kind == "cancel":
            state = await self._change(self._attempts.cancel(request.token, at_once=request.at_once))
        else:
            state = self._attempts.adopt(request.token)
        await self._tell(Answer(id=request.id, kind="done", state=state))

    async def _collect(self, request: Request, token: str) -> None:
        lives: set[asyncio.Task[None]] = set()

        def on_life() -> None:
            task = asyncio.create_task(self._tell(Answer(id=request.id, kind="life")))
            lives.add(task)
            task.add_done_callback(lives.discard)

        end = await self._attempts.collect(token, on_life)
        packed = await self._change(self._attempts.result(token, end))
        await self._tell(Answer(id=request.id, kind="done", state="over", now=time.time(), size=len(packed)), packed)
        self._attempts.given(token)

    async def _answer_about_refs(self, request: Request, bundle: IO[bytes] | None) -> None:
        if request.kind == "refs":
            found = await asyncio.to_thread(self._refs.all)
            await self._tell(Answer(id=request.id, kind="done", refs=found))
        elif request.kind == "delete":
            await self._change(asyncio.to_thread(self._refs.delete, request.refs))
            await self._tell(Answer(id=request.id, kind="done"))
            for sentence in await self._change(asyncio.to_thread(self._attempts.trees.clean)):
                _log.info("%s", sentence)
        elif request.ref is None or request.commit is None:
            raise DocumentError(f"{request.kind} needs a ref and a commit")
        elif request.kind == "push":
            taken = asyncio.to_thread(self._refs.take, request.ref, request.commit, bundle if request.size else None)
            await self._change(taken)
            await self._tell(Answer(id=request.id, kind="done"))
        else:
            await self._give(request, request.ref, request.commit)

    async def _give(self, request: Request, ref: str, commit: str) -> None:
        with tempfile.TemporaryDirectory(prefix="aurora-bundle-") as folder:
            file = Path(folder) / "bundle"
            size = await asyncio.to_thread(
                self._refs.give, ref, commit, file, have=request.have, limit=BUNDLE_LIMIT_BYTES
            )
            await self._tell(Answer(id=request.id, kind="done", size=size), file if size else b"")

    async def _change(self, work: Coroutine[Any, Any, Value]) -> Value:
        """Does something to its end, whatever becomes of the connection."""
        task = asyncio.ensure_future(work)
        self._changing.add(task)
        task.add_done_callback(self._changing.discard)
        return await asyncio.shield(task)

    async def _tell(self, answer: Answer, body: bytes | Path = b"") -> None:
        async with self._turn:
            await self._say(line_of(answer))
            if isinstance(body, bytes):
                await self._say(body)
                return
            with body.open("rb") as file:
                while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
                    await self._say(piece)

    async def _say(self, piece: bytes) -> None:
        assert self._write is not None
        with suppress(ConnectionError):  # the other side is gone, and so will be what it sends
            await self._write(piece)


async def serve_streams(options: HostOptions) -> None:
    """Answers the coordinator at this process's standard input and output.

    Raises:
        DocumentError: The other side is no coordinator of this version.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=HEAD_LIMIT_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, sys.stdout.buffer)
    writer = asyncio.StreamWriter(transport, protocol, None, loop)

    async def write(piece: bytes) -> None:
        writer.write(piece)
        await writer.drain()

    await Host(options).serve(reader, write)
