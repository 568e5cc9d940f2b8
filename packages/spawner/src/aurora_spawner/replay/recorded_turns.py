"""The turns of tasks in a replay: the journal says who starts next, and when a wait is over."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_spawner.journal import facts
from aurora_spawner.replay.recorded_gates import MARGIN_S
from aurora_spawner.replay.recorded_recovery import Guide, GuidedRecovery
from aurora_spawner.tasks.result import TaskState

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_spawner.replay.recorded_gates import RecordedGates
    from aurora_spawner.replay.recording import Admission, Recording
    from aurora_spawner.replay.simulated_loop import SimulatedLoop
    from aurora_spawner.runs.run_context import RunContext

_DISPATCH_S: Final = 0.25
"""The most time from what frees a slot to the decision who takes it, on a busy machine."""


@dataclass(slots=True, kw_only=True)
class RecordedTurns(Guide):
    """Gives each task its turn as the coordinator of the journal did.

    Args:
        context: Returns the run that is replayed.
        place: Returns the place of the present event.
        run: Runs the coordinator until it waits for what the journal has next.
    """

    recording: Recording
    loop: SimulatedLoop
    gates: RecordedGates
    context: Callable[[], RunContext]
    place: Callable[[], int]
    run: Callable[[], None]
    urgent: str | None = None
    """The task whose decision comes next, whatever its time."""
    _parked: dict[str, float] = field(default_factory=dict)
    """Tasks that wait without a slot, each with the latest end of its wait, Unix time."""
    _ends_of_waits: list[tuple[float, str]] = field(default_factory=list)
    _held: set[str] = field(default_factory=set)
    """Agents that were not admitted."""
    _began: Counter[str] = field(default_factory=Counter)
    _considered: str = ""
    _passed: int = 0
    """The admissions that were made."""
    _next_end: int = 0
    """The place of the next event that ends an attempt."""

    def began(self, task_id: str) -> None:
        """Is told that a task has taken a slot."""
        self._began[task_id] += 1

    def considers(self, task_id: str) -> None:
        """Is told the task whose agent the scheduler asks for, before it asks if that agent is admitted."""
        self._considered = task_id

    def turned(self) -> None:
        """Is told that a task had its turn: the one that comes next may have waited until just now."""
        following = self._next_admission(until=self._soon(MARGIN_S))
        if following is not None:
            self._requeue(following.task_id)

    def park(self, task_id: str, after_s: float) -> None:
        """Is told that a task waits without a slot."""
        until = self.loop.now + after_s
        self._parked[task_id] = until
        heapq.heappush(self._ends_of_waits, (until, task_id))

    def admits(self, agent: str, provider: str, *, unavailable: Callable[[], bool]) -> bool:
        """Returns True if an attempt may start: where a gate or the pace may hold it, if it was the next to start."""
        if not self._paced and (self.gates.surely_open(provider) or unavailable()):
            return True
        if self._is_next(self._considered) and self._is_ready(self._considered):
            self._held.discard(agent)
            return True
        self._held.add(agent)
        return False

    def end_waits(self) -> None:
        """Ends the waits that are surely over, and that of the task that starts next."""
        while self._ends_of_waits and self._ends_of_waits[0][0] < self.loop.now - MARGIN_S:
            until, task_id = heapq.heappop(self._ends_of_waits)
            if self._parked.get(task_id) == until:
                self.end_wait(task_id)
        full = self.context().scheduler.running >= self.recording.settings.max_concurrent
        following = self._next_admission(until=self._soon(MARGIN_S) if full else self.loop.now)
        if following is None:
            return
        self.end_wait(following.task_id)
        self.ask_again(self.context().agent_of(following.task_id))
        self.run()

    def end_wait(self, task_id: str) -> None:
        """Lets a task start when there is room, whatever it has waited for."""
        if self._requeue(task_id):
            self.context().dispatch()

    def ask_again(self, agent: str) -> bool:
        """Lets the scheduler ask again for an agent that was not admitted; returns False if it was."""
        if agent not in self._held:
            return False
        self._held.discard(agent)
        self.context().scheduler.release(agent)
        self.context().dispatch()
        return True

    @property
    def _paced(self) -> bool:
        return self.recording.settings.start_rate_per_s is not None

    def _is_next(self, task_id: str) -> bool:
        """Returns True if a task starts next.

        Recovery writes down when it decided. Without it there is only the order in which starts were written, and an
        attempt that takes longer to prepare is written later: then any task of the same turn may be the next.
        """
        until = self._soon(_DISPATCH_S)
        if self.recording.settings.policy is not None:
            following = self._next_admission(until=until)
            return following is not None and following.task_id == task_id
        admissions = self.recording.admissions
        turn = admissions[self._passed : bisect_right(admissions, until, key=lambda each: each.at)]
        return any(each.task_id == task_id and not self._was_made(each) for each in turn)

    def _next_admission(self, *, until: float) -> Admission | None:
        """Returns the recorded admission that comes next and was not made yet; None if it comes later."""
        admissions = self.recording.admissions
        while self._passed < len(admissions):
            following = admissions[self._passed]
            if not self._was_made(following):
                due = following.at <= until or following.task_id == self.urgent
                return following if due else None
            self._passed += 1
        return None

    def _was_made(self, admission: Admission) -> bool:
        task_id, recovery = admission.task_id, self.context().recovery
        made = recovery.admissions(task_id) if isinstance(recovery, GuidedRecovery) else self._began[task_id]
        return made >= admission.count

    def _soon(self, within_s: float) -> float:
        """Returns the time until which a decision can follow from the present event: it is before the next end."""
        if self._paced and self.recording.settings.policy is not None:
            return self.loop.now
        events = self.recording.events
        self._next_end = max(self._next_end, self.place() + 1)
        while self._next_end < len(events) and not isinstance(events[self._next_end].fact, facts.AttemptEnded):
            self._next_end += 1
        if self._next_end == len(events):
            return self.loop.now + within_s
        at = self.recording.time_of(self._next_end)
        return max(self.loop.now, min(self.loop.now + within_s, at))

    def _is_ready(self, task_id: str) -> bool:
        """Returns True if a task waits for nothing but its turn."""
        states, task = self.context().scheduler.states, self.context().task(task_id)
        ready = all(states[each].settled for each in task.depends_on if each in states)
        return ready and states[task_id] is TaskState.PENDING and task_id not in self._parked

    def _requeue(self, task_id: str) -> bool:
        """Queues a task that has waited; returns False if it did not wait."""
        if self._parked.pop(task_id, None) is None:
            return False
        flight = self.context().tasks.in_flight.get(task_id)
        if flight is not None and flight.timer is not None:
            flight.timer.cancel()
            flight.timer = None
        self.context().scheduler.requeue(task_id)
        return True
