"""An event loop in simulated time: no thread, no file, no socket is waited for."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


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
        self.now = now
        """Unix time, which is the loop's own time as well."""
        self._jumps = jumps
        selector = _IdleSelector()
        selector.on_idle = self._idle
        super().__init__(selector)

    def time(self) -> float:
        """Returns the simulated time."""
        return self.now

    def settle(self) -> None:
        """Runs everything that can run now."""
        self.run_forever()

    def _idle(self, next_timer_s: float | None) -> None:
        if next_timer_s is not None and self._jumps:
            self.now += next_timer_s
        else:
            self.stop()
