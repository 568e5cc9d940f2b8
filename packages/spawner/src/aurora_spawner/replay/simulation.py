"""The simulation of a run: its coordinator runs in simulated time, with the attempts that the journal has."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.control.timeline import RunTimeline, SpanKind, timeline_of
from aurora_spawner.journal import facts
from aurora_spawner.journal.entries import FACT_TYPES
from aurora_spawner.journal.views import EventRow, TaskRow
from aurora_spawner.tasks.result import TaskState, result_from_json
from aurora_spawner.tasks.task import task_from_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aurora_spawner.journal.entries import Entry
    from aurora_spawner.journal.views import RunRow
    from aurora_spawner.replay.outcomes import Outcome
    from aurora_spawner.replay.recorded_attempts import RecordedAttempts
    from aurora_spawner.replay.simulated_loop import SimulatedLoop
    from aurora_spawner.runs.attempt import Attempt
    from aurora_spawner.runs.coordinator import Coordinator
    from aurora_spawner.runs.run_context import RunContext
    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.tasks.task import SpawnTask

WAITS: Final = (SpanKind.DEPENDENCY, SpanKind.START, SpanKind.RETRY, SpanKind.APPROVAL)
"""The waits of tasks that are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures of a run, recorded or simulated."""

    seconds: float
    """From the first start to the last end of a task, without pauses and times without a coordinator."""
    attempts: int
    tasks: Mapping[str, int]
    """The number of tasks in each state."""
    waits: Mapping[str, float]
    """The seconds of all tasks together, by what they waited for; pauses are left out here, too."""

    def to_dict(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        return {
            "seconds": self.seconds,
            "attempts": self.attempts,
            "tasks": dict(self.tasks),
            "waits": dict(self.waits),
        }


@dataclass(slots=True, kw_only=True)
class Simulation:
    """One run in simulated time: the attempts that it makes, and the events that it would have written."""

    run: RunRow
    loop: SimulatedLoop
    attempts: RecordedAttempts
    growth: Mapping[str, Sequence[dict[str, Any]]]
    """The tasks that results have added, by the task whose result it was."""
    events: list[EventRow] = field(default_factory=list)

    def write(self, *entries: Entry) -> asyncio.Future[None]:
        """Takes what the coordinator writes down; it is durable at once."""
        self.post(*entries)
        written = self.loop.create_future()
        written.set_result(None)
        return written

    def post(self, *entries: Entry) -> None:
        """Takes what the coordinator writes down."""
        for _run_id, task_id, kind, payload, _values in entries:
            fact = FACT_TYPES[kind](**json.loads(payload))
            self.see(task_id, fact)

    def see(self, task_id: str | None, fact: facts.Fact) -> None:
        """Notes an event that happens now."""
        seq = len(self.events) + 1
        self.events.append(EventRow(seq=seq, at=self.loop.now, task_id=task_id, kind=fact.kind, fact=fact))

    # What the stages ask.

    def begins(self, task_id: str) -> bool:  # noqa: ARG002 -- as a replay's
        """Returns True: every attempt begins."""
        return True

    def hedged(self, task_id: str) -> bool:  # noqa: ARG002
        """Returns False: there is no second attempt beside another."""
        return False

    async def outcome(self, run: RunContext, attempt: Attempt) -> Outcome:
        """Lets the time of the next recorded attempt pass, and returns how it came out."""
        task_id = attempt.task_id
        recorded = self.attempts.next(task_id, attempt.agent)
        await asyncio.sleep(recorded.seconds)
        if recorded.asked_s:
            run.scheduler.suspend(task_id)
            run.dispatch()
            await asyncio.sleep(recorded.asked_s)
            run.scheduler.continue_task(task_id)
        if recorded.outcome.state is TaskState.CANCELLED:
            run.tasks.flight(task_id).cancelled = True
        return recorded.outcome

    def expand(self, parent: SpawnTask, _result: SpawnResult) -> list[SpawnTask]:
        """Returns the tasks that a result added."""
        return [task_from_json(each) for each in self.growth.get(str(parent.id), ())]

    def drive(self, coordinator: Coordinator) -> str | None:
        """Runs to the end; returns why it comes to none, if it does not."""
        self.see(None, facts.RunTaken(lease="", holder={}))
        driving = self.loop.create_task(coordinator.drive([]))
        for task_id in sorted(self.attempts.cancelled):
            self.loop.create_task(coordinator.cancel_task(task_id, by="simulation"))
        self.loop.settle()
        if driving.done():
            driving.result()
            return None
        driving.cancel()
        self.loop.settle()
        return f"it stands still with {coordinator.context.scheduler.open} open tasks, as a held run does"

    def timeline(self, tasks: Mapping[str, SpawnTask]) -> RunTimeline:
        """Returns the timeline of the simulated run."""
        settled = {
            event.task_id: result_from_json(event.fact.result)
            for event in self.events
            if isinstance(event.fact, facts.TaskSettled)
        }
        rows = []
        for place, (task_id, task) in enumerate(tasks.items()):
            result = settled.get(task_id)
            rows.append(
                TaskRow(
                    task_id=task_id,
                    position=place,
                    state=result.state if result else TaskState.PENDING,
                    task=task,
                    added_by=None,
                    attempts=0,
                    started_at=None,
                    ended_at=None,
                    result=result,
                    cancel_asked=False,
                )
            )
        run = replace(self.run, holder=None, created_at=self.events[0].at)
        return timeline_of(run, rows, self.events, now=self.loop.now)


def figures_of(timeline: RunTimeline) -> Figures:
    """Returns the figures of a run."""
    busy = [span for task in timeline.tasks for span in task.spans if not span.kind.waits]
    begin = min((span.start for span in busy), default=timeline.start)
    end = max((span.end for span in busy), default=begin)
    away = _apart([(span.start, span.end) for span in timeline.spans if span.kind is SpanKind.PAUSE])
    waits = [(span.kind, _seconds_in(span.start, span.end, away)) for task in timeline.tasks for span in task.spans]
    return Figures(
        seconds=_seconds_in(begin, end, away),
        attempts=sum(task.attempts for task in timeline.tasks),
        tasks=dict(sorted(Counter(task.state for task in timeline.tasks).items())),
        waits={str(wait): sum(seconds for kind, seconds in waits if kind is wait) for wait in WAITS},
    )


def _apart(times: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Returns stretches of time that do not overlap: a run can be paused while no process works on it."""
    found: list[tuple[float, float]] = []
    for start, end in sorted(times):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _seconds_in(start: float, end: float, away: Sequence[tuple[float, float]]) -> float:
    """Returns the length of a stretch of time without those in which nothing could go on."""
    lost = sum(max(0.0, min(end, over) - max(start, begun)) for begun, over in away)
    return max(0.0, end - start - lost)
