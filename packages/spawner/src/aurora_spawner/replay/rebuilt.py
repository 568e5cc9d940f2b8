"""The tables of a run as a coordinator found them, rebuilt from the events before."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from aurora_spawner.journal.entries import entry_of
from aurora_spawner.journal.replay_views import load_breaker_moves
from aurora_spawner.journal.store import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from aurora_spawner.journal.views import EventRow


@dataclass(slots=True)
class Rebuilt:
    """A journal of its own that follows the events of a run."""

    journal: Journal
    source: Path
    """The journal that is replayed."""
    run_id: str
    _times: deque[float]
    _others: deque[tuple[str, EventRow]]
    """Events of other runs that matter to this one: those of the circuit breakers of common agents."""
    _done: int = 0
    """The number of the last event that it has."""

    @classmethod
    @contextmanager
    def empty(cls, folder: Path, source: Journal, run_id: str) -> Iterator[Self]:
        """Opens an empty one in a folder."""
        times: deque[float] = deque()
        with Journal(folder / "runs.db", clock=times.popleft) as journal:
            yield cls(journal, source.path, run_id, times, deque(load_breaker_moves(source)))

    def catch_up(self, events: Sequence[EventRow]) -> None:
        """Takes over the events up to the last of these."""
        new = [event for event in events if event.seq > self._done]
        if not new:
            return
        rows = [(self.run_id, event) for event in new]
        while self._others and self._others[0][1].seq <= new[-1].seq:
            other = self._others.popleft()
            rows += [other] if other[0] != self.run_id else []
        entries = []
        for owner, event in sorted(rows, key=lambda row: row[1].seq):
            if event.fact is not None:
                entries.append(entry_of(event.fact, run_id=owner, task_id=event.task_id))
                self._times.append(event.at)
        self.journal.append(entries)
        self._done = new[-1].seq
