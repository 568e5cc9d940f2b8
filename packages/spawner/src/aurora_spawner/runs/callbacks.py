"""The caller's own functions: called by a run, never able to end it."""

from __future__ import annotations

import inspect
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aurora_spawner.journal.facts import CallbackFailed

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable

    from aurora_spawner.recovery.outbox import Outbox, PendingCall
    from aurora_spawner.runs.recorder import Recorder
    from aurora_spawner.runs.work_group import WorkGroup


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """Calls what the policy wants called; what a callback raises is recorded and harms nothing."""

    outbox: Outbox
    recorder: Recorder
    work: WorkGroup
    notices: list[str]

    _queue: deque[tuple[list[PendingCall], asyncio.Future[None] | None]] = field(default_factory=deque)
    """Calls in order, and the write that has to be durable before they are made."""

    @property
    def wanted(self) -> bool:
        """True if recovery has left a call."""
        return self.outbox.has_calls

    def queue(self, after: asyncio.Future[None] | None = None) -> None:
        """Queues the calls that recovery has left, to be made after a write and after all earlier calls."""
        if self.outbox.has_calls:
            self._queue.append((self.outbox.take_calls(), after))
        self.call()

    def call(self) -> None:
        """Makes the queued calls up to the first whose write is not durable."""
        while self._queue and _is_durable(self._queue[0][1]):
            calls, _after = self._queue.popleft()
            self._make(calls)

    def _make(self, calls: list[PendingCall]) -> None:
        for callback, given in calls:
            try:
                answer = callback(*given)
            except Exception as error:  # noqa: BLE001 -- the caller's own code
                self.record_failure(callback, error)
                continue
            if inspect.isawaitable(answer):
                self.work.start(self._await(callback, answer))

    async def _await(self, callback: Any, answer: Awaitable[object]) -> None:
        try:
            await answer
        except Exception as error:  # noqa: BLE001 -- the caller's own code
            self.record_failure(callback, error)

    def record_failure(self, callback: Any, error: Exception) -> None:
        """Records that a callback has raised."""
        name = getattr(callback, "__name__", str(callback))
        message = f"{type(error).__name__}: {error}"
        self.recorder.append_nowait(None, CallbackFailed(callback=name, error=message))
        self.notices.append(f"the callback {name} raised {message}")


def _is_durable(write: asyncio.Future[None] | None) -> bool:
    return write is None or (write.done() and write.exception() is None)
