"""The recorder of a project's questions: opens the record of a new question, or of one that is resumed."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aurora_soar.resumption.kinds import QUESTION_RUN
from aurora_soar.resumption.record import AskedQuestion, Unrecorded, create_question, recorded
from aurora_soar.run_options import project_run_options
from aurora_spawner.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from aurora_core import Project
    from aurora_soar.resumption.record import AskedTurn, QuestionRecord
    from aurora_spawner.runs.run_options import RunOptions

__all__ = ["QuestionRecorder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionRecorder:
    """Opens records in a project's journal.

    Attributes:
        tool: the agent that is the model of its questions; None without one.
        max_concurrent: agents at once.
        fresh: they take nothing from the cache.
        state_dir: the user's own folder, in which the journal's head is noted; None notes it nowhere.
    """

    project: Project
    tool: str | None
    max_concurrent: int
    fresh: bool
    state_dir: Path | None

    @contextmanager
    def new(self, text: str, turn: AskedTurn | None) -> Iterator[Unrecorded]:
        """Holds the record of a new question; one that keeps nothing if the journal cannot be written."""
        with ExitStack() as held:
            try:
                record: Unrecorded = held.enter_context(self._recorded(self._asked(text, turn)))
            except (JournalError, OSError) as error:  # an answer that cannot be resumed is better than none
                record = Unrecorded(problem=f"this question cannot be resumed if it is cut off: {error}")
            yield record

    def create(self, text: str, turn: AskedTurn | None) -> str:
        """Writes a new question into the journal for another process, and returns its id; errors as `recorded`."""
        return create_question(self.project.runs_db, self._asked(text, turn), self._options())

    def again(self, query_id: str, *, accept_changes: bool) -> AbstractContextManager[QuestionRecord]:
        """Holds the record of a question that was cut off; errors as `recorded`."""
        return self._recorded(query_id, accept_changes=accept_changes)

    def _asked(self, text: str, turn: AskedTurn | None) -> AskedQuestion:
        return AskedQuestion(
            text=text, tool=self.tool, max_concurrent=self.max_concurrent, fresh=self.fresh, turn=turn
        )

    def _recorded(
        self, question: AskedQuestion | str, *, accept_changes: bool = False
    ) -> AbstractContextManager[QuestionRecord]:
        return recorded(self.project.runs_db, question, self._options(), accept_changes=accept_changes)

    def _options(self) -> RunOptions:
        options = project_run_options(
            self.project,
            kind=QUESTION_RUN,
            default_agent=self.tool or "local",
            timeout_s=None,
            recovery=None,
            executor=None,
            state_dir=self.state_dir,
            gate={},
        )
        return replace(options, max_concurrent=self.max_concurrent)
