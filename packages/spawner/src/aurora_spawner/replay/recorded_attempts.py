"""Time and outcome of each attempt of a run, for a simulation; what the journal lacks is assumed, and said."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field, replace
from statistics import median
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.end_reason import ENDED_EARLY, EndReason
from aurora_spawner.attempts.executor import AttemptEnd
from aurora_spawner.journal import approval_facts, facts, work_facts
from aurora_spawner.rate_limits.gate import GateState, ProviderGate
from aurora_spawner.replay.outcomes import Findings, Outcome, end_of, outcome_of
from aurora_spawner.replay.recording import Recording
from aurora_spawner.tasks.result import TaskState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aurora_spawner.journal.views import EventRow
    from aurora_spawner.runs.decision_settings import DecisionSettings

_NEAR: Final = 8
"""Events behind the end of an attempt among which the pause that it caused stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAttempt:
    """An attempt, or an assumption of one."""

    outcome: Outcome
    seconds: float
    """From the start of its work to the end of it, with its checks and reviews, without its waits for a person."""
    asked_s: float = 0.0
    """Its waits for a person, in which it holds no slot."""


@dataclass(slots=True, kw_only=True)
class RecordedAttempts:
    """The attempts of a run, in their order by task and agent."""

    attempts: dict[tuple[str, str], deque[RecordedAttempt]]
    cancelled: frozenset[str]
    """Tasks that a user cancelled before they were attempted."""
    assumed: Counter[str] = field(default_factory=Counter)
    """Assumptions that had to be made, in words, each with its number."""
    _last: dict[tuple[str, str], RecordedAttempt] = field(default_factory=dict)
    _usual: dict[str, float] = field(default_factory=dict)
    """The median time of the attempts of each agent; of all under ""."""

    def next(self, task_id: str, agent: str) -> RecordedAttempt:
        """Returns the next attempt of an agent at a task."""
        recorded = self.attempts.get((task_id, agent))
        if recorded:
            found = self._last[task_id, agent] = recorded.popleft()
            return found
        last = self._last.get((task_id, agent))
        if last is not None and last.outcome.state is TaskState.FAILED and not last.outcome.why.throttled:
            self.assumed["more attempts than recorded: assumed to fail as the last of their task did"] += 1
            return last
        self.assumed["attempts that the journal does not have: assumed to succeed in the agent's usual time"] += 1
        seconds = self._usual.get(agent, self._usual[""])
        end = AttemptEnd(reason=EndReason.EXITED, exit_code=0)
        return RecordedAttempt(outcome=Outcome(end=end, state=TaskState.SUCCEEDED), seconds=seconds)


@dataclass(slots=True)
class _Open:
    """An attempt that has not ended."""

    agent: str
    begun: float
    asked_s: float = 0.0
    adopted: bool = False
    """True if another coordinator has taken the run over meanwhile."""


@dataclass(slots=True)
class _Fold:
    """The attempts of a run, event after event."""

    recording: Recording
    found: defaultdict[tuple[str, str], deque[RecordedAttempt]] = field(default_factory=lambda: defaultdict(deque))
    times: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    attempted: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    _begun: dict[str, float] = field(default_factory=dict)
    _under_way: dict[str, _Open] = field(default_factory=dict)
    _asked: dict[str, float] = field(default_factory=dict)
    _findings: defaultdict[str, Findings] = field(default_factory=lambda: defaultdict(Findings))

    def take_over(self) -> None:
        """Is told that another coordinator takes the run."""
        for attempt in self._under_way.values():
            attempt.adopted = True

    def see(self, place: int, task_id: str, at: float, fact: facts.Fact) -> None:
        """Takes the next event of a task."""
        self._findings[task_id].see(fact)
        match fact:
            case work_facts.WorkspaceIntended():
                self._begun.setdefault(task_id, at)
            case facts.AttemptIntended(role=facts.WORK):
                self.attempted.add(task_id)
                self._under_way.setdefault(task_id, _Open(fact.agent, self._begun.pop(task_id, at)))
            case facts.AttemptEnded() if task_id in self._under_way and fact.reason != EndReason.OUTDATED:
                self._end(place, task_id, fact)
            case facts.TaskSettled(result={"state": "cancelled"}) if task_id not in self.attempted:
                self.cancelled.add(task_id)
            case approval_facts.ApprovalRequested():
                self._asked.setdefault(task_id, at)
            case approval_facts.ApprovalAnswered() | approval_facts.ApprovalWithdrawn() if task_id in self._asked:
                asked_at = self._asked.pop(task_id)
                if task_id in self._under_way:
                    self._under_way[task_id].asked_s += at - asked_at
            case _:
                pass

    def _end(self, place: int, task_id: str, fact: facts.AttemptEnded) -> None:
        attempt = self._under_way.pop(task_id)
        ended = _ended(self.recording, place, fact, attempt, self._findings[task_id])
        if ended is not None:
            self.found[task_id, attempt.agent].append(ended)
            self.times[attempt.agent].append(ended.seconds)


def attempts_of(events: Sequence[EventRow], settings: DecisionSettings) -> RecordedAttempts:
    """Returns the attempts of a run; those that the end of a coordinator cut off did not count and are left out."""
    fold = _Fold(Recording(events, settings))
    for place, event in enumerate(events):
        if isinstance(event.fact, facts.RunTaken):
            fold.take_over()
        elif event.task_id is not None and event.fact is not None:
            fold.see(place, event.task_id, event.at, event.fact)
    usual = {agent: median(seconds) for agent, seconds in fold.times.items()}
    every = [each for seconds in fold.times.values() for each in seconds]
    usual[""] = median(every) if every else 0.0
    return RecordedAttempts(attempts=dict(fold.found), cancelled=frozenset(fold.cancelled), _usual=usual)


def _ended(
    recording: Recording, place: int, fact: facts.AttemptEnded, attempt: _Open, findings: Findings
) -> RecordedAttempt | None:
    """Returns an attempt that has ended; None for one that was cut off."""
    event = recording.events[place]
    task_id = str(event.task_id)
    recovers = recording.settings.policy is not None
    outcome = outcome_of(end_of(fact), recording.following(task_id, place), findings, recovers=recovers)
    if outcome is None or (outcome.state is TaskState.CANCELLED and outcome.result is None):
        return None
    if outcome.result is None and attempt.adopted and fact.reason in ENDED_EARLY:
        return None
    if outcome.state is None and fact.reason in (EndReason.VOIDED, EndReason.CANCELLED):
        return None
    took = (fact.record or {}).get("duration_s")
    seconds = event.at - attempt.begun
    if isinstance(took, int | float) and took < seconds and attempt.adopted:  # its end was seen late
        seconds = float(took)
    if outcome.why.throttled:
        outcome = replace(outcome, why=replace(outcome.why, retry_after_s=_pause_s(recording, place)))
    return RecordedAttempt(
        outcome=outcome, seconds=max(0.0, seconds - attempt.asked_s), asked_s=max(0.0, attempt.asked_s)
    )


def _pause_s(recording: Recording, place: int) -> float | None:
    """Returns the length of the pause that an attempt caused; None if none is recorded."""
    for event in recording.events[place : place + _NEAR]:
        if isinstance(event.fact, facts.ProviderMoved):
            gate = ProviderGate.from_dict(event.fact.gate)
            return gate.pause_s if gate.state is GateState.PAUSED else None
    return None
