"""The outbox: delivers notifications beside a run, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Final

from aurora_soar.errors import NotificationError
from aurora_soar.notifications.messages import Notification, combined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_soar.notifications.receivers import Receiver

__all__ = ["Outbox"]

DEBOUNCE_S: Final = 5.0
"""An event that follows another of its kind within this time is told at its end, with the others."""
MOST_WAITING: Final = 1_000
"""The most notifications that wait; of more, the oldest are dropped, and that is reported."""
FLUSH_S: Final = 15.0
"""The longest that the end of a run waits for deliveries."""


class Outbox:
    """Delivers notifications to those who want them, without ever delaying or failing the run.

    The first event of a kind is told at once; those that follow it shortly are told together. Each delivery has a
    time limit, and one that fails is not repeated; the problem is reported once for each receiver.

    Args:
        receivers: each with the events that it wants.
        debounce_s: as `DEBOUNCE_S`.
    """

    def __init__(
        self, receivers: Sequence[tuple[frozenset[str], Receiver]], *, debounce_s: float = DEBOUNCE_S
    ) -> None:
        self._receivers = receivers
        self._debounce_s = debounce_s
        self._wanted = frozenset[str]().union(*(events for events, _ in receivers))
        self._waiting = deque[Notification]()
        self._next_at: dict[str, float] = {}
        self._changed = threading.Condition()
        self._flushing = False
        self._dropped = 0
        self._problems: dict[str, str] = {}
        self._thread: threading.Thread | None = None

    def put(self, notification: Notification) -> None:
        """Takes a notification; returns at once."""
        if notification.event not in self._wanted:
            return
        with self._changed:
            self._waiting.append(notification)
            if len(self._waiting) > MOST_WAITING:
                self._waiting.popleft()
                self._dropped += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._deliver, name="notifications", daemon=True)
                self._thread.start()
            self._changed.notify()

    def flush(self, limit_s: float = FLUSH_S) -> tuple[str, ...]:
        """Delivers what waits; returns a sentence for each receiver that could not be told something.

        A receiver that hangs is left after `limit_s`.
        """
        with self._changed:
            self._flushing = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(limit_s)
        with self._changed:
            left = thread is not None and thread.is_alive()
            dropped, self._dropped = self._dropped, 0
            problems, self._problems = self._problems, {}
            if not left:
                self._flushing, self._thread = False, None
        return (
            *(f"notify: {problem}" for problem in problems.values()),
            *(("notify: some notifications were not delivered in time",) if left else ()),
            *((f"notify: {dropped} notifications were dropped, because too many waited",) if dropped else ()),
        )

    def _deliver(self) -> None:
        while (due := self._due()) is not None:
            by_event = defaultdict[str, list[Notification]](list)
            for each in due:
                by_event[each.event].append(each)
            for event, of_kind in by_event.items():
                self._send(event, combined(of_kind))

    def _due(self) -> list[Notification] | None:
        """Waits for notifications whose time has come, and takes them; None once all are taken in a flush."""
        with self._changed:
            while True:
                now = time.monotonic()
                ready = {each.event for each in self._waiting if self._is_ready(each.event, now)}
                if ready:
                    due = [each for each in self._waiting if each.event in ready]
                    self._waiting = deque(each for each in self._waiting if each.event not in ready)
                    self._next_at.update(dict.fromkeys(ready, now + self._debounce_s))
                    return due
                if self._flushing:
                    return None
                times = [self._next_at[each.event] - now for each in self._waiting]
                self._changed.wait(min(times, default=None))

    def _is_ready(self, event: str, now: float) -> bool:
        return self._flushing or now >= self._next_at.get(event, now)

    def _send(self, event: str, notification: Notification) -> None:
        for events, receiver in self._receivers:
            if event in events:
                try:
                    receiver.send(notification)
                except NotificationError as error:
                    self._problems.setdefault(receiver.name, str(error))
