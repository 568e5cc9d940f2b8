"""Joins requests that come while another one is under way: the database answers many at the price of one."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from aurora_spawner.distributed.database import QueueUnusableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(slots=True, kw_only=True)
class Batches(Generic[Item, Answer]):
    """Requests of one kind. One that comes alone goes at once; those that come meanwhile go together after it."""

    carry_out: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]]
    """Carries out several requests and returns their answers, in their order: all of them, or none with an error."""
    most: int
    """Requests in one batch."""
    _waiting: deque[tuple[Item, asyncio.Future[Answer]]] = field(default_factory=deque)
    _working: asyncio.Task[None] | None = None

    async def ask(self, item: Item) -> Answer:
        """Returns the answer to a request.

        Raises:
            QueueError: What carrying it out has raised. Of a batch that the database refuses, each request is tried
                alone, so that nobody gets the error of another.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await answer

    def close(self) -> None:
        """Leaves what is under way; whoever waits for it is cancelled."""
        if self._working is not None:
            self._working.cancel()

    async def _work(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(self.most, len(self._waiting)))]
            try:
                await self._carry(batch)
            except BaseException:  # this task was cancelled: nobody will answer any more
                for _item, answer in (*batch, *self._waiting):
                    answer.cancel()
                self._waiting.clear()
                raise

    async def _carry(self, batch: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        try:
            found = await self.carry_out([item for item, _answer in batch])
        except QueueUnusableError as error:
            if len(batch) == 1:
                _fail(batch, error)
                return
            for each in batch:
                await self._carry([each])
        except Exception as error:  # noqa: BLE001 -- it is raised where the answer is waited for
            _fail(batch, error)
        else:
            for (_item, answer), said in zip(batch, found, strict=True):
                if not answer.done():  # nobody waits for it any more
                    answer.set_result(said)


def _fail(batch: list[tuple[Item, asyncio.Future[Answer]]], error: Exception) -> None:
    for _item, answer in batch:
        if not answer.done():
            answer.set_exception(error)
