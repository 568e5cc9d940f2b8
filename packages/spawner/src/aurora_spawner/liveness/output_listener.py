"""Signals from the output of running attempts: a rate limit, a usage window, an answer, the folder of the agent.

An agent that retries by itself would report a limit only at its end, too late for the other attempts of that account.
A probe that is answered would open its provider only when its whole task is done.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.attempt_folder import AttemptFolder
from aurora_spawner.backends.events import RetryNotice, SessionStarted, Text, ToolCall, WindowsReported
from aurora_spawner.backends.stream import EventStream
from aurora_spawner.rate_limits.provider_signal import ProviderSignal
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
    """The events of one growing output."""

    def __init__(self, dialect: Dialect, stdout: Path) -> None:
        self._stream = EventStream(dialect)
        self._stdout = stdout
        self._offset = 0

    def read(self) -> list[AgentEvent]:
        """Returns the events in the output since the last read."""
        try:
            with open_regular(self._stdout) as file:
                file.seek(self._offset)
                piece = file.read(min(PIECE_BYTES, max(0, LIVE_BYTES - self._offset)))
        except OSError:  # not there yet, or no more; the whole output is read at its end
            return []
        self._offset += len(piece)
        return self._stream.feed(piece) if piece else []


def signal_in(events: list[AgentEvent]) -> ProviderSignal | None:
    """Returns what events say of the agent's provider; None if they say nothing."""
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
    on_signal: Callable[[ProviderSignal], None] | None
    on_folder: Callable[[str], None] | None
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
        *,
        on_signal: Callable[[ProviderSignal], None] | None = None,
        on_folder: Callable[[str], None] | None = None,
    ) -> None:
        """Starts to poll the output of an attempt; plain text has no signals and is not polled.

        Args:
            on_signal: called with what the output says of the agent's provider.
            on_folder: called with the folder in which the agent says that it works.
        """
        if dialect is None or not dialect.readers:
            return
        follower = OutputFollower(dialect, AttemptFolder(path=running.folder).stdout)
        subscription = self._subscriptions[task_id] = _Subscription(follower, on_signal, on_folder)
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
        events = subscription.follower.read()
        folder = next((each.folder for each in events if isinstance(each, SessionStarted) and each.folder), None)
        if folder and subscription.on_folder:
            subscription.on_folder(folder)
        if subscription.on_signal is None:
            if not folder:  # once it is told, nothing more is wanted
                self._set_timer(subscription)
            return
        signal = signal_in(events)
        if signal is not None:
            subscription.on_signal(signal)
        self._set_timer(subscription)
