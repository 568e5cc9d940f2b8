"""The recording of one coordinator of a run: its events, and what a replay looks up in them ahead of time."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.journal import approval_facts, facts, work_facts
from aurora_spawner.recovery.states import RecoveryState
from aurora_spawner.storage.stored_values import StoredValueError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_spawner.journal.views import EventRow
    from aurora_spawner.runs.decision_settings import DecisionSettings

_ASIDE: Final = (
    work_facts.WorkChecked,
    work_facts.WorkReturned,
    work_facts.WorkReviewed,
    approval_facts.ApprovalRequested,
    approval_facts.ApprovalAnswered,
    approval_facts.ApprovalWithdrawn,
    work_facts.WorkspaceIntended,
    work_facts.WorkspacePrepared,
    work_facts.FilesClaimed,
)
"""Events that may stand between the end of an attempt and the next one in the same slot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A task had its turn: it took a slot, moved to another agent, or failed without an attempt."""

    task_id: str
    count: int
    """The number of admissions of the task so far under this coordinator, this one included."""
    at: float
    """The time at which it was decided, or else written; Unix time."""


@dataclass(slots=True)
class Recording:
    """The events of one coordinator, from the moment that it took the run.

    Args:
        events: In order; the first is the taking of the run.
        settings: What the coordinator decided by.

    Raises:
        StoredValueError: An event is malformed.
    """

    events: Sequence[EventRow]
    settings: DecisionSettings
    admissions: list[Admission] = field(default_factory=list)
    """In the order of their times: what is read for an attempt can delay the event of its start."""
    intended: dict[str, list[int]] = field(default_factory=dict)
    """The attempts at each task that began before its first outcome, its second, and so on; hedges left out."""
    hedges: set[tuple[str, int]] = field(default_factory=set)
    gates: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """The moves of provider gates, each with the place of its event."""
    _intending: set[str] = field(default_factory=set)
    _places: dict[str, list[int]] = field(default_factory=dict)
    """The places of each task's events."""

    def __post_init__(self) -> None:
        open_attempts: dict[str, int] = {}
        counts: dict[str, int] = {}
        begun: set[str] = set()
        again: set[str] = set()
        for place, event in enumerate(self.events):
            fact, task_id = event.fact, event.task_id
            if isinstance(fact, facts.ProviderMoved):
                self.gates.append((place, fact.gate))
            if task_id is None or fact is None:
                continue
            self._places.setdefault(task_id, []).append(place)
            try:
                self._see_outcome(task_id, fact)
                self._see_attempt(task_id, fact, open_attempts)
                self._see_admission(event, fact, counts, again=task_id in again)
            except (KeyError, TypeError, ValueError) as error:
                raise StoredValueError(f"event {event.seq}: {error!r}") from error
            if isinstance(fact, facts.AttemptIntended):
                begun.add(task_id)
            if isinstance(fact, facts.AttemptEnded) and task_id in begun:  # one that was found gives its slot back
                again.add(task_id)
            elif not isinstance(fact, _ASIDE):
                again.discard(task_id)
        for task_id in self._intending:
            self.intended[task_id][-1] += 1
        self.admissions.sort(key=lambda admission: admission.at)

    def _see_admission(self, event: EventRow, fact: facts.Fact, counts: dict[str, int], *, again: bool) -> None:
        if not _admits(fact, recovers=self.settings.policy is not None, again=again):
            return
        task_id = str(event.task_id)
        counts[task_id] = counts.get(task_id, 0) + 1
        at = fact.change["at"] if isinstance(fact, facts.RecoveryTransitioned) else event.at
        self.admissions.append(Admission(task_id=task_id, count=counts[task_id], at=at))

    def _see_outcome(self, task_id: str, fact: facts.Fact) -> None:
        """Counts the attempts before each outcome; what recovery decided before an attempt may stand behind it."""
        counts = self.intended.setdefault(task_id, [0])
        starts = True
        if isinstance(fact, facts.RecoveryTransitioned):
            if RecoveryState(fact.change["from_state"]).attempting:
                counts.append(0)
            starts = RecoveryState(fact.change["to_state"]).attempting
        if starts and task_id in self._intending:
            self._intending.discard(task_id)
            counts[-1] += 1

    def _see_attempt(self, task_id: str, fact: facts.Fact, open_attempts: dict[str, int]) -> None:
        match fact:
            case facts.AttemptIntended(role=facts.WORK):
                if task_id in open_attempts:
                    self.hedges.add((task_id, fact.number))
                else:
                    open_attempts[task_id] = fact.number
                    self._intending.add(task_id)
                return
            case facts.AttemptStarted(adopted=True):
                open_attempts.setdefault(task_id, fact.number)
            case facts.AttemptEnded() if fact.reason != EndReason.OUTDATED:
                if fact.number >= open_attempts.get(task_id, fact.number):
                    open_attempts.pop(task_id, None)
            case _:
                pass

    @property
    def first_decided(self) -> float:
        """The time of the first decision that says its own, as those of recovery do; else that of the first event."""
        changes = (
            each.fact.change["at"] for each in self.events if isinstance(each.fact, facts.RecoveryTransitioned)
        )
        return float(next(changes, self.events[0].at))

    def time_of(self, place: int) -> float:
        """Returns when an event was decided: a change of recovery that was written with it says so exactly."""
        event = self.events[place]
        for each in self.events[place : place + 4]:
            if isinstance(each.fact, facts.RecoveryTransitioned) and each.task_id == event.task_id:
                return min(event.at, float(each.fact.change["at"]))
        return event.at

    def goes_on_until(self, task_id: str, place: int) -> int | None:
        """Returns the place of the last event behind a place by which a task starts, or is to start again."""
        places = self._places.get(task_id, [])
        behind = places[bisect_right(places, place) :]
        return next((each for each in reversed(behind) if _goes_on(self.events[each].fact)), None)

    def following(self, task_id: str, place: int) -> Iterator[facts.Fact]:
        """Yields the events of a task behind a place."""
        places = self._places.get(task_id, [])
        for each in places[bisect_right(places, place) :]:
            fact = self.events[each].fact
            if fact is not None:
                yield fact


def _goes_on(fact: facts.Fact | None) -> bool:
    """Returns True if a task goes on by an event: one whose cancel has taken effect does not."""
    if isinstance(fact, facts.RecoveryTransitioned):
        return not RecoveryState(fact.change["to_state"]).terminal
    return isinstance(fact, facts.AttemptIntended)


def _admits(fact: facts.Fact, *, recovers: bool, again: bool) -> bool:
    """Returns True if an event tells of an admission."""
    if recovers:
        if not isinstance(fact, facts.RecoveryTransitioned):
            return False
        return not RecoveryState(fact.change["from_state"]).attempting
    return isinstance(fact, facts.AttemptIntended) and fact.role == facts.WORK and not again
