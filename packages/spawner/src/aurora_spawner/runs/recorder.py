"""The facts of one run on their way into the journal, with what recovery has to say of the same task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_spawner.journal.facts import AttemptEnded, AttemptStarted, entry_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from aurora_spawner.attempts.executor import AttemptEnd, RunningAttempt
    from aurora_spawner.journal.facts import Entry, Fact
    from aurora_spawner.journal.writer import GroupWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Writes facts of one run."""

    run_id: str
    writer: GroupWriter
    take_facts: Callable[[str | None], Sequence[Fact]] | None = None
    """What else there is to be written of a task, or (None) of the run; handed out once."""

    def note(self, task_id: str | None, *facts: Fact) -> asyncio.Future[None]:
        """Writes facts down together; awaited, they are durable."""
        return self.writer.write(*self._entries(task_id, facts))

    def flush(self) -> asyncio.Future[None]:
        """Awaited, everything that was jotted so far is durable."""
        return self.writer.write()

    def jot(self, task_id: str | None, *facts: Fact) -> None:
        """Writes facts down in order, without asking when they are durable."""
        self.writer.post(*self._entries(task_id, facts))

    def _entries(self, task_id: str | None, facts: Sequence[Fact]) -> list[Entry]:
        entries = [entry_of(fact, run_id=self.run_id, task_id=task_id) for fact in facts]
        if self.take_facts is not None:
            for about in (None,) if task_id is None else (task_id, None):
                entries += [entry_of(fact, run_id=self.run_id, task_id=about) for fact in self.take_facts(about)]
        return entries


def started_fact(number: int, running: RunningAttempt, *, adopted: bool = False) -> AttemptStarted:
    """That an attempt runs, for the journal."""
    return AttemptStarted(number=number, supervisor=running.supervisor.to_json(), adopted=adopted)


def ended_fact(number: int, end: AttemptEnd) -> AttemptEnded:
    """How an attempt ended, for the journal."""
    return AttemptEnded(
        number=number,
        reason=end.reason,
        exit_code=end.exit_code,
        record=end.record,
        survivors=list(end.survivors),
    )
