"""The gate of one provider, shared by all agents that use it: pause, one probe, a ramp, or a stop. Pure.

A rate limit pauses the provider for the time that the provider names, else for a share of the wait so far. A usage
window that is used up, or nearly, pauses it until the window resets, for hours or days. Then one attempt probes.
After its answer, starts are spaced at a rate that grows with each success: quickly up to the rate of the last limit,
slowly beyond it (as TCP finds the capacity of a line). A refused key stops the provider until the next run or resume.
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
"""A probe without an answer for this long is lost, and another attempt may probe."""
RECHECK_S: Final = 0.5
"""While another attempt probes, the gate is asked again after this time."""
MIN_PAUSE_S: Final = 2.0
MAX_PAUSE_S: Final = 300.0
"""Bounds of a pause whose length the provider does not name."""
DEFAULT_PAUSE_SHARE: Final = 1 / 3
"""Share of the wait so far that is the next pause if the provider names no length: no limit costs a third more."""
TRUSTED_PAUSES: Final = 5
"""The number of pauses in a row that are as long as the provider says; after them it was wrong too often."""
MIN_PAUSE_SHARE: Final = 0.1
"""Share of the wait so far that is the shortest pause after `TRUSTED_PAUSES`."""
PAUSE_JITTER: Final = 0.1
"""Largest share of a pause that is added at random, so that runs do not come back all at once."""
WINDOW_JITTER_S: Final = 30.0
"""The longest time that is added at random to the reset of a usage window."""
START_JITTER: Final = 0.1
"""Largest share of the time between two starts on a ramp that is added at random."""
SHORT_PAUSE_S: Final = 5.0
"""A ramp whose provider asks for no longer wait than this continues at a lower rate, without a new probe."""
FIRST_RATE_PER_S: Final = 1.0
LEAST_RATE_PER_S: Final = 0.05
FULL_RATE_PER_S: Final = 25.0
"""A ramp that reaches this rate is over."""
RAMP_LIMIT_S: Final = 300.0
"""A ramp without a limit for this long is over."""
RAMP_WAIT_LIMIT_S: Final = 60.0
"""A ramp that was held up for this long without an answer becomes a pause again."""
WAIT_RESET_S: Final = 900.0
"""The wait so far restarts at 0 if no attempt asked for this long after the end of a pause."""
QUICK_GROWTH: Final = 1.3
SLOW_GROWTH: Final = 1.05
"""Factor of the rate for each success, below and above the rate of the last limit."""
BACK_OFF: Final = 1.0
"""Factor of the measured rate of successes, after a limit on the ramp."""
UNMEASURED_BACK_OFF: Final = 0.9
"""Factor of the rate if fewer than `MIN_MEASURED` successes are known."""
MIN_MEASURED: Final = 5
MAX_STREAK: Final = 1_000_000
"""The most pauses in a row that are counted."""
KEPT_SUCCESSES: Final = 12
"""The number of last successes by which the rate is measured."""
CLOCK_SLACK_S: Final = 60.0
"""A gate whose state was entered this far in the future was written by a wrong clock."""


class GateState(StrEnum):
    """The permission to start attempts at a provider."""

    OPEN = "open"
    PAUSED = "paused"
    PROBING = "probing"
    RAMPING = "ramping"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateAnswer:
    """The answer of a gate to an attempt that wants to start."""

    go: bool
    wait_until: float | None = None
    """Unix time to ask again; None with `go`, and if waiting does not help."""
    reason: str = ""

    @property
    def stopped(self) -> bool:
        """True if waiting does not help."""
        return not self.go and self.wait_until is None


_GO: Final = GateAnswer(go=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderGate:
    """The state of one provider; every change gives a new value. Times are Unix times."""

    provider: str
    state: GateState = GateState.OPEN
    reason: str = ""
    since: float = 0.0
    """The time at which the state was entered."""
    until: float = 0.0
    """Paused: the time from which one attempt may probe. Probing: the time at which the probe counts as lost."""
    streak: int = 0
    """Pauses in a row without a success between them."""
    waited_s: float = 0.0
    """Seconds of waiting since the provider last answered; a pause counts when it is over."""
    rate_per_s: float = 0.0
    ceiling_per_s: float = 0.0
    """The rate of the last limit on a ramp; 0 if there was none."""
    next_start: float = 0.0
    prober: str = ""
    """Probing: the run that probes."""
    successes: tuple[float, ...] = ()
    """The times of the last successes on this ramp."""
    trouble: str = ""
    """The problem in a few words: "rate-limiting (429)"."""
    window: str = ""
    """Paused until the reset of this usage window; `max_provider_wait` does not count such a wait."""
    overloaded: bool = False
    """True if the provider lacks capacity and names no time; the account is within its limits."""

    def ask(self, now: float, *, chance: float = 0.5, asker: str = "") -> tuple[GateAnswer, ProviderGate]:
        """Returns the answer to an attempt that wants to start, and the gate after it; `go` uses up the place.

        Args:
            chance: From 0 to 1, for the jitter between starts.
            asker: The run of the attempt.
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
        if self.state is GateState.PAUSED and now - self.until > WAIT_RESET_S:
            return replace(probing, waited_s=0.0, streak=0)
        return replace(probing, waited_s=self._waited_s(now))

    def _waited_s(self, now: float) -> float:
        """Returns the wait so far, with the elapsed part of the present pause."""
        counts = self.state is GateState.PAUSED and not self.window
        return self.waited_s + (max(0.0, min(now, self.until) - self.since) if counts else 0.0)

    def pauses(self, now: float) -> bool:
        """Returns True if no attempt may probe yet."""
        return self.state is GateState.PAUSED and now < self.until

    @property
    def pause_s(self) -> float:
        """Length of the present pause; 0 if there is none."""
        return self.until - self.since if self.state is GateState.PAUSED else 0.0

    def exceeds_max_wait(self, now: float, limit_s: float | None) -> bool:
        """Returns True if the wait without an answer, present pause included, is longer than a limit."""
        if limit_s is None or not self.pauses(now):
            return False
        if self.window:
            return self.until - now > limit_s
        return self.waited_s + self.pause_s > limit_s

    @property
    def label(self) -> str:
        """Name of the provider with its problem, for messages."""
        if self.window:
            return f"{self.provider}: {self.window}"
        return f"{self.provider} is {self.trouble or 'rate-limiting'}"

    def wait_limit_message(self, limit_s: float, limit: str = "max_provider_wait") -> str:
        """Returns the error of all tasks whose wait for the provider would exceed a limit.

        Args:
            limit: Name of the limit in the policy.
        """
        so_far = (
            f" after {self.waited_s:.0f} s in {_pauses(self.streak - 1)} without an answer" if self.streak > 1 else ""
        )
        return (
            f"{self.label}: a wait of {self.pause_s:.0f} s{so_far} exceeds {limit} ({limit_s:g} s); raise it, give"
            f" the agent a fallback, or resume the run after {utc_time(self.until, self.since)} ({self.reason})"
        )

    def _ask_on_ramp(self, now: float, chance: float) -> tuple[GateAnswer, ProviderGate]:
        if now - self.since > RAMP_LIMIT_S:
            return _GO, self.opened(now)
        if now < self.next_start:
            return GateAnswer(go=False, wait_until=self.next_start, reason=self.reason), self
        gap = (1 + START_JITTER * chance) / self.rate_per_s
        return _GO, replace(self, next_start=max(now, self.next_start + gap if self._steady(now) else now + gap))

    def _steady(self, now: float) -> bool:
        """Returns True if starts are so close together that small delays must not add up."""
        return now - self.next_start < 1 / self.rate_per_s

    def succeeded(self, now: float) -> ProviderGate:
        """Returns the gate after an answered attempt; an attempt from before a pause does not end the pause."""
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
        return replace(self, rate_per_s=rate, waited_s=0.0, successes=(*self.successes, now)[-KEPT_SUCCESSES:])

    def answered(self, now: float) -> ProviderGate:
        """Returns the gate after an answer to a running attempt; in a pause it may answer an older request."""
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
        """Returns the gate after a rate limit or an overload.

        Args:
            began: Start of the attempt that met the limit; an attempt from before the pause only confirms it.
            trouble: The problem in a few words: "rate-limiting (429)".
            overloaded: True if the provider lacks capacity.
            window: The usage window that is used up, if any.
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
        if self.state is GateState.RAMPING and pause <= SHORT_PAUSE_S and self.waited_s <= RAMP_WAIT_LIMIT_S:
            return self._slower(now, until, began, reason)
        return replace(
            self,
            state=GateState.PAUSED,
            reason=reason,
            since=now,
            until=until,
            streak=min(self.streak + 1, MAX_STREAK),
            waited_s=self._waited_s(now),
            ceiling_per_s=self._ceiling(),
            successes=(),
            trouble=trouble,
            window="",
            overloaded=overloaded and asked_s is None,
        )

    def _next_pause_s(self, now: float, asked_s: float | None) -> float:
        """Returns the length that the provider asks for, and no less than a share of the wait so far."""
        if asked_s is not None and self.streak < TRUSTED_PAUSES:
            return asked_s
        share = DEFAULT_PAUSE_SHARE if asked_s is None else MIN_PAUSE_SHARE
        least = max(MIN_PAUSE_S, min(MAX_PAUSE_S, share * self._waited_s(now)))
        return max(least, asked_s or 0.0)

    def closed_until(
        self, now: float, reset: float, *, window: UsageWindow, reason: str, chance: float = 0.5
    ) -> ProviderGate:
        """Returns the gate paused until the reset of a usage window; one that resets sooner changes nothing.

        Args:
            reset: Unix time, capped by `UsageWindow.reset_after`.
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
            streak=self.streak if waits else min(self.streak + 1, MAX_STREAK),
            waited_s=self._waited_s(now),
            ceiling_per_s=self._ceiling(),
            successes=(),
            trouble="",
            window=window.title,
            overloaded=False,
        )

    def _slower(self, now: float, until: float, began: float, reason: str) -> ProviderGate:
        """Returns the gate of a ramp that was too fast; an older attempt only delays the next start."""
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
        """Returns the rate that the provider accepts, by the successes of this ramp."""
        if self.state is not GateState.RAMPING:
            return self.ceiling_per_s if self.state is not GateState.OPEN else 0.0
        measured = self.rate_per_s * UNMEASURED_BACK_OFF
        if len(self.successes) >= MIN_MEASURED:
            measured = BACK_OFF * (len(self.successes) - 1) / max(0.001, self.successes[-1] - self.successes[0])
        return max(LEAST_RATE_PER_S, min(measured, self.rate_per_s))

    def refused(self, now: float, *, reason: str) -> ProviderGate:
        """Returns the gate after an authentication failure: no attempt can succeed until the user acts."""
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

    def allow_probe(self, now: float) -> ProviderGate:
        """Returns the gate at the start of a run: a stopped provider may be probed once."""
        if self.state is not GateState.STOPPED:
            return self
        trouble = "asked again after it refused"
        return replace(self, state=GateState.PAUSED, since=now, until=now, trouble=trouble)

    def unanswered(self, by: str = "") -> ProviderGate:
        """Returns the gate after an attempt of a run that ended without an answer; another attempt may probe."""
        lost = self.state is GateState.PROBING and self.prober == by and self.until > 0
        return replace(self, until=0.0) if lost else self

    def opened(self, now: float) -> ProviderGate:
        """Returns the open gate."""
        return ProviderGate(provider=self.provider, since=now)

    def blocked_reason(self, now: float) -> str:
        """Explains in one line why no attempt may start; empty if one may start."""
        if self.state is GateState.STOPPED:
            return f"{self.provider} is stopped: {self.reason}"
        if not self.pauses(now):
            return ""
        why = f"{self.window}; {self.reason}" if self.window else self.reason
        return f"{self.provider} is paused until {utc_time(self.until, now)}: {why}"

    def describe(self) -> str:
        """Describes the gate in one line; empty for an open gate."""
        if self.state is GateState.STOPPED:
            return self.reason
        return "" if self.state is GateState.OPEN else f"provider {self.provider} is {self.state}: {self.reason}"

    def to_dict(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
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
        """Returns the gate that `to_dict` stored.

        Raises:
            KeyError, TypeError, ValueError: A field is missing or malformed.
        """
        known: dict[str, Any] = {
            **{name: _text(stored[name]) for name in ("provider", "reason", "prober")},
            **{name: _number(stored[name]) for name in _NUMBERS},
            "state": GateState(stored["state"]),
            "streak": int(_within(_number(stored["streak"]), 0, MAX_STREAK)),
            "successes": tuple(_number(at) for at in stored["successes"])[-KEPT_SUCCESSES:],
            **{name: _text(stored.get(name, "")) for name in ("trouble", "window")},  # older versions had none
            "overloaded": stored.get("overloaded") is True,
        }
        return cls(**known)

    def plausible(self, now: float) -> Self:
        """Returns the gate with every value inside its possible range.

        A state that was entered in the future was written by a clock that was ahead: its wait starts now. The reset
        of a usage window is a time of day, not a length, and stays unchanged.
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
    """Returns the longest wait of a state, in seconds after it was entered."""
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
    """Returns the nearest number between two bounds; the lower bound for NaN."""
    return min(most, max(least, number))


def _pauses(count: int) -> str:
    return "1 pause" if count == 1 else f"{count} pauses"


def utc_time(at: float, now: float) -> str:
    """Formats a Unix time, with its date unless that is today; times outside the calendar are accepted."""
    try:
        moment, today = (datetime.fromtimestamp(each, UTC) for each in (at, now))
    except (ValueError, OverflowError, OSError):
        return "a time outside the calendar"
    return f"{moment:%H:%M:%S} UTC" if moment.date() == today.date() else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
