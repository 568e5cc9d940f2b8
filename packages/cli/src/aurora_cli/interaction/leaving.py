"""The end of a talk: its turns are over, or its user leaves."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aurora_spawner.runs.signals import end_on_signals

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    from aurora_spawner.conversations.session import Session

__all__ = ["Leaving"]


class Leaving:
    """Takes signals: Ctrl-C interrupts the turn that runs; a second one in that turn, or any other signal, leaves."""

    def __init__(self) -> None:
        self._left = asyncio.Event()
        self._interrupted = 0
        """The number of the turn that was interrupted last."""
        self._interrupting: asyncio.Task[None] | None = None

    @property
    def is_set(self) -> bool:
        """True if the user has left."""
        return self._left.is_set()

    @contextmanager
    def on_signals(self, session: Session) -> Iterator[None]:
        """Takes the signals that end a process, while the block runs."""
        with end_on_signals(lambda name, _again: self._take(name, session)):
            yield

    def _take(self, name: str, session: Session) -> None:
        turn = session.transcript.open_turn
        if name == "SIGINT" and turn is not None and turn.number != self._interrupted:
            self._interrupted = turn.number
            self._interrupting = asyncio.ensure_future(session.interrupt())
        else:
            self._left.set()

    async def until_left(self, talking: Awaitable[None], *beside: Awaitable[None]) -> None:
        """Works until `talking` is over or the user leaves, and ends what still runs then; raises what went wrong."""
        task, leaving = asyncio.ensure_future(talking), asyncio.ensure_future(self._left.wait())
        others = [asyncio.ensure_future(each) for each in beside]
        try:
            await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in (task, leaving, *others):
                each.cancel()
            ends = await asyncio.gather(task, leaving, *others, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end
