"""How long a supervisor is waited for: it holds the attempt's deadline, but somebody may have stopped it.

An agent can send SIGSTOP to its parent, a debugger can hold it. So every wait for a supervisor that has something to
do has a limit of its own; then the coordinator does the supervisor's work.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable

WAKE_AFTER_S: Final = 1.0
"""After its deadline an attempt's supervisor is woken: if it was only stopped, it ends the attempt now."""
KILL_LIMIT_S: Final = 10.0
"""As in supervisor.py: how long it may take to kill what the agent left."""
MARGIN_S: Final = 5.0
"""For a machine that is busy."""
AT_ONCE_LIMIT_S: Final = 5.0
"""How long a supervisor may take that was told to kill everything at once."""


@dataclass(slots=True, kw_only=True)
class Patience:
    """Until when one supervisor is waited for, in seconds of the monotonic clock.

    Attributes:
        grace_s: of the attempt.
        due: when to act; infinity while nothing is expected of the supervisor.
        late: whether it has been woken and told to end.
        cancelled: whether that was because somebody wanted the attempt to end, and not for its deadline.
    """

    grace_s: float
    due: float = math.inf
    late: bool = False
    cancelled: bool = False
    _timeout: asyncio.Timeout | None = None

    def expect_by_deadline(self, deadline_at: float | None) -> None:
        """Expects the supervisor to act at the attempt's deadline."""
        if deadline_at is not None:
            self._bring_forward(deadline_at + WAKE_AFTER_S)

    def expect_end(self, now: float, *, at_once: bool = False, cancelled: bool = True) -> None:
        """Expects the supervisor to end: it was just told to, or has just been woken after its deadline."""
        self.cancelled = self.cancelled or (cancelled and not self.late)
        limit_s = AT_ONCE_LIMIT_S if at_once else self.grace_s + KILL_LIMIT_S + MARGIN_S
        if self.late:
            self._bring_forward(now + limit_s)
        else:
            self.late = True
            self._set(now + limit_s)

    def _bring_forward(self, due: float) -> None:
        self._set(min(self.due, due))

    def _set(self, due: float) -> None:
        self.due = due
        if self._timeout is not None and not self._timeout.expired():
            self._timeout.reschedule(None if math.isinf(due) else due)

    async def outlasts(self, end: Awaitable[None]) -> bool:
        """Waits for the end of a supervisor; False when its time is up before."""
        try:
            async with asyncio.timeout_at(None if math.isinf(self.due) else self.due) as self._timeout:
                await end
        except TimeoutError:
            return False
        finally:
            self._timeout = None
        return True
