"""The replay of one coordinator of a run: it runs again, event by event."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd
from aurora_spawner.errors import SpawnerError
from aurora_spawner.journal import approval_facts, facts, work_facts
from aurora_spawner.journal.entries import field_names
from aurora_spawner.recovery.breaker import CircuitBreaker
from aurora_spawner.recovery.run_recovery import RunRecovery
from aurora_spawner.replay.decisions import decision_in, in_words, subject_of, subject_words, wait_s, wait_words
from aurora_spawner.replay.outcomes import Findings, Outcome, end_of, outcome_of
from aurora_spawner.replay.recorded_recovery import GuidedRecovery
from aurora_spawner.replay.recorded_turns import RecordedTurns
from aurora_spawner.replay.report import Difference, DifferenceFoundError
from aurora_spawner.runs import settlement
from aurora_spawner.tasks.approvals import WHOLE_RUN
from aurora_spawner.tasks.task import task_from_json

if TYPE_CHECKING:
    import asyncio

    from aurora_spawner.journal.entries import Entry
    from aurora_spawner.journal.views import EventRow
    from aurora_spawner.replay.decisions import Fields
    from aurora_spawner.replay.recorded_gates import RecordedGates
    from aurora_spawner.replay.recording import Recording
    from aurora_spawner.replay.simulated_loop import SimulatedLoop
    from aurora_spawner.runs.attempt import Attempt
    from aurora_spawner.runs.coordinator import Coordinator
    from aurora_spawner.runs.run_context import RunContext
    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.tasks.task import SpawnTask

_NOTHING: Final = "nothing"
_WAITED_FOR: Final = frozenset({facts.AttemptEnded.kind, facts.TaskCancelled.kind})
"""The kinds of events that the coordinator waits for before it goes on with a task."""
_COMMIT_S: Final = 0.002
"""The least time from the event of a write to the moment that it is durable."""
_CLOCK_S: Final = 0.1
"""The most time between two readings of the clock for one decision."""


@dataclass(frozen=True, slots=True)
class _Made:
    """A decision of the replay."""

    kind: str
    task_id: str | None
    decision: Fields
    wait_s: float | None = None
    """The longest wait that it asks for."""

    @property
    def words(self) -> str:
        """The decision for people, with its task."""
        return f"{subject_words(self.task_id)}{in_words(self.kind, self.decision)}"


@dataclass(slots=True, kw_only=True)
class CoordinatorReplay:
    """Walks along the events of one coordinator: it does what others did, and compares what is decided."""

    recording: Recording
    loop: SimulatedLoop
    gates: RecordedGates
    same: int = 0
    """The decisions that came out the same."""
    taken: Counter[str] = field(default_factory=Counter)
    coordinator: Coordinator | None = None
    driving: asyncio.Task[None] | None = None
    turns: RecordedTurns = field(init=False)
    """The guide of recovery: it knows whose turn it is next."""
    _made: defaultdict[str, deque[_Made]] = field(default_factory=lambda: defaultdict(deque))
    """Decisions that were made and not yet found in the journal, by subject."""
    _waiting: dict[tuple[str, int], asyncio.Future[Outcome]] = field(default_factory=dict)
    """The attempts that have not come out, by task and number."""
    _findings: defaultdict[str, Findings] = field(default_factory=lambda: defaultdict(Findings))
    _intents: Counter[tuple[str, int]] = field(default_factory=Counter)
    """The attempts that were asked for, by task and the number of outcomes before."""
    _unwritten: deque[tuple[float, asyncio.Future[None]]] = field(default_factory=deque)
    """Writes that are not durable yet, each with the time of its event."""
    _cancels: dict[str, tuple[int, asyncio.Future[None]]] = field(default_factory=dict)
    """The cancels that take effect later, by task, each with the place of the event that comes before that."""
    _reviews: set[tuple[str, int]] = field(default_factory=set)
    """The attempts of reviewers."""
    _hedges: dict[str, str] = field(default_factory=dict)
    """The agents of attempts beside that of a task, by task."""
    _asking: Counter[str] = field(default_factory=Counter)
    """Questions to a person that wait, by task."""
    _place: int = 0

    def __post_init__(self) -> None:
        self.turns = RecordedTurns(
            recording=self.recording,
            loop=self.loop,
            gates=self.gates,
            context=lambda: self._context,
            place=lambda: self._place,
            run=self._run,
        )

    # What the coordinator asks for.

    def now(self) -> float:
        """Returns the time of the replay, Unix time."""
        return self.loop.now

    def write(self, *entries: Entry) -> asyncio.Future[None]:
        """Takes what the coordinator writes down; what it waits for is durable only when the journal says so.

        It decides further while that is written: only then it lets a task that it found start again, or cancels one.
        A task that goes on just then does so all the same, and its next attempt is ended.
        """
        self.post(*entries)
        written = self.loop.create_future()
        kinds = {kind: task_id for _run_id, task_id, kind, *_said in entries}
        cancelled = kinds.get(facts.TaskCancelled.kind)
        if cancelled is not None and (until := self.recording.goes_on_until(cancelled, self._place)):
            self._cancels[cancelled] = (until, written)
        elif _WAITED_FOR.isdisjoint(kinds):
            written.set_result(None)
        else:
            self._unwritten.append((self.recording.events[self._place].at, written))
        return written

    def post(self, *entries: Entry) -> None:
        """Takes what the coordinator writes down."""
        for _run_id, task_id, kind, payload, _values in entries:
            said = json.loads(payload)
            decision = decision_in(kind, said)
            if decision is not None:
                made = _Made(kind, task_id, decision, wait_s(said))
                self._made[subject_of(kind, task_id, said)].append(made)

    def begins(self, task_id: str) -> bool:
        """Returns True if the journal has one more attempt before the next outcome of the task."""
        recovery = self._context.recovery
        outcomes = recovery.outcomes(task_id) if isinstance(recovery, GuidedRecovery) else 0
        self._intents[task_id, outcomes] += 1
        recorded = self.recording.intended.get(task_id, [])
        return outcomes < len(recorded) and self._intents[task_id, outcomes] <= recorded[outcomes]

    def hedged(self, task_id: str) -> bool:
        """Returns True if the task had a hedge."""
        return any(each == task_id for each, _number in self.recording.hedges)

    async def outcome(self, _run: RunContext, attempt: Attempt) -> Outcome:
        """Waits for the end of the attempt in the journal."""
        return await self._waiting.setdefault((attempt.task_id, attempt.number), self.loop.create_future())

    def expand(self, parent: SpawnTask, _result: SpawnResult) -> list[SpawnTask]:
        """Returns the tasks that a result added."""
        following = self.recording.following(str(parent.id), self._place)
        added = next((fact for fact in following if isinstance(fact, facts.TasksAdded)), None)
        return [] if added is None or added.added_by != parent.id else [task_from_json(each) for each in added.tasks]

    def batch_answer(self, _reason: str) -> bool | None:
        """Returns what the user said about the rest of a run in which too much failed."""
        for event in self.recording.events[self._place :]:
            if isinstance(event.fact, facts.BatchTripped):
                return {"continued": True, "skipped": False}.get(event.fact.action)
        return None

    # The walk.

    def begin(self, coordinator: Coordinator, driving: asyncio.Task[None], *, place: int) -> None:
        """Begins behind an event."""
        self.coordinator, self.driving, self._place = coordinator, driving, place
        self._run()

    def step(self, place: int) -> None:
        """Takes the next event.

        Raises:
            DifferenceFoundError: A decision comes out otherwise.
        """
        self._place, event = place, self.recording.events[place]
        fact = event.fact
        assert fact is not None
        self.loop.now = max(self.loop.now, self.recording.time_of(place))
        self._make_durable(before=self.loop.now - _COMMIT_S)
        self.turns.end_waits()
        if event.task_id is not None:
            self._findings[event.task_id].see(fact)
        said = {name: getattr(fact, name) for name in field_names(event.kind)}
        decision = decision_in(event.kind, said)
        if decision is not None and not self._is_hedge(event):
            self._compare(event, fact, said, decision)
        else:
            self.taken[event.kind] += 1
            self._do(event, fact)
        self._take_effect(event)
        self._run()

    def finish(self) -> None:
        """Ends the coordinator where the journal ends, or where its process was killed."""
        if self.driving is not None and not self.driving.done():
            self.driving.cancel()
            self.loop.settle()

    def check_over(self, event: EventRow) -> None:
        """Checks that the coordinator has nothing left to do where the journal says that it ended.

        Raises:
            DifferenceFoundError: It has, or has decided what is not in the journal.
        """
        self._make_durable(before=math.inf)  # else it could not have written its end
        more = next((made for queue in self._made.values() for made in queue), None)
        if more is not None:
            self._differ(event, _NOTHING, made=more.words)
        cut_off = self._context.wishes.ending is not None  # what was being checked stays open
        if self.driving is not None and not self.driving.done() and not cut_off:
            self._differ(event, "the run ends", made=f"it goes on: {self._open()} open tasks")

    def _make_durable(self, *, before: float) -> None:
        while self._unwritten and self._unwritten[0][0] < before:
            _at, written = self._unwritten.popleft()
            if not written.done():
                written.set_result(None)
                self._run()

    def _take_effect(self, event: EventRow) -> None:
        """Lets the cancel of a task take effect once it went on for the last time."""
        until, written = self._cancels.get(str(event.task_id), (0, None))
        if written is not None and self._place >= until:
            del self._cancels[str(event.task_id)]
            written.set_result(None)

    def _run(self) -> None:
        """Runs the coordinator until it waits for what the journal has next."""
        self.loop.settle()
        if self.driving is not None and self.driving.done() and not self.driving.cancelled():
            error = self.driving.exception()
            if isinstance(error, SpawnerError):
                self._differ(self.recording.events[self._place], "the run goes on", made=f"it cannot: {error}")
            if error is not None:
                raise error

    @property
    def _context(self) -> RunContext:
        assert self.coordinator is not None
        return self.coordinator.context

    def _is_hedge(self, event: EventRow) -> bool:
        fact = event.fact
        hedges = self.recording.hedges
        return isinstance(fact, facts.AttemptIntended) and (event.task_id, fact.number) in hedges

    # Comparing.

    def _compare(self, event: EventRow, fact: facts.Fact, said: dict[str, Any], decision: Fields) -> None:
        queue = self._made[subject_of(event.kind, event.task_id, said)]
        if not queue:
            self._bring_about(event, fact, queue)
        if not queue:
            self._differ(event, in_words(event.kind, decision), made=self._instead(event))
        made = queue.popleft()
        if (made.kind, made.decision) != (event.kind, decision):
            self._differ(event, in_words(event.kind, decision), made=in_words(made.kind, made.decision))
        if isinstance(fact, facts.RecoveryTransitioned):
            self._compare_wait(event, fact, made)
        if isinstance(fact, facts.BreakerMoved) and not queue:
            self._keep_breaker(fact)
        self.same += 1

    def _compare_wait(self, event: EventRow, fact: facts.RecoveryTransitioned, made: _Made) -> None:
        """Compares the wait before a retry: with jitter, anything from half of it to all."""
        recorded_s, most_s = wait_s({"due": fact.due, "change": fact.change}), made.wait_s
        if recorded_s is None or most_s is None:
            if recorded_s != most_s:
                self._differ(event, wait_words(recorded_s), made=wait_words(most_s))
            return
        policy = self.recording.settings.policy or {}
        least_s = most_s / 2 if policy.get("jitter") else most_s
        if not least_s - _CLOCK_S <= recorded_s <= most_s + _CLOCK_S:
            self._differ(event, wait_words(recorded_s), made=f"waits {least_s:.1f} to {most_s:.1f} s")

    def _keep_breaker(self, fact: facts.BreakerMoved) -> None:
        """Goes on with the recorded times of failures, which the replay knows less exactly."""
        recovery = self._context.recovery
        if isinstance(recovery, RunRecovery):
            recovery.machine.restore_breaker(CircuitBreaker.from_dict(fact.breaker))

    def _bring_about(self, event: EventRow, fact: facts.Fact, made: deque[_Made]) -> None:
        """Does what came before a decision and is in no event: a wait was over, or an attempt never began."""
        task_id = event.task_id
        if task_id is None:
            if isinstance(fact, facts.BatchTripped) and self._context.wishes.paused:  # the user has answered
                self._context.recorder.append_nowait(None, fact)
                self.loop.create_task(settlement.skip_rest(self._context, fact.reason))
                self._run()
            return
        self.turns.urgent = task_id
        self._make_durable(before=math.inf)
        self.turns.end_wait(task_id)
        self._run()
        agent = self._context.agent_of(task_id) if task_id in self._context.tasks.tasks else ""
        if not made and self.turns.ask_again(agent):
            self._run()
        if not made and (task_id, 0) in self._waiting:
            self._release(task_id, 0, AttemptEnd(reason=EndReason.VOIDED), self._place - 1)
            self._run()
        self.turns.urgent = None

    def _instead(self, event: EventRow) -> str:
        """Describes what the replay has decided that is not in the journal so far."""
        others = [each for queue in self._made.values() for each in queue if each.task_id != event.task_id]
        starts = [each for each in others if each.kind == facts.AttemptIntended.kind] or others
        return starts[0].words if starts else _NOTHING

    def _differ(self, event: EventRow, recorded: str, *, made: str) -> None:
        raise DifferenceFoundError(
            Difference(
                seq=event.seq,
                at=event.at,
                kind=event.kind,
                task_id=event.task_id,
                state=self._state(event.task_id),
                recorded=recorded,
                made=made,
            )
        )

    def _state(self, task_id: str | None) -> str:
        """Describes the state that a decision was made in."""
        run = self._context
        slots = f"{run.scheduler.running} of {self.recording.settings.max_concurrent} slots taken"
        if task_id not in run.scheduler.states:
            return f"{slots}, {self._open()} open tasks"
        state = str(run.scheduler.states[str(task_id)])
        if isinstance(run.recovery, RunRecovery):
            place = run.recovery.machine.get_task_state(str(task_id))
            state += f", recovery {place.state}" if place is not None else ""
        return f"task {task_id} {state}, @{run.agent_of(str(task_id))}; {slots}"

    def _open(self) -> int:
        return self._context.scheduler.open

    # Doing what others did.

    def _do(self, event: EventRow, fact: facts.Fact) -> None:
        """Does what people, agents, the system or other runs did."""
        assert self.coordinator is not None
        task_id = event.task_id
        match fact:
            case facts.AttemptEnded() if task_id is not None:
                self._end_attempt(task_id, fact)
            case facts.AttemptIntended() if task_id is not None:
                self._count_attempt(task_id, fact)
            case facts.TaskCancelled() if task_id is not None:
                self.loop.create_task(self.coordinator.cancel_task(task_id, by=fact.by))
            case facts.RunEnding():
                self.coordinator.end(fact.why, at_once=fact.at_once)
            case facts.RunPaused():
                self.loop.create_task(self.coordinator.pause(by=fact.by))
            case facts.RunUnpaused():
                self.loop.create_task(self.coordinator.unpause(by=fact.by))
            case work_facts.FilesClaimed() if task_id is not None:
                self._context.scheduler.claims.see(self._context.task(task_id), fact.files)
            case approval_facts.ApprovalRequested() if task_id is not None:
                self._ask(task_id)
            case approval_facts.ApprovalAnswered() | approval_facts.ApprovalWithdrawn() if task_id is not None:
                self._go_on(task_id)
            case _:
                pass

    def _end_attempt(self, task_id: str, fact: facts.AttemptEnded) -> None:
        """Lets an attempt end; of two beside each other the one whose end is written last counts."""
        place, number = self._place, fact.number
        following = next(self.recording.following(task_id, place), None)
        if fact.reason == EndReason.OUTDATED or isinstance(following, facts.AttemptEnded):
            return
        if (task_id, number) in self._reviews:
            self._context.scheduler.take_back(task_id)
            return
        hedge = self._hedges.pop(task_id, None)
        if hedge is not None:
            self._context.scheduler.give_back(hedge)
        first = next((each for each in self._waiting if each[0] == task_id), None) if hedge is not None else None
        if (task_id, number) in self._waiting or first is not None:
            self._release(task_id, number if first is None else first[1], end_of(fact), place)

    def _release(self, task_id: str, number: int, end: AttemptEnd, place: int) -> None:
        """Lets an attempt come out as the events behind a place say."""
        recovers = self.recording.settings.policy is not None
        following = self.recording.following(task_id, place)
        outcome = outcome_of(end, following, self._findings[task_id], recovers=recovers)
        if outcome is not None:
            self._waiting.pop((task_id, number)).set_result(outcome)

    def _count_attempt(self, task_id: str, fact: facts.AttemptIntended) -> None:
        """Counts an attempt of a reviewer, or a hedge, and its slot."""
        flight, scheduler = self._context.tasks.flight(task_id), self._context.scheduler
        flight.attempts = max(flight.attempts, fact.number)
        if fact.role == facts.REVIEW:
            flight.reviewing += 1
            self._reviews.add((task_id, fact.number))
            scheduler.lend(task_id, fact.agent)
        elif scheduler.borrow(fact.agent):
            self._hedges[task_id] = fact.agent

    def _ask(self, task_id: str) -> None:
        self._asking[task_id] += 1
        if task_id != WHOLE_RUN and self._asking[task_id] == 1:
            self._context.scheduler.suspend(task_id)
            self._context.dispatch()

    def _go_on(self, task_id: str) -> None:
        self._asking[task_id] -= 1
        if task_id != WHOLE_RUN and not self._asking[task_id]:
            self._context.scheduler.continue_task(task_id)
