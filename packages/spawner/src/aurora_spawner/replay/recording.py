"""The recording of one execution of a run: its events, and what a replay looks up in them ahead of time."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.journal import facts
from aurora_spawner.recovery.states import RecoveryState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_spawner.journal.views import EventRow
    from aurora_spawner.runs.decision_settings import DecisionSettings

_ASIDE: Final = (
    facts.WorkChecked,
    facts.WorkReturned,
    facts.WorkReviewed,
    facts.ApprovalRequested,
    facts.ApprovalAnswered,
    facts.ApprovalWithdrawn,
    facts.WorkspaceIntended,
    facts.WorkspacePrepared,
)
"""Events that may stand between the end of an attempt and the next one in the same slot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A task took a slot."""

    task_id: str
    agent: str
    count: int
    """The number of starts of the task so far in this execution, this one included."""
    at: float
    """The time at which it was decided, or else written; Unix time."""


@dataclass(slots=True)
class Recording:
    """The events of one execution, from the moment that a coordinator took the run.

    Args:
        events: In order; the first is the taking of the run.
        settings: What the coordinator decided by.
    """

    events: Sequence[EventRow]
    settings: DecisionSettings
    starts: list[Start] = field(default_factory=list)
    """In the order of the events."""
    intended: set[tuple[str, int]] = field(default_factory=set)
    """The attempts by agents of tasks, hedges left out, by task and number."""
    hedges: set[tuple[str, int]] = field(default_factory=set)
    adopted: set[tuple[str, int]] = field(default_factory=set)
    """The attempts of earlier executions that ran on."""
    gates: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """The moves of provider gates, each with the place of its event."""
    _places: dict[str, list[int]] = field(default_factory=dict)
    """The places of each task's events."""

    def __post_init__(self) -> None:
        open_attempts: dict[str, int] = {}
        counts: dict[str, int] = {}
        again: set[str] = set()
        for place, event in enumerate(self.events):
            fact, task_id = event.fact, event.task_id
            if isinstance(fact, facts.ProviderMoved):
                self.gates.append((place, fact.gate))
            if task_id is None or fact is None:
                continue
            self._places.setdefault(task_id, []).append(place)
            self._see_attempt(task_id, fact, open_attempts)
            start = _start_in(fact, recovers=self.settings.policy is not None, again=task_id in again)
            if start is not None:
                counts[task_id] = counts.get(task_id, 0) + 1
                at = start[1] or event.at
                self.starts.append(Start(task_id=task_id, agent=start[0], count=counts[task_id], at=at))
            if isinstance(fact, facts.AttemptEnded):
                again.add(task_id)
            elif not isinstance(fact, _ASIDE):
                again.discard(task_id)

    def _see_attempt(self, task_id: str, fact: facts.Fact, open_attempts: dict[str, int]) -> None:
        match fact:
            case facts.AttemptIntended(role=facts.WORK):
                if task_id in open_attempts:
                    self.hedges.add((task_id, fact.number))
                else:
                    open_attempts[task_id] = fact.number
                    self.intended.add((task_id, fact.number))
            case facts.AttemptStarted(adopted=True):
                self.adopted.add((task_id, fact.number))
            case facts.AttemptEnded() if fact.reason != EndReason.OUTDATED:
                if fact.number >= open_attempts.get(task_id, fact.number):
                    open_attempts.pop(task_id, None)
            case _:
                pass

    def following(self, task_id: str, place: int) -> Iterator[facts.Fact]:
        """Yields the events of a task behind a place."""
        places = self._places.get(task_id, [])
        for each in places[bisect_right(places, place) :]:
            fact = self.events[each].fact
            if fact is not None:
                yield fact


def _start_in(fact: facts.Fact, *, recovers: bool, again: bool) -> tuple[str, float | None] | None:
    """Returns the agent and the time of the start that an event tells of; None if it tells of none."""
    if recovers:
        if not isinstance(fact, facts.RecoveryTransitioned):
            return None
        change = fact.change
        return (change["agent"], change["at"]) if RecoveryState(change["to_state"]).attempting else None
    if isinstance(fact, facts.AttemptIntended) and fact.role == facts.WORK and not again:
        return fact.agent, None
    return None
