"""Provider signals from the output of running attempts: a rate limit, a usage window, or an answer.

An agent that retries by itself would report a limit only at its end, too late for the other attempts of that account.
A probe that is answered would open its provider only when its whole task is done.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.attempt_folder import AttemptFolder
from aurora_spawner.backends.events import RetryNotice, Text, ToolCall, WindowsReported
from aurora_spawner.backends.stream import EventStream
from aurora_spawner.providers.signal import ProviderSignal
from aurora_spawner.storage.regular_files import open_regular

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aurora_spawner.attempts.executor import RunningAttempt
    from aurora_spawner.backends.dialects.base import Dialect
    from aurora_spawner.backends.events import AgentEvent
    from aurora_spawner.tasks.failure import ReportedFailure
    from aurora_spawner.tasks.usage_windows import UsageWindow

POLL_INTERVAL_S: Final = 1.0
PIECE_BYTES: Final = 1 << 20
"""The most that is read at a time."""
LIVE_BYTES: Final = 32 << 20
"""The part of an output that is followed while the attempt runs; the rest is read when the attempt ends."""


class OutputFollower:
    """The provider signals of one growing output."""

    def __init__(self, dialect: Dialect, stdout: Path) -> None:
        self._stream = EventStream(dialect)
        self._stdout = stdout
        self._offset = 0

    def read(self) -> ProviderSignal | None:
        """Returns the signal in the output since the last read; None if there is none."""
        try:
            with open_regular(self._stdout) as file:
                file.seek(self._offset)
                piece = file.read(min(PIECE_BYTES, max(0, LIVE_BYTES - self._offset)))
        except OSError:  # not there yet, or no more; the whole output is read at its end
            return None
        self._offset += len(piece)
        return _signal_in(self._stream.feed(piece)) if piece else None


def _signal_in(events: list[AgentEvent]) -> ProviderSignal | None:
    refused: ReportedFailure | None = None
    answered = False
    windows: dict[str, UsageWindow] = {}
    for event in events:
        if isinstance(event, RetryNotice):
            refused = event.failure
        elif isinstance(event, (Text, ToolCall)):
            refused, answered = None, True
        elif isinstance(event, WindowsReported):
            windows |= {window.name: window for window in event.windows}
    if refused is None and not answered and not windows:
        return None
    return ProviderSignal(refused=refused, answered=answered, windows=tuple(windows.values()))


@dataclass(slots=True)
class _Subscription:
    follower: OutputFollower
    on_signal: Callable[[ProviderSignal], None]
    timer: asyncio.TimerHandle | None = None


@dataclass(slots=True, kw_only=True)
class OutputListener:
    """A poller of the outputs of running attempts; an attempt that ends soon costs one timer and no read."""

    interval_s: float = POLL_INTERVAL_S
    _subscriptions: dict[str, _Subscription] = field(default_factory=dict)
    """By task."""

    def follow(
        self,
        task_id: str,
        running: RunningAttempt,
        dialect: Dialect | None,
        on_signal: Callable[[ProviderSignal], None],
    ) -> None:
        """Starts to poll the output of an attempt; plain text has no signals and is not polled."""
        if dialect is None or not dialect.readers:
            return
        follower = OutputFollower(dialect, AttemptFolder(path=running.folder).stdout)
        subscription = self._subscriptions[task_id] = _Subscription(follower, on_signal)
        self._set_timer(subscription)

    def release(self, task_id: str) -> None:
        """Stops polling the output of a task's attempt."""
        subscription = self._subscriptions.pop(task_id, None)
        if subscription is not None and subscription.timer is not None:
            subscription.timer.cancel()

    def close(self) -> None:
        """Stops polling all outputs."""
        for task_id in list(self._subscriptions):
            self.release(task_id)

    def _set_timer(self, subscription: _Subscription) -> None:
        subscription.timer = asyncio.get_running_loop().call_later(self.interval_s, self._poll, subscription)

    def _poll(self, subscription: _Subscription) -> None:
        signal = subscription.follower.read()
        if signal is not None:
            subscription.on_signal(signal)
        self._set_timer(subscription)
