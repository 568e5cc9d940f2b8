"""The record of a replanning in the journal: what the model said and what was planned, then that it holds."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aurora_soar.errors import ReplannedBeforeError, SoarError
from aurora_soar.resumption.record import QuestionRecord, StepTimes
from aurora_soar.resumption.values import from_json
from aurora_spawner.control.checkpoints import list_checkpoints
from aurora_spawner.control.lookup import open_journal
from aurora_spawner.control.unattended import append_unattended
from aurora_spawner.errors import SpawnerError
from aurora_spawner.journal.facts import NoteKept
from aurora_spawner.runs.noted_run import create_noted_run, hold_noted_run, notes_in, read_notes
from aurora_spawner.tasks.result import RunState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aurora_soar.replanning.revision import Revision
    from aurora_spawner.journal.facts import Fact
    from aurora_spawner.journal.store import Journal
    from aurora_spawner.runs.run_options import RunOptions

__all__ = [
    "REPLAN_RUN",
    "RunReplan",
    "decide",
    "decided",
    "find_record",
    "keep_plan",
    "planned_in",
    "recorded",
    "stored_plan",
]

REPLAN_RUN: Final = "replan"
"""The kind of the runs that plan the rest of another run anew."""
_ASKED: Final = "asked"
_PLAN: Final = "plan"
_DECIDED: Final = "replanned"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReplan:
    """The new plan of a run's rest, before it holds.

    Attributes:
        record_id: the run in the journal that made it.
        taskfile: the file that it changes, from `before` to `after`.
        lost: settings of tasks that have gone, which no task has any more.
    """

    record_id: str
    taskfile: str
    before: str
    after: str
    lost: tuple[str, ...]
    revision: Revision

    @property
    def run_id(self) -> str:
        """The run whose rest was planned."""
        return self.revision.run_id

    @property
    def path(self) -> Path:
        """The task file."""
        return Path(self.taskfile)


def _asked_note(run_id: str, tool: str | None, before: str) -> dict[str, Any]:
    return {"run_id": run_id, "tool": tool, "before": _digest(before)}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def find_record(journal: Path, run_id: str, tool: str | None, before: str) -> str | None:
    """Returns the record of a replanning that was cut off or not decided; None if there is none.

    Args:
        tool: the agent that planned.
        before: the text of the task file that it planned for; of another one nothing is taken.
    """
    wanted = _asked_note(run_id, tool, before)
    for summary in list_checkpoints(journal):
        if summary.run.kind == REPLAN_RUN and summary.run.state is not RunState.FAILED:
            notes = read_notes(journal, summary.run.run_id)
            if any(each.topic == _ASKED and each.note == wanted for each in notes):
                return summary.run.run_id
    return None


@contextmanager
def recorded(
    journal: Path, run_id: str, record_id: str | None, options: RunOptions, *, tool: str | None, before: str
) -> Iterator[QuestionRecord]:
    """Holds the record of a new replanning, or the one that was begun; it stays open until somebody has decided.

    Args:
        tool: the agent that plans; None for rules.
        before: the text of the task file.

    Raises:
        RunHeldError: another process plans.
        JournalError: the journal cannot be written.
    """
    if record_id is None:
        record_id = create_noted_run(journal, options, topic=_ASKED, note=_asked_note(run_id, tool, before))
    with hold_noted_run(journal, record_id, state_dir=options.state_dir) as held:
        record = QuestionRecord(journal, held, accept_changes=False)
        state = RunState.INTERRUPTED
        try:
            yield record
        except (SoarError, SpawnerError):
            state = RunState.FAILED
            raise
        finally:
            record.end(state)


def planned_in(record: QuestionRecord) -> RunReplan | None:
    """Returns the plan that an earlier process has made; None if it has to be made."""
    found = record.given(_PLAN, RunReplan)
    return found[0] if found is not None else None


def stored_plan(journal: Path, record_id: str) -> RunReplan | None:
    """Returns the plan of a record that nobody holds; None if a clean-up has removed it.

    Raises:
        StoredStepError: another version wrote it.
    """
    with open_journal(journal, record_id) as store:
        return next(
            (from_json(each.note["given"]) for each in notes_in(store, record_id) if each.note.get("name") == _PLAN),
            None,
        )


def keep_plan(record: QuestionRecord, replan: RunReplan) -> None:
    """Keeps a plan, so that it is not made again; nobody is asked before."""
    record.keep(_PLAN, replan, StepTimes(elapsed_ms=0.0))


def decide(journal: Path, replan: RunReplan) -> None:
    """Writes into the journal of the run that the plan holds, before anything is changed.

    Raises:
        ReplannedBeforeError: another plan of its rest holds.
        RunHeldError: a process works on the run.
        JournalError: the journal cannot be written.
    """
    note = {
        "record": replan.record_id,
        "by": replan.revision.planned_by or "rules",
        "failed": [each.id for each in replan.revision.failed],
        "tasks": [each.id for each in replan.revision.tasks],
        "given_up": [each.id for each in replan.revision.given_up],
        "taskfile": replan.taskfile,
        "sha256": _digest(replan.after),
    }
    with open_journal(journal, replan.run_id) as store:

        def facts_now() -> list[tuple[str | None, Fact]]:
            if earlier := _decided_in(store, replan.run_id):
                raise ReplannedBeforeError(replan.run_id, earlier["by"], replan.path)
            return [(None, NoteKept(topic=_DECIDED, note=note))]

        append_unattended(store, replan.run_id, facts_now)


def decided(journal: Path, run_id: str) -> dict[str, Any] | None:
    """Returns the note about the plan that holds for a run's rest; None if none does."""
    with open_journal(journal, run_id) as store:
        return _decided_in(store, run_id)


def _decided_in(store: Journal, run_id: str) -> dict[str, Any] | None:
    return next((each.note for each in notes_in(store, run_id) if each.topic == _DECIDED), None)
