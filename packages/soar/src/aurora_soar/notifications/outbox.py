"""The outbox: delivers notifications beside a run, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Final

from aurora_soar.errors import NotificationError
from aurora_soar.notifications.messages import Notification, combined
from aurora_soar.notifications.receivers import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_soar.notifications.receivers import Receiver

__all__ = ["Outbox"]

DEBOUNCE_S: Final = 5.0
"""An event that follows another of its kind within this time is told at its end, with the others."""
MOST_WAITING: Final = 1_000
"""The most notifications that wait for a receiver; of more, the oldest are dropped, and that is reported."""
FLUSH_S: Final = 15.0
"""The time that the end of a run gives to deliveries."""
END_S: Final = 1.0
"""The time for the end of a delivery that has used up its own."""


class Outbox:
    """Delivers notifications to those who want them, without ever delaying or failing the run.

    The first event of a kind is told at once; those that follow it shortly are told together. Each receiver has a
    thread and a queue of its own, and each delivery a time limit. A failed one is not repeated; the problem is
    reported once for each receiver.

    Args:
        receivers: each with the events that it wants.
        debounce_s: as `DEBOUNCE_S`.
    """

    def __init__(
        self, receivers: Sequence[tuple[frozenset[str], Receiver]], *, debounce_s: float = DEBOUNCE_S
    ) -> None:
        self._queues = [_Queue(events, receiver, debounce_s) for events, receiver in receivers]

    def put(self, notification: Notification) -> None:
        """Takes a notification; returns at once."""
        for each in self._queues:
            each.put(notification)

    def flush(self, limit_s: float = FLUSH_S) -> tuple[str, ...]:
        """Delivers what waits; returns a sentence for each receiver that could not be told something.

        What a receiver has not got after `limit_s` is dropped, and a delivery that still runs is ended.
        """
        until = time.monotonic() + limit_s
        for each in self._queues:
            each.hurry(until)
        return tuple(f"notify: {problem}" for each in self._queues for problem in each.finish(until))


class _Queue:
    """Notifications that one receiver has not got yet."""

    def __init__(self, wanted: frozenset[str], receiver: Receiver, debounce_s: float) -> None:
        self._wanted = wanted
        self._receiver = receiver
        self._debounce_s = debounce_s
        self._waiting = deque[Notification]()
        self._next_at: dict[str, float] = {}
        self._changed = threading.Condition()
        self._until: float | None = None
        """The time by which the queue has to be empty; None unless it is being emptied."""
        self._dropped = 0
        self._problem = ""
        self._thread: threading.Thread | None = None

    def put(self, notification: Notification) -> None:
        """Takes a notification if the receiver wants it."""
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

    def hurry(self, until: float) -> None:
        """Lets what waits be delivered now."""
        with self._changed:
            self._until = until
            self._changed.notify()

    def finish(self, until: float) -> list[str]:
        """Waits until all is delivered; returns sentences about what was not."""
        if self._thread is not None:
            self._thread.join(max(0.0, until - time.monotonic()) + END_S)
        with self._changed:
            late = len(self._waiting) or (self._thread is not None and self._thread.is_alive())
            found = [self._problem] if self._problem else []
            if late:
                found.append(f"{self._receiver.name} was not told everything in time")
            if self._dropped:
                found.append(f"{self._receiver.name} was not told {self._dropped} events: too many waited")
            self._waiting.clear()
            self._dropped, self._problem = 0, ""
            self._until, self._thread = None, None
        return found

    def _deliver(self) -> None:
        while (due := self._due()) is not None:
            by_event = defaultdict[str, list[Notification]](list)
            for each in due:
                by_event[each.event].append(each)
            for of_kind in by_event.values():
                if not self._serves():
                    return
                self._send(combined(of_kind))

    def _serves(self) -> bool:
        """Returns False in a thread that was left behind by `finish`: another one serves the queue now."""
        return self._thread is threading.current_thread()

    def _due(self) -> list[Notification] | None:
        """Waits for notifications whose time has come, and takes them; None once this thread is not needed."""
        with self._changed:
            while self._serves():
                now = time.monotonic()
                if self._until is not None and (now >= self._until or not self._waiting):
                    return None
                ready = {each.event for each in self._waiting if self._is_ready(each.event, now)}
                if ready:
                    due = [each for each in self._waiting if each.event in ready]
                    self._waiting = deque(each for each in self._waiting if each.event not in ready)
                    self._next_at.update(dict.fromkeys(ready, now + self._debounce_s))
                    return due
                times = [self._next_at[each.event] - now for each in self._waiting]
                self._changed.wait(min(times, default=None))
            return None

    def _is_ready(self, event: str, now: float) -> bool:
        return self._until is not None or now >= self._next_at.get(event, now)

    def _send(self, notification: Notification) -> None:
        until = self._until  # another thread may change it
        limit_s = LIMIT_S if until is None else min(LIMIT_S, max(0.1, until - time.monotonic()))
        try:
            self._receiver.send(notification, limit_s=limit_s)
        except NotificationError as error:
            with self._changed:
                if self._serves():  # else it was reported that not everything was told
                    self._problem = self._problem or str(error)
