"""Reads of the take-overs of tasks by the user that hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_spawner.attempts.process_identity import ProcessIdentity
from aurora_spawner.journal.facts import TaskHandedBack, TaskSettled, TaskTakenOver
from aurora_spawner.journal.sqlite_errors import translated
from aurora_spawner.journal.views import as_written, rows_of
from aurora_spawner.storage.stored_values import document, text

if TYPE_CHECKING:
    from aurora_spawner.journal.store import Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeOver:
    """The user works in the session of a task's agent."""

    token: str
    """Carried by all processes of the user's work there."""
    holder: ProcessIdentity
    """The user's `aur`; with its end the take-over is over."""
    agent: str
    session: str

    def as_fact(self) -> TaskTakenOver:
        """Returns the event of its beginning."""
        return TaskTakenOver(token=self.token, holder=self.holder.to_json(), agent=self.agent, session=self.session)


def load_take_overs(journal: Journal, run_id: str) -> dict[str, TakeOver]:
    """Returns the take-overs of a run that are not over, by task.

    Raises:
        JournalCorruptError: An event is malformed.
    """
    query = """
        SELECT task_id, kind, payload FROM events
        WHERE run_id = ? AND kind IN (?, ?, ?) AND payload IS NOT NULL AND task_id IS NOT NULL ORDER BY seq
        """
    kinds = (TaskTakenOver.kind, TaskHandedBack.kind, TaskSettled.kind)
    with translated(journal.path):
        rows = rows_of(journal, (query, (run_id, *kinds)))
    found: dict[str, TakeOver] = {}
    with as_written(journal.path, f"run {run_id}: its take-overs"):
        for row in rows:
            found.pop(row["task_id"], None)
            if row["kind"] == TaskTakenOver.kind:
                found[text(row["task_id"])] = _take_over(TaskTakenOver(**document(row["payload"])))
    return found


def _take_over(fact: TaskTakenOver) -> TakeOver:
    return TakeOver(
        token=text(fact.token),
        holder=ProcessIdentity.from_json(fact.holder),
        agent=text(fact.agent),
        session=text(fact.session),
    )
