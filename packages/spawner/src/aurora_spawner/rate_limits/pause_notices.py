"""Notices of provider pauses: one at the first pause, with its end, and one at the next answer.

An episode starts with the first pause and ends with the next answer or refusal; pauses in a row are one episode.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Self

from aurora_spawner.rate_limits.gate import GateState, utc_time
from aurora_spawner.tasks.run_events import ProviderAnswers, ProviderLeft, ProviderPaused

if TYPE_CHECKING:
    from aurora_spawner.rate_limits.gate import ProviderGate

_ANSWERING: Final = (GateState.OPEN, GateState.RAMPING)


PauseEvent = ProviderPaused | ProviderLeft | ProviderAnswers


class PauseNotifier:
    """The events for the gates that a run meets, each emitted once an episode."""

    def __init__(self) -> None:
        self._emitted: dict[str, type[PauseEvent]] = {}
        """The class of the last event of each provider in an episode."""

    def __contains__(self, provider: str) -> bool:
        return provider in self._emitted

    def notice(
        self,
        gate: ProviderGate,
        now: float,
        limit_s: float | None,
        *,
        limit: str = "max_provider_wait",
        fallback: str = "",
    ) -> PauseEvent | None:
        """Returns the event to emit for a gate; None if its episode has had that event.

        Args:
            limit_s: The longest wait for the provider, in seconds; None for no limit.
            limit: Name of that limit in the policy.
            fallback: The agent that takes over if the wait exceeds the limit; "" for none.
        """
        last = self._emitted.get(gate.provider)
        if gate.state is GateState.STOPPED:  # the error of its tasks says it all
            self._emitted.pop(gate.provider, None)
        elif gate.state in _ANSWERING:
            return self._answers(gate) if last else None
        elif limit_s is not None and gate.exceeds_max_wait(now, limit_s):
            text = gate.wait_limit_message(limit_s, limit)
            if fallback:
                text = f"{gate.label}: {fallback} takes its tasks ({gate.reason})"
            if last is not ProviderLeft:
                return self._emit(ProviderLeft(provider=gate.provider, message=text))
        elif not last:
            message = _paused(gate, now, limit_s)
            return self._emit(
                ProviderPaused(provider=gate.provider, until=gate.until, reason=gate.reason, message=message)
            )
        return None

    def _answers(self, gate: ProviderGate) -> PauseEvent:
        del self._emitted[gate.provider]
        return ProviderAnswers(provider=gate.provider)

    def _emit(self, event: PauseEvent) -> PauseEvent:
        self._emitted[event.provider] = type(event)
        return event


def _paused(gate: ProviderGate, now: float, limit_s: float | None) -> str:
    if gate.state is GateState.PROBING:
        return f"{gate.label}: probing with one attempt"
    until = f"paused until {utc_time(gate.until, now)}"
    if gate.window:
        until += " (its reset), then probing with one attempt; running attempts continue"
    latest = now + limit_s - gate.waited_s if limit_s is not None else gate.until
    if latest > gate.until:
        until += f", giving up at {utc_time(latest, now)}"
    # A status says enough; the provider's own words stand in `aur status` and in the run's recovery report.
    reason = "" if gate.trouble.endswith(")") and not gate.window else f" ({gate.reason})"
    return f"{gate.label}: {until}{reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseEpisode:
    """The pauses of one provider between two answers; times are Unix times."""

    provider: str
    began: float
    until: float
    """The end of its last pause."""
    reason: str
    pauses: int = 1
    answered: float | None = None

    @classmethod
    def of(cls, gate: ProviderGate) -> Self:
        """Returns the episode that a pause starts."""
        return cls(provider=gate.provider, began=gate.since, until=gate.until, reason=gate.reason)

    def after(self, gate: ProviderGate) -> Self:
        """Returns the episode after one more change of the gate."""
        if gate.state is GateState.PAUSED:
            return replace(self, pauses=self.pauses + 1, until=gate.until, reason=gate.reason)
        return replace(self, answered=gate.since) if gate.state in _ANSWERING else self

    def describe(self) -> str:
        """Describes the episode in one line."""
        times = f" {self.pauses} times" if self.pauses > 1 else ""
        end = f"until {utc_time(self.until, self.began)}"
        if self.answered is not None:
            end = f"until it answered at {utc_time(self.answered, self.began)}"
        return f"provider {self.provider} paused{times} from {utc_time(self.began, self.began)} {end}: {self.reason}"


@dataclass(slots=True)
class ProviderTimeline:
    """The history of one provider, one line an episode."""

    lines: dict[int, str] = field(default_factory=dict)
    """The line of each episode, by the place of its first event."""
    _episode: tuple[int, PauseEpisode] | None = None
    _stop: str = ""

    def add(self, place: int, gate: ProviderGate) -> None:
        """Adds the next change of the gate; `place` is its number among the events of the run."""
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
