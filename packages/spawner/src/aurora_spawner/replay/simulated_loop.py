"""An event loop in simulated time: no thread, no file, no socket is waited for."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_TICK_S: Final = 1e-6
"""The shortest step of time: a shorter one could be lost in rounding, and time would stand still."""


class _IdleSelector(selectors.DefaultSelector):
    """Reports idleness instead of waiting."""

    on_idle: Callable[[float | None], None]
    """Called, whenever nothing is left to do now, with the seconds until the next timer; None without a timer."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Returns nothing, at once."""
        if timeout is None or timeout > 0:
            self.on_idle(timeout)
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """A loop whose time is what it is told to be.

    Args:
        jumps: True to let time go on to the next timer when nothing else is left to do; False to return to the
            caller, who sets `now`.
    """

    def __init__(self, *, now: float, jumps: bool) -> None:
        self._began = now
        self._elapsed = 0.0
        self._jumps = jumps
        selector = _IdleSelector()
        selector.on_idle = self._idle
        super().__init__(selector)

    @property
    def now(self) -> float:
        """Unix time."""
        return self._began + self._elapsed

    @now.setter
    def now(self, now: float) -> None:
        self._elapsed = now - self._began

    def time(self) -> float:
        """Returns the simulated time since the beginning: Unix time is too large to add microseconds to."""
        return self._elapsed

    def settle(self) -> None:
        """Runs everything that can run now."""
        self.run_forever()

    def _idle(self, next_timer_s: float | None) -> None:
        if next_timer_s is not None and self._jumps:
            self._elapsed += max(next_timer_s, _TICK_S)
        else:
            self.stop()
