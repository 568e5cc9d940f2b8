"""Sessions in the journal: made, listed, and read by any number of processes while one works on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aurora_spawner.control.audit import check_not_gone, existing_journal
from aurora_spawner.control.lookup import open_journal
from aurora_spawner.conversations import transcript as topics
from aurora_spawner.conversations.kinds import SESSION_RUN
from aurora_spawner.conversations.transcript import BEGUN, Transcript
from aurora_spawner.errors import UnknownRunError, UnknownSessionError
from aurora_spawner.journal.approval_views import ApprovalState, load_approvals
from aurora_spawner.journal.views import as_written, list_runs, load_run
from aurora_spawner.runs.noted_run import create_noted_run, notes_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aurora_spawner.journal.approval_views import ApprovalRow
    from aurora_spawner.runs.noted_run import Note
    from aurora_spawner.runs.run_options import RunOptions


def create_session(
    journal: Path,
    options: RunOptions,
    *,
    goal: str,
    mode: str,
    team: bool = False,
    tool: str = "",
    isolation: str = "",
) -> str:
    """Writes a new session into the journal, and returns its id.

    Args:
        team: it begins with a plan and a run of its tasks.
        tool: the agent that plans them and takes those that name none; "" leaves it to whoever goes on with it.
        isolation: where they work: worktree, none or auto; "" leaves it to whoever goes on with it, too.

    Raises:
        JournalError: The journal cannot be written.
    """
    topic, note = topics.begun(
        goal=goal, agent=options.default_agent, mode=mode, team=team, tool=tool, isolation=isolation
    )
    return create_noted_run(journal, options, topic=topic, note=note)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSession:
    """A session as the journal has it."""

    run_id: str
    created_at: float
    held: bool
    """True if a process works on it."""
    transcript: Transcript
    questions: tuple[ApprovalRow, ...]

    @property
    def state(self) -> str:
        """The state in a word."""
        if any(each.state is ApprovalState.OPEN for each in self.questions):
            return "waits for an answer"
        if self.transcript.open_turn is not None:
            return "answering" if self.held else "cut off"
        return "open" if self.held else "left"

    def to_json(self) -> dict[str, Any]:
        """Returns everything as JSON values."""
        return {
            "id": self.run_id,
            "created_at": self.created_at,
            "state": self.state,
            **self.transcript.to_json(),
            "questions": [each.to_dict() for each in self.questions],
        }


def read_session(journal: Path, run_id: str) -> ReadSession:
    """Returns a session, while a process works on it or not.

    Raises:
        UnknownSessionError: The journal has no such session.
    """
    try:
        with open_journal(journal, run_id) as store:
            run = load_run(store, run_id)
            questions = tuple(load_approvals(store, run_id))
            notes = notes_in(store, run_id)
    except UnknownRunError as error:
        raise UnknownSessionError(run_id, is_run=False) from error
    if run.kind != SESSION_RUN or not any(note.topic == BEGUN for note in notes):
        raise UnknownSessionError(run_id, is_run=True)
    transcript = transcript_of(journal, run_id, notes)
    return ReadSession(
        run_id=run_id,
        created_at=run.created_at,
        held=run.holder is not None and run.holder.alive(),
        transcript=transcript,
        questions=questions,
    )


def transcript_of(journal: Path, run_id: str, notes: Sequence[Note]) -> Transcript:
    """Returns the transcript that notes of a journal tell.

    Raises:
        JournalCorruptError: A note is not as it was written.
    """
    transcript = Transcript()
    with as_written(journal, f"run {run_id}: its notes"):
        transcript.take_all(notes)
    return transcript


def all_sessions(journal: Path) -> list[ReadSession]:
    """Returns all sessions, the newest first.

    Raises:
        JournalError: The journal cannot be read, or one that the state folder knows is gone.
    """
    with existing_journal(journal) as store:
        found = [] if store is None else [run.run_id for run in list_runs(store, kinds=(SESSION_RUN,))]
    if not found:
        check_not_gone(journal)
    return [read_session(journal, run_id) for run_id in found]
