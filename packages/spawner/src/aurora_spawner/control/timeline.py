"""The timeline of a run: when each task was worked on, what it waited for, and what came of it, from the journal."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.control.lookup import open_journal
from aurora_spawner.control.status import coordinator_pid, state_word
from aurora_spawner.gates.masking import masked
from aurora_spawner.journal import approval_facts, facts, work_facts
from aurora_spawner.journal.views import as_written, load_events, load_run, load_tasks
from aurora_spawner.rate_limits.gate import GateState, ProviderGate
from aurora_spawner.recovery.states import RecoveryState
from aurora_spawner.tasks.checked import CheckOutcome
from aurora_spawner.tasks.result import TaskState
from aurora_spawner.tasks.work import MergeOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from aurora_spawner.journal.views import EventRow, RunRow, TaskRow

__all__ = ["Mark", "RunTimeline", "Span", "SpanKind", "TaskTimeline", "run_timeline", "timeline_of"]


class SpanKind(StrEnum):
    """The kinds of stretches of time of a task or a run."""

    ATTEMPT = "attempt"
    """An agent works."""
    REVIEW = "review"
    """A reviewer reads the work."""
    CHECK = "check"
    """Aurora runs the checks."""
    PREPARATION = "preparation"
    """A worktree is made."""
    DEPENDENCY = "dependency"
    """The task waits for tasks that it depends on."""
    START = "start"
    """The task could start, and waits for a slot, its provider or the budget."""
    RETRY = "retry"
    """The task waits for its next attempt, by the same agent or by a fallback."""
    APPROVAL = "approval"
    """A person is asked."""
    PAUSE = "pause"
    """The run is paused, or no process works on it."""
    PROVIDER = "provider"
    """A provider is paused or stopped, for all tasks of its agents."""

    @property
    def waits(self) -> bool:
        """True if nothing is done meanwhile."""
        return self not in _BUSY


_BUSY: Final = frozenset({SpanKind.ATTEMPT, SpanKind.REVIEW, SpanKind.CHECK, SpanKind.PREPARATION})
_CLOSED_GATES: Final = frozenset({GateState.PAUSED, GateState.PROBING, GateState.STOPPED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of time."""

    kind: SpanKind
    start: float
    """Unix time."""
    end: float
    label: str
    failed: bool = False

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A moment."""

    at: float
    """Unix time."""
    label: str
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTimeline:
    """The time of one task; keys in its texts are masked."""

    task_id: str
    title: str
    agent: str
    """The agent of its result, else the one that it is for."""
    state: str
    depends_on: tuple[str, ...]
    error: str | None = None
    spans: tuple[Span, ...] = ()
    """In the order of their starts."""
    marks: tuple[Mark, ...] = ()

    @property
    def attempts(self) -> int:
        """The number of its attempts, reviews not counted."""
        return sum(span.kind is SpanKind.ATTEMPT for span in self.spans)

    def seconds_of(self, kind: SpanKind) -> float:
        """Returns the length of all its spans of a kind."""
        return sum(span.seconds for span in self.spans if span.kind is kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTimeline:
    """The time of a run and its tasks."""

    run_id: str
    state: str
    start: float
    """Unix time of its creation."""
    end: float
    """Unix time of its last event, or now if a process works on it."""
    tasks: tuple[TaskTimeline, ...] = ()
    spans: tuple[Span, ...] = ()
    """Pauses of the run and of providers, and questions about the whole run."""
    marks: tuple[Mark, ...] = ()


def run_timeline(journal: Path, run_id: str) -> RunTimeline:
    """Returns the timeline of a run.

    Raises:
        UnknownRunError: The journal has no such run.
        JournalCorruptError: An event of it is malformed.
    """
    with open_journal(journal, run_id) as store:
        run, tasks, events = load_run(store, run_id), load_tasks(store, run_id), load_events(store, run_id)
        with as_written(store.path, f"run {run_id}: its events"):
            return timeline_of(run, tasks, events, now=time.time())


def timeline_of(run: RunRow, tasks: Sequence[TaskRow], events: Sequence[EventRow], *, now: float) -> RunTimeline:
    """Builds the timeline of a run from its rows and events, the oldest first.

    Args:
        now: The end of what still goes on while a process works on the run; Unix time.
    """
    held = coordinator_pid(run) is not None
    end = max(now if held else run.created_at, *(event.at for event in events), run.created_at)
    whole = _RunFold(run)
    folds = {row.task_id: _TaskFold() for row in tasks}
    for event in events:
        if event.fact is None:
            continue
        if event.task_id in folds:
            folds[event.task_id].see(event.at, event.fact)
        else:
            whole.see_question(event.at, event.fact)
        whole.see(event.at, event.fact)
    spans = whole.finish(end)
    settled = {task_id: fold.first_end for task_id, fold in folds.items()}
    taken = run.created_at if whole.first_taken is None else whole.first_taken
    waits = {
        row.task_id: _waits_before(folds[row.task_id].first_work(end), row, settled, spans, taken) for row in tasks
    }
    return RunTimeline(
        run_id=run.run_id,
        state=state_word(run, held=held),
        start=run.created_at,
        end=end,
        tasks=tuple(_task(run, row, folds[row.task_id], waits[row.task_id], end) for row in tasks),
        spans=spans,
        marks=tuple(whole.marks),
    )


def _task(run: RunRow, row: TaskRow, fold: _TaskFold, waits: Iterable[Span], end: float) -> TaskTimeline:
    spans = [*waits, *fold.finish(end)]
    return TaskTimeline(
        task_id=row.task_id,
        title=masked(row.task.headline),
        agent=row.result.agent if row.result else row.task.agent or run.default_agent,
        state=str(row.state),
        depends_on=row.task.depends_on,
        error=masked(row.result.error) if row.result and row.result.error else None,
        spans=tuple(sorted(spans, key=lambda span: span.start)),
        marks=tuple(fold.marks),
    )


def _waits_before(
    begin: float, row: TaskRow, settled: Mapping[str, float | None], of_run: Sequence[Span], taken: float
) -> Iterator[Span]:
    """Yields what a task waited for before it was worked on for the first time."""
    ends = {each: settled.get(each) for each in row.task.depends_on}
    ready = taken
    if ends:
        ready = max([taken, *(begin if at is None else min(at, begin) for at in ends.values())])
        if ready > taken:
            label = f"waits for {', '.join(ends)}"
            yield Span(kind=SpanKind.DEPENDENCY, start=taken, end=ready, label=label)
    if row.state is TaskState.SKIPPED:
        return
    pauses = [each for each in of_run if each.kind is SpanKind.PAUSE and each.end > ready and each.start < begin]
    at = ready
    for pause in pauses:
        start, over = max(pause.start, at), min(pause.end, begin)
        if start > at:
            yield Span(kind=SpanKind.START, start=at, end=start, label=_START)
        if over > start:
            yield replace(pause, start=start, end=over)
        at = max(at, over)
    if begin > at:
        yield Span(kind=SpanKind.START, start=at, end=begin, label=_START)


_START: Final = "waits for a slot, its provider or the budget"


class _Spans:
    """Spans of which some are open still."""

    def __init__(self) -> None:
        self.done: list[Span] = []
        self._open: dict[str, Span] = {}

    def open(self, key: str, kind: SpanKind, at: float, label: str) -> None:
        """Opens a span, unless one with that key is open."""
        self._open.setdefault(key, Span(kind=kind, start=at, end=at, label=label))

    def close(self, key: str, at: float, *, failed: bool = False, more: str = "") -> None:
        """Closes the span with that key, if one is open."""
        span = self._open.pop(key, None)
        if span is not None:
            label = f"{span.label}: {more}" if more else span.label
            self.done.append(replace(span, end=max(span.start, at), failed=failed, label=label))

    def close_all(self, at: float) -> None:
        """Closes all that is open."""
        for key in tuple(self._open):
            self.close(key, at)

    def see_question(self, at: float, fact: facts.Fact) -> None:
        """Takes a question to a person, its answer or its withdrawal; other events change nothing."""
        match fact:
            case approval_facts.ApprovalRequested():
                self.open(fact.approval, SpanKind.APPROVAL, at, f"asks: {fact.subject}")
            case approval_facts.ApprovalAnswered():
                self.close(fact.approval, at, more="approved" if fact.approved else "denied")
            case approval_facts.ApprovalWithdrawn():
                self.close(fact.approval, at, more="withdrawn")
            case _:
                pass

    def fail_last(self, kind: SpanKind, why: str) -> None:
        """Marks the last closed span of a kind as failed."""
        for place in range(len(self.done) - 1, -1, -1):
            span = self.done[place]
            if span.kind is kind:
                self.done[place] = replace(span, failed=True, label=f"{span.label}: {why}")
                return


class _TaskFold:
    """The spans and marks of one task, event after event.

    Attributes:
        begun: The time at which it was first worked on; None before.
        first_end: The time at which it was settled for the first time; None before.
    """

    def __init__(self) -> None:
        self.begun: float | None = None
        self.first_end: float | None = None
        self.marks: list[Mark] = []
        self._spans = _Spans()

    def see(self, at: float, fact: facts.Fact) -> None:
        """Takes the next event of the task."""
        match fact:
            case work_facts.WorkspaceIntended():
                self._begin(at)
                self._spans.open("preparation", SpanKind.PREPARATION, at, "makes the worktree ready")
            case facts.AttemptIntended():
                self._begin(at)
                self._spans.close("preparation", at)
                self._intend(at, fact)
            case work_facts.ChecksIntended():
                self._spans.close(f"attempt {fact.number}", at)
                self._spans.open("check", SpanKind.CHECK, at, "checks")
            case work_facts.WorkChecked():
                outcome = str(fact.checked["outcome"])
                self._spans.close("check", at, failed=outcome != CheckOutcome.PASSED, more=outcome)
            case facts.AttemptEnded():
                bad = fact.exit_code != 0
                self._spans.close(f"attempt {fact.number}", at, failed=bad, more=fact.reason if bad else "")
            case facts.RecoveryTransitioned():
                self._recover(at, fact.change)
            case facts.TaskSettled():
                self.first_end = at if self.first_end is None else self.first_end
                self._spans.close_all(at)
            case _:
                self._see_more(at, fact)

    def finish(self, end: float) -> list[Span]:
        """Returns the spans; what is open ends at `end`."""
        self._spans.close_all(end)
        return self._spans.done

    def first_work(self, end: float) -> float:
        """Returns the time at which it was worked on, or was settled without that; `end` if it waits still."""
        return next((at for at in (self.begun, self.first_end) if at is not None), end)

    def _begin(self, at: float) -> None:
        self.begun = at if self.begun is None else self.begun

    def _intend(self, at: float, fact: facts.AttemptIntended) -> None:
        if fact.role == facts.REVIEW:
            self._spans.open(f"attempt {fact.number}", SpanKind.REVIEW, at, f"review by @{fact.agent}")
        else:
            label = f"attempt {fact.number} by @{fact.agent}"
            self._spans.open(f"attempt {fact.number}", SpanKind.ATTEMPT, at, label)

    def _recover(self, at: float, change: Mapping[str, Any]) -> None:
        self._spans.close("retry", at)
        to_state, error = change["to_state"], change.get("error")
        if error:
            self._spans.fail_last(SpanKind.ATTEMPT, masked(str(error)))
        if to_state == RecoveryState.RETRY_PENDING:
            self._spans.open("retry", SpanKind.RETRY, at, f"waits for a retry by @{change['agent']}")
        if to_state == RecoveryState.FALLBACK_PENDING:
            self._spans.open("retry", SpanKind.RETRY, at, f"waits for its fallback @{change['agent']}")

    def _see_more(self, at: float, fact: facts.Fact) -> None:
        """Takes what is a moment only, and questions to a person."""
        match fact:
            case facts.AttemptStalled():
                self.marks.append(Mark(at=at, label=f"stalled: {fact.reason}", failed=True))
            case facts.TaskReopened():
                self.marks.append(Mark(at=at, label=f"runs again: {fact.why}"))
            case work_facts.WorkMerged():
                outcome = str(fact.merge["outcome"])
                self.marks.append(Mark(at=at, label=f"merge: {outcome}", failed=outcome != MergeOutcome.MERGED))
            case work_facts.WorkDiscarded():
                self.marks.append(Mark(at=at, label="discarded"))
            case approval_facts.AnswerRefused():
                self.marks.append(_refusal(at, fact))
            case approval_facts.UserActed():
                self.marks.append(_act(at, fact))
            case _:
                self._spans.see_question(at, fact)


def _refusal(at: float, fact: approval_facts.AnswerRefused) -> Mark:
    return Mark(at=at, label=f"refused ({fact.approval}): {fact.why}, and not the user", failed=True)


def _act(at: float, fact: approval_facts.UserActed) -> Mark:
    refused = f"; refused: {fact.refused}" if fact.refused else ""
    return Mark(at=at, label=f"{fact.act} by user {fact.user} ({fact.role}){refused}", failed=bool(fact.refused))


class _RunFold:
    """The pauses and marks of a run, event after event.

    Attributes:
        first_taken: The time at which a process worked on it for the first time; None before.
    """

    def __init__(self, run: RunRow) -> None:
        self.first_taken: float | None = None
        self.marks: list[Mark] = []
        self._spans = _Spans()
        self._questions = _Spans()
        """Questions about the whole run, as whether its work may be merged; they outlast the process that asked."""
        self._last = run.created_at

    def see(self, at: float, fact: facts.Fact) -> None:
        """Takes the next event, of the run or of one of its tasks."""
        match fact:
            case facts.RunTaken():
                if self.first_taken is not None and at > self._last:
                    self._spans.open("absence", SpanKind.PAUSE, self._last, "no process works on the run")
                    self._spans.close("absence", at)
                self.first_taken = at if self.first_taken is None else self.first_taken
            case facts.RunPaused():
                self._spans.open("pause", SpanKind.PAUSE, at, f"paused by {fact.by}")
            case facts.RunUnpaused():
                self._spans.close("pause", at)
            case facts.ProviderMoved():
                self._move(at, ProviderGate.from_dict(fact.gate))
            case facts.RunEnding():
                self.marks.append(Mark(at=at, label=fact.why, failed=True))
            case facts.BatchTripped():
                self.marks.append(Mark(at=at, label=f"{fact.reason}; {fact.action}", failed=True))
            case work_facts.RunDelivered():
                self._deliver(at, fact.delivery)
            case facts.RunEnded():
                self.marks.append(Mark(at=at, label=f"ended: {fact.state}"))
                self._spans.close_all(at)
            case _:
                pass
        is_work = not isinstance(fact, approval_facts.UserActed)  # which a page writes while no process works on it
        self._last = at if is_work else self._last

    def see_question(self, at: float, fact: facts.Fact) -> None:
        """Takes the next event that is of no task, which may be a question about the whole run."""
        if isinstance(fact, approval_facts.AnswerRefused):
            self.marks.append(_refusal(at, fact))
        if isinstance(fact, approval_facts.UserActed):
            self.marks.append(_act(at, fact))
        self._questions.see_question(at, fact)

    def finish(self, end: float) -> tuple[Span, ...]:
        """Returns the spans in the order of their starts; what is open ends at `end`."""
        self._spans.close_all(end)
        self._questions.close_all(end)
        return tuple(sorted([*self._spans.done, *self._questions.done], key=lambda span: span.start))

    def _move(self, at: float, gate: ProviderGate) -> None:
        self._spans.close(gate.provider, at)
        if gate.state in _CLOSED_GATES:
            label = f"provider {gate.provider} is {gate.state}: {gate.reason}"
            self._spans.open(gate.provider, SpanKind.PROVIDER, at, label)

    def _deliver(self, at: float, delivery: Mapping[str, Any]) -> None:
        if delivery["outcome"]:
            self.marks.append(Mark(at=at, label=f"{delivery['target']}: {delivery['outcome']}"))
