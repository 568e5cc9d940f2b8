"""The events of a run as its own process tells them, made of what the journal has of it: for whoever is attached."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.control.attached import Attached, Attachment, afollow_attached
from aurora_spawner.journal import approval_facts as asked
from aurora_spawner.journal import facts
from aurora_spawner.journal.views import as_written
from aurora_spawner.recovery.machine import RecoveryStateTransition
from aurora_spawner.recovery.states import RecoveryStep
from aurora_spawner.tasks import run_events
from aurora_spawner.tasks.approvals import WHOLE_RUN, ApprovalAnswer, ApprovalQuestion
from aurora_spawner.tasks.result import RunState, result_from_json
from aurora_spawner.tasks.run_events import RunEvent, TaskEvent
from aurora_spawner.tasks.task import task_from_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aurora_spawner.journal.facts import Fact
    from aurora_spawner.journal.views import EventRow
    from aurora_spawner.tasks.task import SpawnTask

_Reader = Callable[[Any, str], Iterator[RunEvent]]
_OF_RUN: Final = (
    facts.RunTaken,
    facts.RunPaused,
    facts.RunUnpaused,
    facts.RunEnding,
    facts.BatchTripped,
    facts.RunEnded,
)
_OF_QUESTIONS: Final = (asked.ApprovalRequested, asked.ApprovalAnswered, asked.ApprovalWithdrawn)

__all__ = ["ToldEvents", "afollow_told", "told_approval"]


async def afollow_told(journal: Path, run_id: str) -> AsyncGenerator[RunEvent | Attachment, None]:
    """Yields `Attached`, then what runs and waits for an answer now, then each event; never ends by itself.

    Raises:
        UnknownRunError: The journal has no such run.
        JournalCorruptError: An event is not as it was written.
    """
    told, attached = ToldEvents(journal, run_id), False
    async for each in afollow_attached(journal, run_id):
        if isinstance(each, Attachment):
            yield each
            if isinstance(each, Attached):
                attached = True
                for event in told.present():
                    yield event
            continue
        for event in told.told(each):
            if attached:
                yield event


class ToldEvents:
    """Reads the events of the journal of one run, from the first, and makes of each what its process tells then."""

    def __init__(self, journal: Path, run_id: str) -> None:
        self._journal = journal
        self._run_id = run_id
        self._present: dict[str, RunEvent] = {}
        """The events whose state holds now: a pause, the tasks that run, the questions that wait."""
        self._tasks: dict[str, SpawnTask] = {}
        self._agents: dict[str, str] = {}
        """The agent of the latest attempt of each task."""
        self._reviews: set[tuple[str, int]] = set()
        """The attempts of reviewers."""
        self._settled: set[str] = set()
        self._readers: Mapping[type[Fact], _Reader] = {
            facts.AttemptIntended: self._intended,
            facts.AttemptStarted: self._started,
            facts.RecoveryTransitioned: self._recovering,
            facts.TaskSettled: self._ended,
            facts.TaskTakenOver: self._taken,
            facts.TaskHandedBack: self._handed_back,
            facts.AttemptStalled: self._stalled,
            **dict.fromkeys(_OF_RUN, self._of_run),
            **dict.fromkeys(_OF_QUESTIONS, self._asked),
        }

    def told(self, row: EventRow) -> Iterator[RunEvent]:
        """Yields what the process of a run tells at an event of the journal: mostly nothing."""
        if row.fact is None:
            return
        task_id = row.task_id or WHOLE_RUN
        with as_written(self._journal, f"run {self._run_id}: event {row.seq} ({row.kind})"):
            self._take(row.fact, task_id)
            reader = self._readers.get(type(row.fact))
            events = [self._completed(each, row.at) for each in (reader(row.fact, task_id) if reader else ())]
        for event in events:
            self._remember(event)
        yield from events

    def present(self) -> Iterator[RunEvent]:
        """Yields what tells the present state of the run to somebody who begins to watch."""
        yield run_events.RunStarted(run_id=self._run_id, done=len(self._settled), total=len(self._tasks))
        yield from self._present.values()

    def _remember(self, event: RunEvent) -> None:
        match event:
            case run_events.RunPaused():
                self._present[""] = event
            case run_events.RunUnpaused() | run_events.RunStarted():
                self._present.pop("", None)
            case run_events.TaskStarted():
                self._present[f"task {event.task_id}"] = event
            case run_events.ApprovalAsked():
                self._present[event.approval] = event
            case run_events.ApprovalSettled():
                self._present.pop(event.approval, None)
            case run_events.TaskEnded():
                self._present.pop(f"task {event.task_id}", None)

    def _take(self, fact: Fact, task_id: str) -> None:
        match fact:
            case facts.TasksAdded():
                for stored in (*fact.tasks, *fact.rewired):
                    self._keep(stored)
            case facts.TaskReopened():
                self._keep(fact.task)
                self._settled.discard(task_id)
                self._present.pop(f"task {task_id}", None)
            case facts.AttemptIntended() if fact.role == facts.REVIEW:
                self._reviews.add((task_id, fact.number))
            case facts.AttemptIntended():
                self._agents[task_id] = fact.agent
            case facts.TaskSettled():
                self._settled.add(task_id)

    def _keep(self, stored: dict[str, Any]) -> None:
        task = task_from_json({name: value for name, value in stored.items() if name != "content_hash"})
        self._tasks[str(task.id)] = task

    def _completed(self, event: RunEvent, at: float) -> RunEvent:
        complete: RunEvent = replace(
            event, run_id=self._run_id, at=at, done=len(self._settled), total=len(self._tasks)
        )
        if not isinstance(complete, TaskEvent) or (task := self._tasks.get(complete.task_id)) is None:
            return complete
        agent = complete.agent or self._agents.get(complete.task_id) or task.agent or ""
        return replace(complete, title=task.headline, agent=agent, candidate_of=task.candidate_of)

    def _started(self, fact: facts.AttemptStarted, task_id: str) -> Iterator[RunEvent]:
        if (task_id, fact.number) not in self._reviews:
            yield run_events.TaskStarted(task_id=task_id, adopted=fact.adopted)

    def _intended(self, fact: facts.AttemptIntended, task_id: str) -> Iterator[RunEvent]:
        if fact.role == facts.REVIEW:
            yield run_events.TaskReviewing(task_id=task_id, reviewer=fact.agent)

    def _recovering(self, fact: facts.RecoveryTransitioned, task_id: str) -> Iterator[RunEvent]:
        change = RecoveryStateTransition.from_dict(fact.change)
        if change.step is RecoveryStep.AWAIT_RETRY:
            yield run_events.TaskRestarted(
                task_id=task_id, reason=f"it is tried again: {change.error or 'it failed'}"
            )
        elif change.step is RecoveryStep.AWAIT_FALLBACK:
            yield run_events.TaskFellBack(task_id=task_id, to_agent=change.agent, error=change.error)

    def _taken(self, fact: facts.TaskTakenOver, task_id: str) -> Iterator[RunEvent]:
        yield run_events.TaskTakenOver(task_id=task_id, pid=int(fact.holder["pid"]))

    def _handed_back(self, fact: facts.TaskHandedBack, task_id: str) -> Iterator[RunEvent]:
        yield run_events.TaskHandedBack(task_id=task_id, why=fact.why)

    def _ended(self, fact: facts.TaskSettled, task_id: str) -> Iterator[RunEvent]:
        yield run_events.TaskEnded(task_id=task_id, result=result_from_json(fact.result))

    def _stalled(self, fact: facts.AttemptStalled, task_id: str) -> Iterator[RunEvent]:
        yield run_events.TaskStalled(task_id=task_id, reason=fact.reason)

    def _of_run(self, fact: Fact, _task_id: str) -> Iterator[RunEvent]:
        match fact:
            case facts.RunTaken():
                yield run_events.RunStarted()
            case facts.RunPaused():
                yield run_events.RunPaused(by=fact.by)
            case facts.RunUnpaused():
                yield run_events.RunUnpaused(by=fact.by)
            case facts.RunEnding():
                yield run_events.RunEnding(why=fact.why)
            case facts.BatchTripped():
                yield run_events.BatchTripped(reason=fact.reason, action=fact.action)
            case facts.RunEnded():
                yield run_events.RunEnded(state=RunState(fact.state))

    def _asked(self, fact: Fact, task_id: str) -> Iterator[RunEvent]:
        if (event := told_approval(fact, task_id)) is not None:
            yield event


def told_approval(fact: Fact, task_id: str) -> run_events.ApprovalAsked | run_events.ApprovalSettled | None:
    """Returns what is told at an event about a question to a person; None for any other."""
    match fact:
        case asked.ApprovalRequested():
            question = ApprovalQuestion(
                task_id=task_id,
                gate=fact.gate,
                subject=fact.subject,
                rule=fact.rule,
                reason=fact.reason,
                shape=fact.shape,
            )
            return run_events.ApprovalAsked(
                task_id=task_id, approval=fact.approval, question=question, limit_s=fact.limit_s, agent=fact.agent
            )
        case asked.ApprovalAnswered():
            answer = ApprovalAnswer(
                approved=fact.approved, by=fact.by, note=fact.note, approval=fact.approval, user=fact.user
            )
            return run_events.ApprovalSettled(task_id=task_id, approval=fact.approval, answer=answer)
        case asked.ApprovalWithdrawn():
            return run_events.ApprovalSettled(task_id=task_id, approval=fact.approval)
    return None
