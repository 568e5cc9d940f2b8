"""The time limit on waiting for a supervisor, which may be stopped and so miss the attempt's deadline.

An agent can send SIGSTOP to its parent, and a debugger can hold it. So each wait for a supervisor that has work to do
has its own limit; after it, the coordinator does the supervisor's work.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable

WAKE_AFTER_S: Final = 1.0
"""The delay from an attempt's deadline until its supervisor is woken; a stopped supervisor then ends the attempt."""
KILL_LIMIT_S: Final = 10.0
"""The time that supervisor.py takes at most to kill an agent's descendants."""
MARGIN_S: Final = 5.0
"""The extra time for a busy machine."""
AT_ONCE_LIMIT_S: Final = 5.0
"""The time that a supervisor has to end after an order to kill everything at once."""


@dataclass(slots=True, kw_only=True)
class SupervisorDeadline:
    """The moment until which the coordinator waits for one supervisor, in seconds of the monotonic clock.

    Attributes:
        grace_s: the attempt's grace period between SIGTERM and SIGKILL.
        due: the moment to act; infinity while the supervisor has nothing to do.
        late: True after the supervisor was woken and asked to end.
        cancelled: True if the attempt ends by a cancellation, not by its deadline.
    """

    grace_s: float
    due: float = math.inf
    late: bool = False
    cancelled: bool = False
    _timeout: asyncio.Timeout | None = None
    waited_s: float = 0.0
    """The time that the attempt has waited for a person; its deadline does not count it."""
    _deadline_at: float | None = None
    """Of the attempt, without the time that it waits for a person."""
    _waits_since: float | None = None

    def expect_by_deadline(self, deadline_at: float | None, *, waited_s: float = 0.0) -> None:
        """Sets the time for the supervisor to act on the attempt's deadline.

        Args:
            waited_s: the time that the attempt has waited for a person under an earlier coordinator.
        """
        self._deadline_at, self.waited_s = deadline_at, waited_s
        if deadline_at is not None:
            self._bring_forward(deadline_at + waited_s + WAKE_AFTER_S)

    def suspend(self, now: float) -> None:
        """Expects nothing by the deadline of an attempt that waits for a person from now on."""
        self._waits_since = now
        if not self.late:
            self._set(math.inf)

    def go_on(self, now: float) -> None:
        """Expects the supervisor to act on a deadline that is later by the time that the attempt has waited."""
        if self._waits_since is not None:
            self.waited_s += now - self._waits_since
            self._waits_since = None
        if not self.late and self._deadline_at is not None:
            self._set(self._deadline_at + self.waited_s + WAKE_AFTER_S)

    def expect_end(self, now: float, *, at_once: bool = False, cancelled: bool = True) -> None:
        """Sets the time for the supervisor to end, after a signal to end or a wake-up past its deadline."""
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

    async def ended_in_time(self, end: Awaitable[None]) -> bool:
        """Waits for the end of a supervisor; returns False if the time is up first."""
        try:
            async with asyncio.timeout_at(None if math.isinf(self.due) else self.due) as self._timeout:
                await end
        except TimeoutError:
            return False
        finally:
            self._timeout = None
        return True
