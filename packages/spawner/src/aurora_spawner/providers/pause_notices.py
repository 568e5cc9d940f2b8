"""What people are told of a provider that pauses: once that it does and until when, once that it goes on.

An episode begins with the first pause and ends with the next answer, or with a refusal; pauses that follow each other
belong to the same one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Self

from aurora_spawner.providers.gate import GateState, utc_time
from aurora_spawner.tasks.run_events import ProviderAnswers, ProviderLeft, ProviderPaused

if TYPE_CHECKING:
    from aurora_spawner.providers.gate import ProviderGate

_ANSWERING: Final = (GateState.OPEN, GateState.RAMPING)


PauseEvent = ProviderPaused | ProviderLeft | ProviderAnswers


class PauseWatch:
    """Looks at the gates that a run meets, and says what its watcher has not been told yet."""

    def __init__(self) -> None:
        self._told: dict[str, type[PauseEvent]] = {}
        """By provider in an episode: the class of the last event."""

    def __contains__(self, provider: str) -> bool:
        return provider in self._told

    def look(
        self,
        gate: ProviderGate,
        now: float,
        limit_s: float | None,
        *,
        limit: str = "max_provider_wait",
        fallback: str = "",
    ) -> PauseEvent | None:
        """What is new about a provider that is waited for so long at most (seconds; None without end).

        Args:
            limit: What that limit is called in the policy.
            fallback: Who takes over where it is not waited for.
        """
        told = self._told.get(gate.provider)
        if gate.state is GateState.STOPPED:  # what its tasks are told says it all
            self._told.pop(gate.provider, None)
        elif gate.state in _ANSWERING:
            return self._answers(gate) if told else None
        elif limit_s is not None and gate.asks_too_much(now, limit_s):
            text = gate.out_of_patience(limit_s, limit)
            if fallback:
                text = f"{gate.named}: not waited for, {fallback} takes its tasks ({gate.reason})"
            if told is not ProviderLeft:
                return self._tell(ProviderLeft(provider=gate.provider, message=text))
        elif not told:
            message = _paused(gate, now, limit_s)
            return self._tell(
                ProviderPaused(provider=gate.provider, until=gate.until, reason=gate.reason, message=message)
            )
        return None

    def _answers(self, gate: ProviderGate) -> PauseEvent:
        del self._told[gate.provider]
        return ProviderAnswers(provider=gate.provider)

    def _tell(self, event: PauseEvent) -> PauseEvent:
        self._told[event.provider] = type(event)
        return event


def _paused(gate: ProviderGate, now: float, limit_s: float | None) -> str:
    if gate.state is GateState.PROBING:
        return f"{gate.named}: one attempt is finding out whether it answers again"
    until = f"paused until {utc_time(gate.until, now)}"
    if gate.window:
        until += " (its reset), then one attempt asks; what runs goes on"
    latest = now + limit_s - gate.waited_s if limit_s is not None else gate.until
    if latest > gate.until:
        until += f", giving up at {utc_time(latest, now)}"
    return f"{gate.named}: {until} ({gate.reason})"


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseEpisode:
    """The pauses of one provider between two answers, as a journal has them; times are Unix times."""

    provider: str
    began: float
    until: float
    """When the last of its pauses ended, or ends."""
    reason: str
    pauses: int = 1
    answered: float | None = None

    @classmethod
    def of(cls, gate: ProviderGate) -> Self:
        """One that begins."""
        return cls(provider=gate.provider, began=gate.since, until=gate.until, reason=gate.reason)

    def after(self, gate: ProviderGate) -> Self:
        """With one more change of the gate."""
        if gate.state is GateState.PAUSED:
            return replace(self, pauses=self.pauses + 1, until=gate.until, reason=gate.reason)
        return replace(self, answered=gate.since) if gate.state in _ANSWERING else self

    def describe(self) -> str:
        """One line for people."""
        times = f" {self.pauses} times" if self.pauses > 1 else ""
        end = f"until {utc_time(self.until, self.began)}"
        if self.answered is not None:
            end = f"until it answered at {utc_time(self.answered, self.began)}"
        return f"provider {self.provider} paused{times} from {utc_time(self.began, self.began)} {end}: {self.reason}"


@dataclass(slots=True)
class ProviderStory:
    """What happened to one provider, a line an episode."""

    lines: dict[int, str] = field(default_factory=dict)
    """By where the episode began."""
    _episode: tuple[int, PauseEpisode] | None = None
    _stop: str = ""

    def add(self, place: int, gate: ProviderGate) -> None:
        """Takes in the next change of the gate; `place` is its number among all that happened to the run."""
        if gate.state is GateState.STOPPED:
            if gate.reason != self._stop:
                self.lines[place] = self._stop = gate.reason
            self._episode = None
        elif self._episode is not None:
            began, episode = self._episode
            episode = episode.after(gate)
            self.lines[began] = episode.describe()
            self._episode = None if episode.answered is not None else (began, episode)
        elif gate.state is GateState.PAUSED:
            self._episode, self._stop = (place, PauseEpisode.of(gate)), ""
            self.lines[place] = self._episode[1].describe()
        elif self._stop and gate.state in _ANSWERING:
            self.lines[place], self._stop = f"provider {gate.provider} answers again", ""
