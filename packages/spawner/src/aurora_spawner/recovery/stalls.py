"""Whether an attempt still lives, from what it does and not from what it says. Pure.

Signs of life are events, output that says something new, work of the processor or of files and network, and children
that run something new. Output or children that only repeat are a heartbeat: they show that a process runs, not that
it gets anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aurora_spawner.recovery.policy import EarlyDetection

BUSY_SHARE: Final = 0.02
"""Of one processor, over the time between two looks: more is work, less is a loop that waits."""
BUSY_BYTES: Final = 4_096
"""Read or written between two looks, by processes that were there at both."""
CLOSEST_LOOKS_S: Final = 0.25
WIDEST_LOOKS_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What one look at an attempt sees."""

    at: float
    """Seconds, on a clock that does not go back."""
    output_bytes: int = 0
    said_new: bool = False
    """Its output since the look before has a line that was not there before, numbers aside."""
    cpu_s: float = 0.0
    """Of all its processes so far, ended ones included."""
    moved_bytes: int = 0
    """Read and written so far by the processes that live."""
    processes: frozenset[int] = frozenset()
    commands: frozenset[str] = frozenset()
    """What its processes run."""
    tool: str | None = None
    """What the agent's youngest child runs."""
    model_wait: bool = False
    """It holds a connection to somebody else and does nothing."""
    input_wait: bool = False
    """It waits to read something that nobody writes."""
    approval_wait: bool = False
    """It waits for an answer of the user: never a stall."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StallVerdict:
    """What a look says."""

    stalled: bool
    reason: str
    """What it waits for, exactly as far as can be seen."""
    quiet_s: float
    """Since the last sign of life."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vigil:
    """What is known of an attempt after some looks; every look gives a new value."""

    began: float
    last_sign: float
    signed: bool = False
    """Whether there was any sign after its start."""
    misses: int = 0
    """Looks in a row without a sign."""
    seen: Signs | None = None
    commands: frozenset[str] = frozenset()
    """Everything its processes ever ran."""
    tool_since: float | None = None
    repeats: bool = False
    """It printed since its last sign, but nothing new."""

    @classmethod
    def begin(cls, now: float) -> Vigil:
        """For an attempt that starts now."""
        return cls(began=now, last_sign=now)

    def look(self, signs: Signs) -> Vigil:
        """Take in what was seen."""
        alive = self._shows_life(signs)
        before = self.seen
        tool_since = self.tool_since if before and before.tool == signs.tool else signs.at
        printed = before is not None and signs.output_bytes > before.output_bytes
        return replace(
            self,
            last_sign=signs.at if alive else self.last_sign,
            signed=self.signed or (alive and before is not None),
            misses=0 if alive else self.misses + 1,
            seen=signs,
            commands=self.commands | signs.commands,
            tool_since=tool_since if signs.tool else None,
            repeats=not alive and (self.repeats or printed),
        )

    def _shows_life(self, signs: Signs) -> bool:
        before = self.seen
        if before is None:  # nothing to compare with: the first look counts only what was printed
            return signs.said_new
        took = max(signs.at - before.at, 0.001)
        return (
            signs.said_new
            or signs.cpu_s - before.cpu_s > took * BUSY_SHARE
            or (signs.processes == before.processes and signs.moved_bytes - before.moved_bytes > BUSY_BYTES)
            or not signs.commands <= self.commands
        )

    def verdict(self, detection: EarlyDetection, now: float) -> StallVerdict:
        """Whether it is stalled by now, and what it waits for."""
        quiet_s = max(0.0, now - self.last_sign)
        waits = self.seen is not None and self.seen.approval_wait
        stalled = (
            detection.enabled and not waits and quiet_s >= detection.threshold_s and self.misses >= detection.checks
        )
        return StallVerdict(stalled=stalled, reason=self.waiting_for(now), quiet_s=quiet_s)

    def waiting_for(self, now: float) -> str:
        """What the attempt waits for, in a few words."""
        quiet_s, signs = max(0.0, now - self.last_sign), self.seen
        if signs is None:
            return f"no sign of life for {quiet_s:.0f} s"
        if signs.tool and not signs.approval_wait:
            return f"tool running: {signs.tool} {now - (self.tool_since or now):.0f} s"
        found = (
            (signs.approval_wait, "waiting for approval"),
            (signs.input_wait, f"waiting for input {quiet_s:.0f} s"),
            (signs.model_wait, f"waiting for the model {quiet_s:.0f} s"),
            (self.repeats, f"repeating itself for {quiet_s:.0f} s"),
        )
        return next((reason for holds, reason in found if holds), f"no sign of life for {quiet_s:.0f} s")


def looks_apart_s(detection: EarlyDetection) -> float:
    """How far looks are apart while an attempt is quiet."""
    return min(WIDEST_LOOKS_S, max(CLOSEST_LOOKS_S, detection.threshold_s / 8))


def next_look(vigil: Vigil, detection: EarlyDetection, *, last_output: float, now: float) -> float:
    """When to look: not before it has printed nothing for half the threshold, then closely.

    Args:
        last_output: When its output last grew, on the same clock.
    """
    quiet_from = max(vigil.began, last_output) + detection.threshold_s / 2
    return max(quiet_from, now + looks_apart_s(detection))
