"""Conducts a session off the terminal: turns come as lines of JSON, in order, and events go out likewise."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from aurora_cli.exits import ExitCode
from aurora_cli.interaction.answering import answer_question
from aurora_cli.interaction.leaving import Leaving
from aurora_cli.interaction.requests import BadLineError, Request, read_request
from aurora_soar.errors import SoarError
from aurora_spawner.conversations.transcript import TurnState
from aurora_spawner.errors import SpawnerError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from aurora_spawner.conversations.session import Session

__all__ = ["Conductor"]


class Conductor:
    """Takes the requests of one input to a session.

    Args:
        journal: for answers, which go the same way as those of other terminals.
        check_agent: raises an error for an agent that cannot be talked with.
        emit: writes a document.
    """

    def __init__(
        self,
        session: Session,
        journal: Path,
        check_agent: Callable[[str], None],
        emit: Callable[[dict[str, Any]], None],
    ) -> None:
        self._session = session
        self._journal = journal
        self._check_agent = check_agent
        self._emit = emit
        self._waiting: deque[Request] = deque()
        self._more = asyncio.Event()
        self._over = False
        self._bad_lines = 0
        self._failed_turns = 0
        self._leaving = Leaving()

    async def conduct(self, first: str, lines: AsyncIterator[bytes]) -> ExitCode:
        """Says the first turn, if there is one, and those that come; returns the status once all are over.

        Signals leave as `Leaving` says.
        """
        if first:
            self._put(Request(say=first))
        with self._leaving.on_signals(self._session):
            await self._leaving.until_left(self._talk(), self._read(lines))
        return ExitCode.INTERRUPTED if self._leaving.is_set else self._status()

    def _status(self) -> ExitCode:
        if self._bad_lines:
            return ExitCode.USAGE
        return ExitCode.NOT_REACHED if self._failed_turns else ExitCode.DONE

    def _put(self, request: Request) -> None:
        self._waiting.append(request)
        self._more.set()

    async def _read(self, lines: AsyncIterator[bytes]) -> None:
        number = 0
        async for line in lines:
            number += 1
            if not line.strip():
                continue
            try:
                await self._take(read_request(line))
            except (BadLineError, SpawnerError, SoarError) as error:
                self._bad_lines += 1
                self._emit({"event": "error", "line": number, "problem": str(error)})
        self._over = True
        self._more.set()

    async def _take(self, request: Request) -> None:
        """Answers and interrupts at once; turns and changes of the agent wait for their time, in order."""
        if request.interrupt:
            await self._session.interrupt()
        elif not await answer_question(self._journal, request):
            if request.switch is not None:
                self._check_agent(request.switch)
            self._put(request)

    async def _talk(self) -> None:
        while True:
            while self._waiting:
                await self._do(self._waiting.popleft())
            if self._over:
                await self._session.quiet()
                return
            self._more.clear()
            await self._more.wait()

    async def _do(self, request: Request) -> None:
        if request.switch is not None:
            await self._session.switch(request.switch)
        elif request.say is not None:
            turn = await self._session.say(request.say)
            self._failed_turns += turn.state is not TurnState.DONE
