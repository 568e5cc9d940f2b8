"""Whether an attempt still lives, from what it does and not from what it says. Pure.

Signs of life are events, output that says something new, work of the processor or of files and network, and children
that run something new. Output or children that only repeat are a heartbeat: they show that a process runs, not that
it gets anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    output_at: float = 0.0
    """When it last grew, on the same clock."""
    said_new: bool = False
    """Its output since the look before has a line that was not there before, numbers aside."""
    cpu_s: float = 0.0
    """Of all its processes so far, ended ones included."""
    moved_bytes: Mapping[int, int] = field(default_factory=dict)
    """Read and written so far, by process."""
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
        """Takes in what was seen."""
        works, before = self._works(signs), self.seen
        alive = works or signs.said_new
        sign = signs.at if works else max(self.last_sign, min(signs.at, signs.output_at))
        tool_since = self.tool_since if before and before.tool == signs.tool else signs.at
        printed = before is not None and signs.output_bytes > before.output_bytes
        return replace(
            self,
            last_sign=sign if alive else self.last_sign,
            signed=self.signed or alive,
            misses=0 if alive else self.misses + 1,
            seen=signs,
            commands=self.commands | signs.commands,
            tool_since=tool_since if signs.tool else None,
            repeats=not alive and (self.repeats or printed),
        )

    def _works(self, signs: Signs) -> bool:
        """Whether its processes did something between two looks, or since its start."""
        before = self.seen
        if before is None:
            return signs.cpu_s > max(signs.at - self.began, 0.001) * BUSY_SHARE
        took = max(signs.at - before.at, 0.001)
        return (
            signs.cpu_s - before.cpu_s > took * BUSY_SHARE
            or _moved(before, signs) > BUSY_BYTES
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
        found = (
            (signs.approval_wait, "waiting for approval"),
            (self.repeats, f"repeating itself for {quiet_s:.0f} s"),
            (bool(signs.tool), f"tool running: {signs.tool} {now - (self.tool_since or now):.0f} s"),
            (signs.input_wait, f"waiting for input {quiet_s:.0f} s"),
            (signs.model_wait, f"waiting for the model {quiet_s:.0f} s"),
        )
        return next((reason for holds, reason in found if holds), f"no sign of life for {quiet_s:.0f} s")


def _moved(before: Signs, after: Signs) -> int:
    """What processes that were there at both looks read and wrote between them."""
    return sum(total - before.moved_bytes.get(pid, total) for pid, total in after.moved_bytes.items())


def looks_apart_s(detection: EarlyDetection) -> float:
    """How far looks are apart while an attempt is quiet."""
    return min(WIDEST_LOOKS_S, max(CLOSEST_LOOKS_S, detection.threshold_s / 8))


def next_look(vigil: Vigil, detection: EarlyDetection, *, now: float) -> float:
    """When to look again: not soon after a sign of life, then closely."""
    return max(vigil.last_sign + first_look_s(detection), now + looks_apart_s(detection))


def first_look_s(detection: EarlyDetection) -> float:
    """How long an attempt is left alone after a sign of life.

    Work that ends within it is seen as lasting to its end, so a stall is told that much too late at most.
    """
    return max(looks_apart_s(detection), detection.threshold_s / 8)
