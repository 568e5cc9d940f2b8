"""The record of one question in the journal: its words, what each step gave, and every answer of a model."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from aurora_soar.errors import NotResumableError, StoredStepError
from aurora_soar.resumption.kinds import QUESTION_RUN
from aurora_soar.resumption.values import from_json, to_json
from aurora_spawner.control.lookup import open_journal
from aurora_spawner.errors import JournalError, UnknownRunError
from aurora_spawner.journal.views import as_written, load_run
from aurora_spawner.runs.noted_run import NotedRun, create_noted_run, hold_noted_run, read_notes
from aurora_spawner.runs.run_record import check_unchanged
from aurora_spawner.storage.stored_values import read_fields
from aurora_spawner.tasks.result import RunState
from aurora_spawner.telemetry.phases import TracedPhase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from aurora_spawner import Run
    from aurora_spawner.runs.noted_run import Note
    from aurora_spawner.runs.run_options import RunOptions

__all__ = [
    "AskedQuestion",
    "AskedTurn",
    "QuestionRecord",
    "StepTimes",
    "Unrecorded",
    "asked_question",
    "create_question",
    "parts_of",
    "phases_of",
    "recorded",
]

_ASKED, _STEP, _PART, _ANSWER, _PHASES = "asked", "step", "part", "answer", "phases"
_Kind = TypeVar("_Kind")


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedQuestion:
    """A question as it was asked.

    Attributes:
        tool: the agent that was its model; None if rules alone answered.
        max_concurrent: agents at once.
        fresh: nothing is taken from the cache.
        turn: its place in a session; None if it was asked outside of all.
    """

    text: str
    tool: str | None
    max_concurrent: int
    fresh: bool = False
    turn: AskedTurn | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedTurn:
    """The place of a question in a session.

    Attributes:
        session: None if the question begins one of its own.
        after: the execution of the turn before; "" if it is the first.
        words: the user's; the question names what they refer to.
        subject: what they refer to; "" if to nothing.
    """

    session: str | None
    after: str
    words: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTimes:
    """The times that are kept with what a step gave.

    Attributes:
        elapsed_ms: of the whole question so far.
        duration_ms: of the step's phase; 0 if it is no part of one.
        started_at: Unix time at which that phase began; None if the step is no part of one.
    """

    elapsed_ms: float
    duration_ms: float = 0.0
    started_at: float | None = None


class Unrecorded:
    """A record that keeps nothing: a question whose journal cannot be written is answered all the same.

    Attributes:
        started_at: the time at which the question was asked.
        elapsed_ms: the time that earlier processes have worked on it.
        resumed: whether an earlier process has worked on it.
        accept_changes: the user goes on although the journal may not be as it was written.
        step: the step that runs now; "" outside of all.
        problem: why nothing is kept, or not everything; "" if there is no such reason.
    """

    def __init__(self, *, problem: str = "") -> None:
        self.problem = problem
        self.step = ""
        self.started_at = datetime.now(UTC)
        self.query_id = f"soar-{int(self.started_at.timestamp() * 1e3)}"
        self.resumed = False
        self.accept_changes = False
        self.elapsed_ms = 0.0

    def given(self, name: str, kind: type[_Kind]) -> tuple[_Kind, StepTimes] | None:
        """Returns what a step gave before, and its times; None if it has to run."""
        del name, kind
        return None

    def keep(self, name: str, given: object, times: StepTimes) -> None:
        """Keeps what a step gave."""

    def answer(self, key: str) -> Any | None:
        """Returns an answer of a model that was kept; None if there is none."""
        del key
        return None

    def keep_answer(self, key: str, answer: object, *, prompt: str) -> None:
        """Keeps an answer of a model.

        Args:
            prompt: the name and version of the prompt that it was given.
        """

    def part(self, key: str, create: Callable[[], Run], resume: Callable[[str], Run]) -> Run:
        """Returns the run that does a part of the work: a new one, or the one that an earlier process started."""
        del key, resume
        return create()

    def keep_phases(self, phases: Sequence[TracedPhase]) -> None:
        """Keeps the times of all phases so far."""

    def end(self, state: RunState) -> str | None:
        """Ends the record; returns a notice if something about it should be told."""
        del state
        return None


class QuestionRecord(Unrecorded):
    """A record in the journal that this process holds.

    Once it is closed nothing more of the question is kept: what follows rests on work that was cut off, or that could
    not be written.
    """

    def __init__(self, journal: Path, run: NotedRun, *, accept_changes: bool) -> None:
        super().__init__()
        self.query_id = run.run_id
        self.accept_changes = accept_changes
        self.started_at = datetime.fromtimestamp(run.created_at, UTC)
        self._run = run
        self._steps: dict[str, tuple[Any, StepTimes]] = {}
        self._answers: dict[str, Any] = {}
        self._parts: dict[str, str] = {}
        self._closed = False
        for note in run.notes():
            with _as_noted(journal, run.run_id):
                self._take(note)
        self.resumed = bool(self._steps or self._answers or self._parts)

    def _take(self, note: Note) -> None:
        if note.topic == _STEP:
            times = StepTimes(**read_fields(StepTimes, note.note["noted"]))
            self._steps[note.note["name"]] = (note.note["given"], times)
            self.elapsed_ms = max(self.elapsed_ms, times.elapsed_ms)
        elif note.topic == _ANSWER:
            self._answers[note.note["key"]] = note.note["answer"]
        elif note.topic == _PART:
            self._parts[note.note["key"]] = note.note["run_id"]

    def given(self, name: str, kind: type[_Kind]) -> tuple[_Kind, StepTimes] | None:
        """Returns what a step gave before; a later step is not taken from the record once one had to run."""
        stored = None if self._closed else self._steps.pop(name, None)
        try:
            value = from_json(stored[0]) if stored is not None else None
        except StoredStepError:  # written by another version: the step runs again, with the answers that are kept
            value = None
        if stored is None or not isinstance(value, kind):
            self._steps.clear()
            return None
        return value, stored[1]

    def keep(self, name: str, given: object, times: StepTimes) -> None:
        """Keeps what a step gave, unless it was cut off; then the record is closed."""
        self._closed = self._closed or bool(getattr(given, "interrupted", False))
        self._note(_STEP, {"name": name, "given": to_json(given), "noted": asdict(times)})

    def answer(self, key: str) -> Any | None:
        """Returns an answer of a model that was kept; None if there is none, or another version wrote it."""
        try:
            return from_json(self._answers[key]) if key in self._answers else None
        except StoredStepError:
            return None

    def keep_answer(self, key: str, answer: object, *, prompt: str) -> None:
        """Keeps an answer of a model."""
        self._note(_ANSWER, {"key": key, "prompt": prompt, "answer": to_json(answer)})

    def part(self, key: str, create: Callable[[], Run], resume: Callable[[str], Run]) -> Run:
        """Returns the run of a part; it is known before anything of it starts."""
        if key in self._parts:
            try:
                return resume(self._parts[key])
            except UnknownRunError:  # a clean-up has removed it
                pass
        run = create()
        self._note(_PART, {"key": key, "run_id": run.run_id})
        self._parts[key] = run.run_id
        return run

    def keep_phases(self, phases: Sequence[TracedPhase]) -> None:
        """Keeps the times of all phases so far; those that were kept last count."""
        self._note(_PHASES, {"phases": [asdict(each) for each in phases]})

    def end(self, state: RunState) -> str | None:
        """Ends the work on the question; an interrupted one can be resumed."""
        try:
            notice = self._run.end(state)
        except JournalError as error:
            notice = f"the end of this question is not in the journal: {error}"
        return self.problem or notice

    def _note(self, topic: str, note: dict[str, Any]) -> None:
        """Writes a note; a journal that cannot be written closes the record, and the question goes on."""
        if self._closed:
            return
        try:
            self._run.keep(topic, note)
        except JournalError as error:
            self._closed = True
            self.problem = f"not all of this question is in the journal: {error}"


def create_question(journal: Path, question: AskedQuestion, options: RunOptions) -> str:
    """Writes a new question into the journal, and returns its id; nobody works on it.

    Raises:
        JournalError: the journal cannot be written.
    """
    return create_noted_run(journal, options, topic=_ASKED, note=to_json(question))


@contextmanager
def recorded(
    journal: Path, question: AskedQuestion | str, options: RunOptions, *, accept_changes: bool = False
) -> Iterator[QuestionRecord]:
    """Holds the record of a new question, or of one that is resumed by its id.

    Raises:
        UnknownRunError, NotResumableError: there is no such question, or it has its answer.
        JournalChangedError: its part of the journal is not as it was written.
        RunHeldError: another process works on it.
        JournalError: the journal cannot be written.
    """
    if isinstance(question, AskedQuestion):
        run_id = create_question(journal, question, options)
    else:
        run_id = question
        asked_question(journal, run_id)
        with open_journal(journal, run_id) as store:
            check_unchanged(store, run_id, options.state_dir, accept=accept_changes)
    with hold_noted_run(journal, run_id, state_dir=options.state_dir) as run:
        yield QuestionRecord(journal, run, accept_changes=accept_changes)


def asked_question(journal: Path, run_id: str) -> AskedQuestion:
    """Returns the question of a run that can be resumed.

    Raises:
        UnknownRunError: the journal has no such run.
        NotResumableError: it is no question, or the question has its answer.
        StoredStepError: its words cannot be read.
    """
    with open_journal(journal, run_id) as store:
        run = load_run(store, run_id)
    if run.kind != QUESTION_RUN or run.state in (RunState.SUCCEEDED, RunState.FAILED):
        raise NotResumableError(run_id)
    for note in read_notes(journal, run_id):
        if note.topic == _ASKED:
            return _asked(journal, run_id, note)
    raise NotResumableError(run_id)


def _asked(journal: Path, run_id: str, note: Note) -> AskedQuestion:
    try:
        found = from_json(note.note)
    except StoredStepError as error:
        raise StoredStepError(f"{journal}: run {run_id}: its question cannot be read: {error}") from error
    if not isinstance(found, AskedQuestion):
        raise StoredStepError(f"{journal}: run {run_id}: it begins with no question")
    return found


def parts_of(journal: Path, run_id: str) -> tuple[str, ...]:
    """Returns the ids of the runs that did parts of a question, in the order they came; errors as `read_notes`."""
    with _as_noted(journal, run_id):
        return tuple(note.note["run_id"] for note in read_notes(journal, run_id) if note.topic == _PART)


def phases_of(journal: Path, run_id: str) -> tuple[TracedPhase, ...]:
    """Returns the phases of a question as they were kept last, none of any other run; errors as `read_notes`."""
    with _as_noted(journal, run_id):
        kept = [note.note["phases"] for note in read_notes(journal, run_id) if note.topic == _PHASES]
        return tuple(TracedPhase(**read_fields(TracedPhase, each)) for each in (kept[-1] if kept else ()))


def _as_noted(journal: Path, run_id: str) -> AbstractContextManager[None]:
    return as_written(journal, f"run {run_id}: a note of its question")
