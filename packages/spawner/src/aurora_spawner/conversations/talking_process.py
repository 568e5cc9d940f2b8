"""A supervised process of a conversation: the lines of its output as they come, and lines to its stdin."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.attempts.attempt_folder import DEFAULT_CAP_BYTES, AttemptFolder
from aurora_spawner.attempts.executor import AttemptRefusedError
from aurora_spawner.backends.stream import LINE_LIMIT
from aurora_spawner.conversations.port import Began, ConversationError
from aurora_spawner.storage.private_files import make_private_folder
from aurora_spawner.storage.regular_files import open_regular

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import BinaryIO

    from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder, Executor, RunningAttempt
    from aurora_spawner.conversations.port import OnStart

STDIN: Final = "stdin"
"""The named pipe in the folder of an attempt."""
WORN_BYTES: Final = DEFAULT_CAP_BYTES // 2
"""Output after which the process should be replaced: its spool keeps twice as much in order."""
PIECE_BYTES: Final = 1 << 18
SHORTEST_PAUSE_S: Final = 0.002
LONGEST_PAUSE_S: Final = 0.05
PAUSE_SHARE: Final = 0.02
"""The part of the time without output that the next pause may take: what it adds to a turn is no more."""


class TalkingProcess:
    """One attempt that is followed as it works, and read from and written to line by line."""

    def __init__(self, executor: Executor, running: RunningAttempt, stdin: int) -> None:
        self.read_bytes = 0
        """The bytes of its output that were handed out as lines."""
        self.skipped = 0
        """The bytes of the latest line, if that was too long and is empty for it."""
        self._executor = executor
        self._running = running
        self._stdin = stdin
        self._ended = asyncio.ensure_future(executor.collect(running))
        self._output: BinaryIO | None = None
        self._rest = b""
        self._skipping = 0
        """The bytes of a line that is too long, so far."""
        self._lines: deque[tuple[bytes, int]] = deque()
        """Each with the bytes that it takes in the output."""
        self._writing = asyncio.Lock()

    @classmethod
    async def start(cls, executor: Executor, order: AttemptOrder) -> TalkingProcess:
        """Starts the agent of an order; its stdin stays open if it `talks`.

        Raises:
            OSError: The system could not start it.
            AttemptRefusedError: It may not start.
        """
        stdin = _make_pipe(order.folder) if order.talks else -1
        try:
            return cls(executor, await executor.start(order), stdin)
        except BaseException:
            if order.talks:
                os.close(stdin)
            raise

    @property
    def worn(self) -> bool:
        """True if its output has grown so long that a new process should take over."""
        return self.read_bytes > WORN_BYTES

    @property
    def has_ended(self) -> bool:
        """True if nobody is there any more to read what is written."""
        return self._ended.done()

    async def write(self, *documents: Mapping[str, Any]) -> None:
        """Writes a line for each document; what an agent that has ended does not read is dropped."""
        left = memoryview(b"".join(json.dumps(each).encode("ascii") + b"\n" for each in documents))
        async with self._writing:
            while left and not self._ended.done():
                try:
                    left = left[os.write(self._stdin, left) :]
                except BlockingIOError:
                    await self._until_writable()

    async def _until_writable(self) -> None:
        loop = asyncio.get_running_loop()
        room: asyncio.Future[None] = loop.create_future()
        loop.add_writer(self._stdin, _set_once, room)
        try:
            await asyncio.wait((room, self._ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            loop.remove_writer(self._stdin)
            room.cancel()

    async def next_line(self) -> bytes | None:
        """Returns the next line of its output; None once it has ended and everything was returned."""
        quiet_since = time.monotonic()
        while not self._lines:
            over = self._ended.done()
            if self._read():
                quiet_since = time.monotonic()
            elif over:
                return self._last_line()
            else:
                await asyncio.wait({self._ended}, timeout=pause_after(time.monotonic() - quiet_since))
        line, size = self._lines.popleft()
        self.read_bytes += size
        self.skipped = size if size > len(line) + 1 else 0
        return line

    def _last_line(self) -> bytes | None:
        line, self._rest = self._rest, b""
        self.read_bytes += len(line)
        return line or None

    def _read(self) -> bool:
        """Reads what has come since; returns False if nothing has."""
        if self._output is None:
            with suppress(OSError):  # not there yet
                self._output = open_regular(AttemptFolder(path=self._running.folder).stdout)
        piece = self._output.read(PIECE_BYTES) if self._output else b""
        if not piece:
            return False
        *whole, self._rest = (self._rest + piece).split(b"\n")
        for line in whole:
            self._lines.append((b"" if self._skipping else line, self._skipping + len(line) + 1))
            self._skipping = 0
        if len(self._rest) > LINE_LIMIT:  # no reader takes so long a line
            self._skipping += len(self._rest)
            self._rest = b""
        return True

    async def end(self, *, at_once: bool = False) -> AttemptEnd:
        """Ends the agent and everything it has started, and returns how it ended."""
        if not self._ended.done():
            self._executor.cancel(self._running, at_once=at_once)
        try:
            return await self._ended
        finally:
            if self._output is not None:
                self._output.close()
                self._output = None
            if self._stdin >= 0:
                os.close(self._stdin)
                self._stdin = -1

    def stop(self) -> None:
        """Asks for the end of the agent; `next_line` tells when it is over."""
        if not self._ended.done():
            self._executor.cancel(self._running, at_once=False)


async def begin_process(agent: str, executor: Executor, order: AttemptOrder, on_start: OnStart) -> TalkingProcess:
    """Starts the process of an agent, and has it noted before anything is sent to it.

    Raises:
        ConversationError: It does not start.
    """
    try:
        process = await TalkingProcess.start(executor, order)
    except AttemptRefusedError as error:
        raise ConversationError(agent, str(error)) from error
    except OSError as error:
        raise ConversationError(agent, f"cannot be started: {error.strerror}") from error
    try:
        await on_start(Began(token=order.token, folder=order.folder))
    except BaseException:  # nobody knows of it
        await process.end(at_once=True)
        raise
    return process


def pause_after(quiet_s: float) -> float:
    """Returns the time until the next look for output, in seconds, after a time without any."""
    return min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, quiet_s * PAUSE_SHARE))


def _set_once(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _make_pipe(folder: Path) -> int:
    """Makes the named pipe of an attempt and returns its descriptor, open before the agent opens its own."""
    make_private_folder(folder)
    os.mkfifo(folder / STDIN, 0o600)
    return os.open(folder / STDIN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
