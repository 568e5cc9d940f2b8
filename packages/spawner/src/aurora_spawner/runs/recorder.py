"""The facts of one run on their way into the journal, together with those of its recovery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_spawner.journal.entries import entry_of
from aurora_spawner.journal.facts import AttemptEnded, AttemptStarted

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from aurora_spawner.attempts.executor import AttemptEnd, RunningAttempt
    from aurora_spawner.journal.entries import Entry
    from aurora_spawner.journal.facts import Fact
    from aurora_spawner.journal.writer import FactWriter
    from aurora_spawner.recovery.outbox import Outbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """Appends facts of one run to the journal."""

    run_id: str
    writer: FactWriter
    outbox: Outbox
    """Further facts, by task and (None) of the run."""

    def append(self, task_id: str | None, *facts: Fact) -> asyncio.Future[None]:
        """Appends facts together; awaited, they are durable."""
        return self.writer.write(*self._entries(task_id, facts))

    def flush(self) -> asyncio.Future[None]:
        """Awaited, everything that was appended so far is durable."""
        return self.writer.write()

    def append_nowait(self, task_id: str | None, *facts: Fact) -> None:
        """Appends facts in order, whenever they become durable."""
        self.writer.post(*self._entries(task_id, facts))

    def _entries(self, task_id: str | None, facts: Sequence[Fact]) -> list[Entry]:
        entries = [entry_of(fact, run_id=self.run_id, task_id=task_id) for fact in facts]
        if not self.outbox.has_facts:
            return entries
        for about in (None,) if task_id is None else (task_id, None):
            entries += [entry_of(fact, run_id=self.run_id, task_id=about) for fact in self.outbox.take_facts(about)]
        return entries


def started_fact(number: int, running: RunningAttempt, *, adopted: bool = False) -> AttemptStarted:
    """Returns the fact that an attempt runs."""
    return AttemptStarted(
        number=number,
        supervisor=running.supervisor.to_json(),
        adopted=adopted,
        sandbox=None if running.sandbox is None else running.sandbox.to_json(),
    )


def ended_fact(number: int, end: AttemptEnd) -> AttemptEnded:
    """Returns the fact that an attempt ended."""
    return AttemptEnded(
        number=number,
        reason=end.reason.value,  # a plain text: entries hold nothing that the garbage collector has to follow
        exit_code=end.exit_code,
        record=end.record,
        survivors=list(end.survivors),
    )
