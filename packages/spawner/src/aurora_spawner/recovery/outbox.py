"""The outbox of recovery, emptied by its coordinator: facts for the journal, callbacks, events for the watcher."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aurora_spawner.journal.facts import Fact
    from aurora_spawner.rate_limits.pause_notices import PauseEvent

Callback = Callable[..., object]
PendingCall = tuple[Callback, tuple[object, ...]]
"""A callback and its arguments."""


class Outbox:
    """Collects in order; everything is handed out once."""

    def __init__(self) -> None:
        self._facts: dict[str | None, list[Fact]] = defaultdict(list)
        """By task, since the facts of a task are written together with the coordinator's facts of that task."""
        self._calls: list[PendingCall] = []
        self._events: list[PauseEvent] = []

    @property
    def has_facts(self) -> bool:
        """True if a fact is to be written."""
        return bool(self._facts)

    @property
    def has_calls(self) -> bool:
        """True if a callback is to be called."""
        return bool(self._calls)

    def add_fact(self, task_id: str | None, fact: Fact) -> None:
        """Adds a fact about a task, or (None) about an agent or a provider."""
        self._facts[task_id].append(fact)

    def add_call(self, callback: Callback | None, *given: object) -> None:
        """Adds a call if there is a callback."""
        if callback is not None:
            self._calls.append((callback, given))

    def add_event(self, event: PauseEvent) -> None:
        """Adds an event about a provider."""
        self._events.append(event)

    def take_facts(self, task_id: str | None) -> list[Fact]:
        """Returns the facts about a task, or (None) about agents and providers."""
        return self._facts.pop(task_id, [])

    def take_calls(self) -> list[PendingCall]:
        """Returns the calls to be made."""
        calls, self._calls = self._calls, []
        return calls

    def take_events(self) -> list[PauseEvent]:
        """Returns the events about providers."""
        events, self._events = self._events, []
        return events
