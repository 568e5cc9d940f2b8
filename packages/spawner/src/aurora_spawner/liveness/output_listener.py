"""Listens to running attempts for what they tell of their providers: a limit, a usage window, or that it answers.

An agent that tries again by itself would tell only at its end that nobody else should start; the first answer to an
attempt that probes would open its provider only when the whole task is done.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.attempt_folder import AttemptFolder
from aurora_spawner.backends.events import RetryNotice, Text, ToolCall, WindowsTold
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

LOOK_EVERY_S: Final = 1.0
PIECE_BYTES: Final = 1 << 20
"""Read at a time."""
LIVE_BYTES: Final = 32 << 20
"""Of an output that is followed; beyond it, what an attempt tells is known when it ends."""


class Output:
    """Follows the events of one output."""

    def __init__(self, dialect: Dialect, stdout: Path) -> None:
        self._stream = EventStream(dialect)
        self._stdout = stdout
        self._offset = 0

    def read(self) -> ProviderSignal | None:
        """Returns what is told since the last look; None if nothing is."""
        try:
            with open_regular(self._stdout) as file:
                file.seek(self._offset)
                piece = file.read(min(PIECE_BYTES, max(0, LIVE_BYTES - self._offset)))
        except OSError:  # not there yet, or no more; its end tells everything
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
        elif isinstance(event, WindowsTold):
            windows |= {window.name: window for window in event.windows}
    if refused is None and not answered and not windows:
        return None
    return ProviderSignal(refused=refused, answered=answered, windows=tuple(windows.values()))


@dataclass(slots=True)
class _Follower:
    output: Output
    on_signal: Callable[[ProviderSignal], None]
    timer: asyncio.TimerHandle | None = None


@dataclass(slots=True, kw_only=True)
class Listener:
    """Looks at the outputs of running attempts; one that ends soon costs a timer and no look."""

    every_s: float = LOOK_EVERY_S
    _followers: dict[str, _Follower] = field(default_factory=dict)
    """By task."""

    def follow(
        self,
        task_id: str,
        running: RunningAttempt,
        dialect: Dialect | None,
        on_signal: Callable[[ProviderSignal], None],
    ) -> None:
        """Listens to an attempt from now on; one that speaks plain text tells nothing."""
        if dialect is None or not dialect.readers:
            return
        output = Output(dialect, AttemptFolder(path=running.folder).stdout)
        follower = self._followers[task_id] = _Follower(output, on_signal)
        self._set_timer(follower)

    def release(self, task_id: str) -> None:
        """The attempt has ended."""
        follower = self._followers.pop(task_id, None)
        if follower is not None and follower.timer is not None:
            follower.timer.cancel()

    def close(self) -> None:
        """Listens to nothing any more."""
        for task_id in list(self._followers):
            self.release(task_id)

    def _set_timer(self, follower: _Follower) -> None:
        follower.timer = asyncio.get_running_loop().call_later(self.every_s, self._look, follower)

    def _look(self, follower: _Follower) -> None:
        heard = follower.output.read()
        if heard is not None:
            follower.on_signal(heard)
        self._set_timer(follower)
