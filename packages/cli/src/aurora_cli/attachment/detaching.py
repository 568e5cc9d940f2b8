"""The end of an attachment: the user detaches, or there is nothing left to follow. What it follows never notices."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aurora_spawner.runs.signals import end_on_signals

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

__all__ = ["Detaching"]


class Detaching:
    """Takes the signals that end a process: each detaches at once, and does nothing else."""

    def __init__(self) -> None:
        self._detached = asyncio.Event()

    @property
    def is_set(self) -> bool:
        """True if a signal has detached this terminal."""
        return self._detached.is_set()

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Takes signals while the block runs."""
        with end_on_signals(lambda _name, _again: self._detached.set()):
            yield

    async def until_detached(self, first: Awaitable[None], *others: Awaitable[None]) -> None:
        """Works until `first` is over or the user detaches; ends what still runs then, and raises what went wrong."""
        tasks = [asyncio.ensure_future(each) for each in (first, *others)]
        leaving = asyncio.ensure_future(self._detached.wait())
        try:
            waiting = {tasks[0], leaving, *tasks[1:]}
            while not (tasks[0].done() or leaving.done()):
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if any(each.exception() is not None for each in done if not each.cancelled()):
                    break
        finally:
            for task in (*tasks, leaving):
                task.cancel()
            ends = await asyncio.gather(*tasks, leaving, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end
