"""The gate of one provider, shared by all agents that use it: pause, one probe, a ramp, or a stop. Pure.

A rate limit pauses the provider until it said, or for a wait that doubles. Then one attempt probes; once that is
answered, starts are spaced at a rate that grows with each success, quickly up to where the provider last complained
and slowly beyond (as TCP finds the width of a line). A refused key stops the provider until a new run asks again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Self

PROBE_LIMIT_S: Final = 120.0
"""A probe of which nothing was heard for so long is given to somebody else."""
RECHECK_S: Final = 0.5
"""While another process probes, it is asked again after this."""
FIRST_PAUSE_S: Final = 2.0
LONGEST_PAUSE_S: Final = 300.0
"""Where the provider did not say how long."""
PAUSE_JITTER: Final = 0.1
"""Share of a pause that is added by chance, so that not everybody comes back at once."""
START_JITTER: Final = 0.1
"""The same of the time between two starts on a ramp."""
SHORT_PAUSE_S: Final = 5.0
"""A ramp that is asked to wait no longer than this waits, and goes on more slowly; no new probe is needed."""
FIRST_RATE_PER_S: Final = 1.0
LEAST_RATE_PER_S: Final = 0.05
FULL_RATE_PER_S: Final = 25.0
"""A ramp that gets there is over."""
RAMP_LIMIT_S: Final = 300.0
"""So is one that met no limit for so long."""
QUICK_GROWTH: Final = 1.3
SLOW_GROWTH: Final = 1.05
"""Of the rate, for each success."""
BACK_OFF: Final = 1.0
"""Of the rate of successes, after a limit was met on the ramp."""
UNMEASURED_BACK_OFF: Final = 0.9
"""Of the rate, where there were too few successes to measure theirs."""
MEASURABLE: Final = 5
REMEMBERED: Final = 12
"""Successes by which the rate is measured."""


class GateState(StrEnum):
    """How a provider may be used."""

    OPEN = "open"
    PAUSED = "paused"
    PROBING = "probing"
    RAMPING = "ramping"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateAnswer:
    """Whether an attempt may start now."""

    go: bool
    wait_until: float | None = None
    """Unix time to ask again; None with `go`, and where waiting does not help."""
    reason: str = ""

    @property
    def stopped(self) -> bool:
        """Whether waiting does not help."""
        return not self.go and self.wait_until is None


_GO: Final = GateAnswer(go=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderGate:
    """What is known of one provider; every change gives a new value. Times are Unix times."""

    provider: str
    state: GateState = GateState.OPEN
    reason: str = ""
    since: float = 0.0
    """When the state was entered."""
    until: float = 0.0
    """Paused: when one may probe. Probing: when the probe counts as lost."""
    streak: int = 0
    """Pauses in a row without a success between them."""
    rate_per_s: float = 0.0
    ceiling_per_s: float = 0.0
    """Where the provider complained last; 0 where it never did on a ramp."""
    next_start: float = 0.0
    prober: str = ""
    """Probing: which run made the probe."""
    successes: tuple[float, ...] = ()
    """The last of them on this ramp."""

    def ask(self, now: float, *, chance: float = 0.5, asker: str = "") -> tuple[GateAnswer, ProviderGate]:
        """Whether an attempt may start, and the gate after the question; `go` takes the place given.

        Args:
            chance: From 0 to 1, for the jitter between starts.
            asker: The run that asks.
        """
        if self.state is GateState.OPEN:
            return _GO, self
        if self.state is GateState.STOPPED:
            return GateAnswer(go=False, reason=self.reason), self
        if self.state is GateState.RAMPING:
            return self._ask_on_ramp(now, chance)
        if now >= self.until:
            probing = replace(self, state=GateState.PROBING, since=now, until=now + PROBE_LIMIT_S, prober=asker)
            return _GO, probing
        again = self.until if self.state is GateState.PAUSED else min(self.until, now + RECHECK_S)
        return GateAnswer(go=False, wait_until=again, reason=self.reason), self

    def _ask_on_ramp(self, now: float, chance: float) -> tuple[GateAnswer, ProviderGate]:
        if now - self.since > RAMP_LIMIT_S:
            return _GO, self.opened(now)
        if now < self.next_start:
            return GateAnswer(go=False, wait_until=self.next_start, reason=self.reason), self
        gap = (1 + START_JITTER * chance) / self.rate_per_s
        return _GO, replace(self, next_start=max(now, self.next_start + gap if self._steady(now) else now + gap))

    def _steady(self, now: float) -> bool:
        """Whether starts follow each other so closely that being a little late must not add up."""
        return now - self.next_start < 1 / self.rate_per_s

    def succeeded(self, now: float) -> ProviderGate:
        """After an attempt that the provider answered; one that began before a pause says nothing about it."""
        if self.state is GateState.PROBING:
            rate = self.ceiling_per_s or FIRST_RATE_PER_S
            return replace(
                self,
                state=GateState.RAMPING,
                since=now,
                until=0.0,
                streak=0,
                rate_per_s=rate,
                next_start=now + 1 / rate,
                successes=(now,),
            )
        if self.state is not GateState.RAMPING:
            return self
        below = not self.ceiling_per_s or self.rate_per_s < self.ceiling_per_s
        rate = self.rate_per_s * (QUICK_GROWTH if below else SLOW_GROWTH)
        if rate >= FULL_RATE_PER_S:
            return self.opened(now)
        return replace(self, rate_per_s=rate, successes=(*self.successes, now)[-REMEMBERED:])

    def limited(
        self, now: float, *, began: float, retry_after_s: float | None, reason: str, chance: float = 0.5
    ) -> ProviderGate:
        """After a rate limit or an overload.

        Args:
            began: When the attempt that met it started; one from before the pause only confirms the pause.
        """
        if self.state is GateState.STOPPED:
            return self
        late = self.state in (GateState.PAUSED, GateState.PROBING) and began < self.since
        streak = self.streak if late else self.streak + 1
        pause = retry_after_s if retry_after_s is not None else _pause_s(streak)
        until = now + pause * (1 + PAUSE_JITTER * chance)
        if late:
            return self if until <= self.until else replace(self, until=until)
        if self.state is GateState.RAMPING and pause <= SHORT_PAUSE_S:
            return self._slower(now, until, began, reason)
        return replace(
            self,
            state=GateState.PAUSED,
            reason=reason,
            since=now,
            until=until,
            streak=streak,
            ceiling_per_s=self._ceiling(),
            successes=(),
        )

    def _slower(self, now: float, until: float, began: float, reason: str) -> ProviderGate:
        """On a ramp that has overshot; attempts from before the last correction only move the next start."""
        next_start = max(self.next_start, until)
        if began < self.since:
            return replace(self, next_start=next_start)
        ceiling = self._ceiling()
        return replace(
            self,
            reason=reason,
            since=now,
            next_start=next_start,
            rate_per_s=ceiling,
            ceiling_per_s=ceiling,
            successes=(),
        )

    def _ceiling(self) -> float:
        """The rate that the provider bears, as far as this ramp has shown."""
        if self.state is not GateState.RAMPING:
            return self.ceiling_per_s if self.state is not GateState.OPEN else 0.0
        measured = self.rate_per_s * UNMEASURED_BACK_OFF
        if len(self.successes) >= MEASURABLE:
            measured = BACK_OFF * (len(self.successes) - 1) / max(0.001, self.successes[-1] - self.successes[0])
        return max(LEAST_RATE_PER_S, min(measured, self.rate_per_s))

    def refused(self, now: float, *, reason: str) -> ProviderGate:
        """After an authentication failure: nothing can succeed until the user acts."""
        return replace(self, state=GateState.STOPPED, reason=reason, since=now, until=0.0, successes=())

    def asked_anew(self, now: float) -> ProviderGate:
        """When a new run begins: a stop from before it is tried once more, by one probe."""
        if self.state is not GateState.STOPPED:
            return self
        return replace(self, state=GateState.PAUSED, since=now, until=now)

    def unanswered(self, by: str = "") -> ProviderGate:
        """After an attempt of that run that ended without a word from the provider; its probe is free again."""
        lost = self.state is GateState.PROBING and self.prober == by and self.until > 0
        return replace(self, until=0.0) if lost else self

    def opened(self, now: float) -> ProviderGate:
        """With nothing against it."""
        return ProviderGate(provider=self.provider, since=now)

    def describe(self) -> str:
        """One line for people; empty for an open gate."""
        if self.state is GateState.STOPPED:
            return self.reason
        return "" if self.state is GateState.OPEN else f"provider {self.provider} is {self.state}: {self.reason}"

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return {
            "provider": self.provider,
            "state": str(self.state),
            "reason": self.reason,
            "since": self.since,
            "until": self.until,
            "streak": self.streak,
            "rate_per_s": self.rate_per_s,
            "ceiling_per_s": self.ceiling_per_s,
            "next_start": self.next_start,
            "prober": self.prober,
            "successes": list(self.successes),
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """What `to_dict` gave."""
        return cls(**{**stored, "state": GateState(stored["state"]), "successes": tuple(stored["successes"])})


def _pause_s(streak: int) -> float:
    return float(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(streak - 1, 30)))
