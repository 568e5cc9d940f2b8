"""The pieces of work of one coordinator: each has an owner that waits for its end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType


class WorkGroup:
    """A task group that starts nothing more once one of its pieces has failed."""

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self.broken = False
        """A piece of work has failed: the group is closing and owns nothing new."""

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._group.__aexit__(kind, error, trace)

    def start(self, work: Coroutine[object, None, object]) -> None:
        """Owns a piece of work until it ends."""
        self._group.create_task(self._guard(work))

    async def _guard(self, work: Coroutine[object, None, object]) -> None:
        try:
            await work
        except BaseException:
            self.broken = True
            raise
