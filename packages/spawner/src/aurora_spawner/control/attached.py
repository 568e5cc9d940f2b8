"""Attachments to runs of other processes: their events, and what becomes of the processes that work on them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_spawner.control.follow import opened_journal
from aurora_spawner.journal.facts import RunEnded, RunTaken
from aurora_spawner.tasks.result import RunState

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator
    from pathlib import Path

    from aurora_spawner.journal.views import EventRow, RunRow

__all__ = ["Attached", "Attachment", "CoordinatorEnded", "CoordinatorKilled", "CoordinatorTook", "afollow_attached"]

LOOK_PERIOD_S = 0.1
"""The time between two looks: pieces of an answer come ten times a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """All events so far were handed out; what follows is new."""

    pid: int | None
    """The process that works on the run; None if none does."""
    state: RunState
    """Running with no process: that was killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinatorTook:
    """A process works on the run from here on."""

    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinatorEnded:
    """The process that worked on the run has released it in order."""

    pid: int
    state: RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinatorKilled:
    """The process that worked on the run is gone, and has not released it."""

    pid: int


Attachment = Attached | CoordinatorTook | CoordinatorEnded | CoordinatorKilled


async def afollow_attached(
    journal: Path, run_id: str, *, period_s: float = LOOK_PERIOD_S
) -> AsyncGenerator[EventRow | Attachment, None]:
    """Yields the events of a run, from its first, and what becomes of its coordinators; never ends by itself.

    Raises:
        UnknownRunError: The journal has no such run.
    """
    after, watch = 0, _CoordinatorWatch()
    async with opened_journal(journal, run_id) as reader:
        while True:
            run = await reader.run(run_id)  # first: whoever is dead now has written all that it ever will
            lives = run.holder is not None and run.holder.alive()
            while rows := await reader.events(run_id, after=after):
                for row in rows:
                    yield row
                    for change in watch.taken_in(row):
                        yield change
                after = rows[-1].seq
            for change in watch.looked_at(run, lives=lives):
                yield change
            await asyncio.sleep(period_s)


class _CoordinatorWatch:
    """Tells the ends of coordinators: in order, by a kill, or by another that took the run meanwhile."""

    def __init__(self) -> None:
        self._pid: int | None = None
        """The coordinator that has the run, as far as it is known."""
        self._caught_up = False

    def taken_in(self, row: EventRow) -> Iterator[Attachment]:
        """Yields what an event says about the coordinators; nothing of what is past."""
        before = self._pid
        if isinstance(row.fact, RunTaken):
            self._pid = int(row.fact.holder["pid"])
            if self._caught_up:
                if before is not None:
                    yield CoordinatorKilled(pid=before)
                yield CoordinatorTook(pid=self._pid)
        elif isinstance(row.fact, RunEnded):
            self._pid = None
            if self._caught_up and before is not None:
                yield CoordinatorEnded(pid=before, state=RunState(row.fact.state))

    def looked_at(self, run: RunRow, *, lives: bool) -> Iterator[Attachment]:
        """Yields what the row of the run says, that was read before its latest events.

        Args:
            lives: its holder was alive then.
        """
        of_row = run.holder.pid if run.holder is not None else None
        if not self._caught_up:
            self._caught_up = True
            if of_row == self._pid and not lives:
                self._pid = None
            yield Attached(pid=self._pid, state=run.state)
        elif self._pid is not None and of_row == self._pid and not lives:
            killed, self._pid = self._pid, None
            yield CoordinatorKilled(pid=killed)
