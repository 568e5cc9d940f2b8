"""The end of an attachment: the user detaches, or there is nothing left to follow. What it follows never notices."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aurora_cli.interaction.leaving import until_over
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
        """Works until `first` is over or the user detaches; else as `until_over`."""
        await until_over(self._detached, first, *others)
