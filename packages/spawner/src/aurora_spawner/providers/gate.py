"""The gate of one provider, shared by all agents that use it: pause, one probe, a ramp, or a stop. Pure.

A rate limit pauses the provider until it said, or for a share of the wait so far; a usage window that is used up, or
nearly, pauses it until the window resets, for hours or days. Then one attempt probes; once that is answered, starts
are spaced at a rate that grows with each success, quickly up to where the provider last complained and slowly beyond
(as TCP finds the width of a line). A refused key stops the provider until a new run, or a resume, asks again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

from aurora_spawner.tasks.failure import LONGEST_WAIT_S, believed_wait_s
from aurora_spawner.tasks.usage_windows import LONGEST_WINDOW_S

if TYPE_CHECKING:
    from aurora_spawner.tasks.usage_windows import UsageWindow

PROBE_LIMIT_S: Final = 120.0
"""A probe of which nothing was heard for so long is given to somebody else."""
RECHECK_S: Final = 0.5
"""While another process probes, it is asked again after this."""
FIRST_PAUSE_S: Final = 2.0
LONGEST_PAUSE_S: Final = 300.0
"""Where the provider did not say how long."""
UNTOLD_SHARE: Final = 1 / 3
"""Of the wait so far, as the next pause where the provider does not say how long: no limit costs a third more."""
BELIEVED: Final = 5
"""Pauses in a row as long as the provider said; after them it has been wrong too often."""
WRONG_SHARE: Final = 0.1
"""Of the wait so far, as the least pause where the provider says how long and is wrong again and again."""
PAUSE_JITTER: Final = 0.1
"""Share of a pause that is added by chance, so that not everybody comes back at once."""
WINDOW_JITTER_S: Final = 30.0
"""The same, at most, of the reset of a usage window."""
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
RAMP_PATIENCE_S: Final = 60.0
"""One that was held up for so long without an answer becomes a pause again."""
FORGOTTEN_S: Final = 900.0
"""A pause after whose end nobody asked for so long is no part of what comes then."""
QUICK_GROWTH: Final = 1.3
SLOW_GROWTH: Final = 1.05
"""Of the rate, for each success."""
BACK_OFF: Final = 1.0
"""Of the rate of successes, after a limit was met on the ramp."""
UNMEASURED_BACK_OFF: Final = 0.9
"""Of the rate, where there were too few successes to measure theirs."""
MEASURABLE: Final = 5
MOST_STREAK: Final = 1_000_000
"""Pauses in a row are not counted beyond."""
REMEMBERED: Final = 12
"""Successes by which the rate is measured."""
CLOCK_SLACK_S: Final = 60.0
"""A gate that was entered so much later than now was so by a clock that was wrong."""


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
    waited_s: float = 0.0
    """How long the provider was waited for since it last answered; a pause counts when it is over."""
    rate_per_s: float = 0.0
    ceiling_per_s: float = 0.0
    """Where the provider complained last; 0 where it never did on a ramp."""
    next_start: float = 0.0
    prober: str = ""
    """Probing: which run made the probe."""
    successes: tuple[float, ...] = ()
    """The last of them on this ramp."""
    trouble: str = ""
    """What keeps it closed, for people: "rate-limiting (429)"."""
    window: str = ""
    """Paused until the reset of this usage window, which the provider named; such a wait asks nobody's patience."""
    overloaded: bool = False
    """It has not said how long it will be, and what it lacks is room, not what the account may ask for."""

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
            return _GO, self._probed(now, asker)
        again = self.until if self.state is GateState.PAUSED else min(self.until, now + RECHECK_S)
        return GateAnswer(go=False, wait_until=again, reason=self.reason), self

    def _probed(self, now: float, asker: str) -> ProviderGate:
        probing = replace(self, state=GateState.PROBING, since=now, until=now + PROBE_LIMIT_S, prober=asker)
        if self.state is GateState.PAUSED and now - self.until > FORGOTTEN_S:
            return replace(probing, waited_s=0.0, streak=0)
        return replace(probing, waited_s=self._waited_s(now))

    def _waited_s(self, now: float) -> float:
        """With the part of a present pause that is over."""
        counts = self.state is GateState.PAUSED and not self.window
        return self.waited_s + (max(0.0, min(now, self.until) - self.since) if counts else 0.0)

    def pauses(self, now: float) -> bool:
        """Whether nobody may probe yet."""
        return self.state is GateState.PAUSED and now < self.until

    @property
    def pause_s(self) -> float:
        """How long the present pause is; 0 where there is none."""
        return self.until - self.since if self.state is GateState.PAUSED else 0.0

    def asks_too_much(self, now: float, limit_s: float | None) -> bool:
        """Whether, with the present pause, the provider would be waited for longer than that without an answer."""
        if limit_s is None or not self.pauses(now):
            return False
        if self.window:
            return self.until - now > limit_s
        return self.waited_s + self.pause_s > limit_s

    @property
    def named(self) -> str:
        """The provider with what keeps it closed, for people."""
        if self.window:
            return f"{self.provider}: {self.window}"
        return f"{self.provider} is {self.trouble or 'rate-limiting'}"

    def out_of_patience(self, limit_s: float, limit: str = "max_provider_wait") -> str:
        """What tasks are told that wait no longer than that; the same for all of them.

        Args:
            limit: What the limit is called in the policy.
        """
        so_far = (
            f" after {self.waited_s:.0f} s in {self.streak - 1} pauses without an answer" if self.streak > 1 else ""
        )
        return (
            f"provider {self.provider} is not waited for{so_far}: it asks for {self.pause_s:.0f} s more, and"
            f" {limit} is {limit_s:g} s; raise that, give the agent a fallback, or resume the run"
            f" after {utc_time(self.until, self.since)} ({self.reason})"
        )

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
                waited_s=0.0,
                rate_per_s=rate,
                next_start=now + 1 / rate,
                successes=(now,),
                window="",
                overloaded=False,
            )
        if self.state is not GateState.RAMPING:
            return replace(self, waited_s=0.0) if self.waited_s else self
        below = not self.ceiling_per_s or self.rate_per_s < self.ceiling_per_s
        rate = self.rate_per_s * (QUICK_GROWTH if below else SLOW_GROWTH)
        if rate >= FULL_RATE_PER_S:
            return self.opened(now)
        return replace(self, rate_per_s=rate, waited_s=0.0, successes=(*self.successes, now)[-REMEMBERED:])

    def answered(self, now: float) -> ProviderGate:
        """After a running attempt was answered; within a pause that may be the answer to an older question."""
        if self.state is GateState.PROBING:
            return self.succeeded(now)
        if self.state is GateState.PAUSED and self.streak and now >= self.until:
            return replace(self, state=GateState.PROBING, waited_s=self._waited_s(now)).succeeded(now)
        return self

    def limited(
        self,
        now: float,
        *,
        began: float,
        retry_after_s: float | None,
        reason: str,
        chance: float = 0.5,
        trouble: str = "",
        overloaded: bool = False,
        window: UsageWindow | None = None,
    ) -> ProviderGate:
        """After a rate limit or an overload.

        Args:
            began: When the attempt that met it started; one from before the pause only confirms the pause.
            trouble: What the provider does, for people: "rate-limiting (429)".
            overloaded: The provider lacks room.
            window: The usage window that is used up, where there is one.
        """
        if self.state is GateState.STOPPED:
            return self
        reset = window.reset_after(now) if window else None
        if window is not None and reset is not None:
            return self.closed_until(now, reset, window=window, reason=reason, chance=chance)
        late = self.state in (GateState.PAUSED, GateState.PROBING) and began < self.since
        asked_s = believed_wait_s(retry_after_s)
        pause = self._next_pause_s(now, asked_s)
        until = now + pause * (1 + PAUSE_JITTER * chance)
        if late:
            return self if until <= self.until or self.window else replace(self, until=until)
        if self.state is GateState.RAMPING and pause <= SHORT_PAUSE_S and self.waited_s <= RAMP_PATIENCE_S:
            return self._slower(now, until, began, reason)
        return replace(
            self,
            state=GateState.PAUSED,
            reason=reason,
            since=now,
            until=until,
            streak=min(self.streak + 1, MOST_STREAK),
            waited_s=self._waited_s(now),
            ceiling_per_s=self._ceiling(),
            successes=(),
            trouble=trouble,
            window="",
            overloaded=overloaded and asked_s is None,
        )

    def _next_pause_s(self, now: float, asked_s: float | None) -> float:
        """As long as the provider asks, and no less than a share of the wait so far."""
        if asked_s is not None and self.streak < BELIEVED:
            return asked_s
        share = UNTOLD_SHARE if asked_s is None else WRONG_SHARE
        least = max(FIRST_PAUSE_S, min(LONGEST_PAUSE_S, share * self._waited_s(now)))
        return max(least, asked_s or 0.0)

    def closed_until(
        self, now: float, reset: float, *, window: UsageWindow, reason: str, chance: float = 0.5
    ) -> ProviderGate:
        """Returns the gate paused until the reset of a usage window; one that resets sooner changes nothing.

        Args:
            reset: Unix time, as far as it is believed.
        """
        until = reset + min(WINDOW_JITTER_S, PAUSE_JITTER * (reset - now)) * chance
        waits = self.state is GateState.PAUSED and bool(self.window)
        if self.state is GateState.STOPPED or (waits and reset <= self.until):
            return self
        return replace(
            self,
            state=GateState.PAUSED,
            reason=reason,
            since=self.since if waits else now,
            until=until,
            streak=self.streak if waits else min(self.streak + 1, MOST_STREAK),
            waited_s=self._waited_s(now),
            ceiling_per_s=self._ceiling(),
            successes=(),
            trouble="",
            window=window.title,
            overloaded=False,
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
            waited_s=self.waited_s + max(0.0, next_start - now),
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
        return replace(
            self,
            state=GateState.STOPPED,
            reason=reason,
            since=now,
            until=0.0,
            waited_s=0.0,
            successes=(),
            window="",
            overloaded=False,
        )

    def asked_anew(self, now: float) -> ProviderGate:
        """When a new run begins: a stop from before it is tried once more, by one probe."""
        if self.state is not GateState.STOPPED:
            return self
        trouble = "asked again after it refused"
        return replace(self, state=GateState.PAUSED, since=now, until=now, trouble=trouble)

    def unanswered(self, by: str = "") -> ProviderGate:
        """After an attempt of that run that ended without a word from the provider; its probe is free again."""
        lost = self.state is GateState.PROBING and self.prober == by and self.until > 0
        return replace(self, until=0.0) if lost else self

    def opened(self, now: float) -> ProviderGate:
        """With nothing against it."""
        return ProviderGate(provider=self.provider, since=now)

    def standing(self, now: float) -> str:
        """How it stands for those who want to start something, in one line; empty for one that lets them."""
        if self.state is GateState.STOPPED:
            return f"{self.provider} is stopped: {self.reason}"
        if not self.pauses(now):
            return ""
        why = f"{self.window}; {self.reason}" if self.window else self.reason
        return f"{self.provider} is paused until {utc_time(self.until, now)}: {why}"

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
            "waited_s": self.waited_s,
            "rate_per_s": self.rate_per_s,
            "ceiling_per_s": self.ceiling_per_s,
            "next_start": self.next_start,
            "prober": self.prober,
            "successes": list(self.successes),
            "trouble": self.trouble,
            "window": self.window,
            "overloaded": self.overloaded,
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """What `to_dict` gave.

        Raises:
            KeyError, TypeError, ValueError: It gave something else.
        """
        known: dict[str, Any] = {
            **{name: _text(stored[name]) for name in ("provider", "reason", "prober")},
            **{name: _number(stored[name]) for name in _NUMBERS},
            "state": GateState(stored["state"]),
            "streak": int(_within(_number(stored["streak"]), 0, MOST_STREAK)),
            "successes": tuple(_number(at) for at in stored["successes"])[-REMEMBERED:],
            **{name: _text(stored.get(name, "")) for name in ("trouble", "window")},  # older versions had none
            "overloaded": stored.get("overloaded") is True,
        }
        return cls(**known)

    def plausible(self, now: float) -> Self:
        """The gate as far as it can be true: a pause is no longer than a provider is believed, nothing is to come.

        A gate from the future was entered by a clock that was ahead: what it waits for begins now, and the reset of a
        usage window, which is a time of day and no length, stays where it is.
        """
        ahead_s = self.since - now if self.since > now + CLOCK_SLACK_S else 0.0
        if ahead_s > 0:
            shift = 0.0 if self.window else min(ahead_s, self.until)
            past = replace(self, since=now, until=self.until - shift, next_start=min(self.next_start, now))
            return past.plausible(now)
        since = self.since if self.since >= 0 else 0.0
        held = self.state is GateState.PAUSED and bool(self.window)
        longest_s = LONGEST_WINDOW_S + WINDOW_JITTER_S if held else _longest_s(self.state)
        least_rate = LEAST_RATE_PER_S if self.state is GateState.RAMPING else 0.0
        ceiling = _within(self.ceiling_per_s, LEAST_RATE_PER_S, FULL_RATE_PER_S) if self.ceiling_per_s else 0.0
        return replace(
            self,
            since=since,
            until=_within(self.until, since if self.state is GateState.PAUSED else 0.0, since + longest_s),
            waited_s=_within(self.waited_s, 0.0, now),
            rate_per_s=_within(self.rate_per_s, least_rate, FULL_RATE_PER_S),
            ceiling_per_s=ceiling,
            next_start=_within(self.next_start, 0.0, since + RAMP_LIMIT_S),
            successes=tuple(_within(at, 0.0, now) for at in self.successes),
        )


def _longest_s(state: GateState) -> float:
    """How long after it was entered a state may have something to wait for."""
    return {GateState.PAUSED: LONGEST_WAIT_S * (1 + PAUSE_JITTER), GateState.PROBING: PROBE_LIMIT_S}.get(state, 0.0)


_NUMBERS: Final = ("since", "until", "waited_s", "rate_per_s", "ceiling_per_s", "next_start")


def _number(stored: object) -> float:
    if not isinstance(stored, int | float):
        raise TypeError(f"{stored!r} is no number")
    try:
        return float(stored)
    except OverflowError:
        return float("inf")


def _text(stored: object) -> str:
    if not isinstance(stored, str):
        raise TypeError(f"{stored!r} is no text")
    return stored


def _within(number: float, least: float, most: float) -> float:
    """The nearest number between two; the lower one for NaN."""
    return min(most, max(least, number))


def utc_time(at: float, now: float) -> str:
    """A Unix time for people, with its date where that is not today's; also of one that no calendar has."""
    try:
        moment, today = (datetime.fromtimestamp(each, UTC) for each in (at, now))
    except (ValueError, OverflowError, OSError):
        return "a time that no calendar has"
    return f"{moment:%H:%M:%S} UTC" if moment.date() == today.date() else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
