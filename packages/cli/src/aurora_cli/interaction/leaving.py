"""The end of a talk: its turns are over, or its user leaves."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aurora_spawner.errors import first_failure
from aurora_spawner.runs.signals import end_on_signals

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    from aurora_spawner.conversations.session import Session

__all__ = ["Leaving", "until_over"]


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
        """Works until `talking` is over or the user leaves; else as `until_over`."""
        await until_over(self._left, talking, *beside)


async def until_over(left: asyncio.Event, first: Awaitable[None], *beside: Awaitable[None]) -> None:
    """Works until `first` is over, something fails, or the user leaves; ends what still runs, and raises what failed.

    What works beside the first may be over before it. Of several failures the first one is raised, with the others as
    its notes.
    """
    tasks = [asyncio.ensure_future(each) for each in (first, *beside)]
    leaving = asyncio.ensure_future(left.wait())
    waiting = {leaving, *tasks}
    try:
        while not (tasks[0].done() or leaving.done()):
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if any(each.exception() is not None for each in done if not each.cancelled()):
                break
    finally:
        for task in (*tasks, leaving):
            task.cancel()
        ends = await asyncio.gather(*tasks, leaving, return_exceptions=True)
    failed = [end for end in ends if isinstance(end, Exception)]
    if failed:
        raise first_failure(failed)
