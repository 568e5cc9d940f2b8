"""Stall detection by activity: an attempt is alive by what it does, not by what it claims. Pure.

Activity is an event, a new line of output, work of the processor or of files and network, and a child that runs a
new command. Output or children that only repeat are a heartbeat: they show that a process runs, not that it makes
progress.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_spawner.recovery.policy_parts import EarlyDetection

BUSY_SHARE: Final = 0.5
"""Share of the time between two samples in which its processes ran or waited for a processor: more is work.

Measured with five busy processes on two processors: OpenCode without an answer of its model had .05 to .44, a process
that computes .98 and more. Processor time alone cannot tell them apart there: .03 to .25 against .16 to .72.
"""
BUSY_BYTES: Final = 4_096
"""Bytes read or written between two samples, by processes that are in both: more is work."""
SHORTEST_INTERVAL_S: Final = 0.25
LONGEST_INTERVAL_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivitySample:
    """The observable activity of an attempt at one moment."""

    at: float
    """Seconds, on a clock that does not go back."""
    output_bytes: int = 0
    output_at: float = 0.0
    """The time of the last output, on the same clock."""
    new_output: bool = False
    """True if the output since the last sample has a line that is new, numbers ignored."""
    cpu_s: float = 0.0
    """Processor time of all its processes so far, ended processes included."""
    queued_s: Mapping[int, float] = field(default_factory=dict)
    """Seconds so far in which it could have run, but no processor was free, by process; empty where unknown."""
    io_bytes: Mapping[int, int] = field(default_factory=dict)
    """Bytes read and written so far in calls that are no mere wake-ups, by process."""
    commands: frozenset[str] = frozenset()
    """The command lines of its processes, numbers replaced."""
    tool: str | None = None
    """The command of the agent's youngest child."""
    model_wait: bool = False
    """True if it holds a network connection and is otherwise idle."""
    input_wait: bool = False
    """True if a process waits to read input that no process writes."""
    approval_wait: bool = False
    """True if it waits for an answer of the user, which is never a stall."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StallVerdict:
    """The judgement after a sample."""

    stalled: bool
    reason: str
    """The thing that the attempt waits for, as far as it can be observed."""
    quiet_s: float
    """Seconds since the last activity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StallDetector:
    """The activity of one attempt over its samples; every sample gives a new value."""

    started: float
    last_activity: float
    any_activity: bool = False
    """True if there was activity after the start."""
    quiet_samples: int = 0
    """Samples in a row without activity."""
    last_sample: ActivitySample | None = None
    commands: frozenset[str] = frozenset()
    """All command lines that its processes ever ran."""
    tool_since: float | None = None
    repeats: bool = False
    """True if it printed since its last activity, but nothing new."""

    @classmethod
    def start(cls, now: float) -> StallDetector:
        """Returns the detector of an attempt that starts now."""
        return cls(started=now, last_activity=now)

    def after(self, sample: ActivitySample) -> StallDetector:
        """Returns the detector after one more sample."""
        works, before = self._works(sample), self.last_sample
        alive = works or sample.new_output
        active_at = sample.at if works else max(self.last_activity, min(sample.at, sample.output_at))
        tool_since = self.tool_since if before and before.tool == sample.tool else sample.at
        printed = before is not None and sample.output_bytes > before.output_bytes
        return replace(
            self,
            last_activity=active_at if alive else self.last_activity,
            any_activity=self.any_activity or alive,
            quiet_samples=0 if alive else self.quiet_samples + 1,
            last_sample=sample,
            commands=self.commands | sample.commands,
            tool_since=tool_since if sample.tool else None,
            repeats=not alive and (self.repeats or printed),
        )

    def _works(self, sample: ActivitySample) -> bool:
        """Returns True if its processes worked since the last sample, or since the start."""
        before = self.last_sample
        if before is None:
            wanted_s = sample.cpu_s + sum(sample.queued_s.values())
            return wanted_s > max(sample.at - self.started, 0.001) * BUSY_SHARE
        took = max(sample.at - before.at, 0.001)
        return (
            _processor_wanted_s(before, sample) > took * BUSY_SHARE
            or _io_between(before, sample) > BUSY_BYTES
            or not sample.commands <= self.commands
        )

    def later(self, by_s: float) -> StallDetector:
        """Returns the detector as if the attempt had started later, and its last activity with it."""
        return replace(
            self,
            started=self.started + by_s,
            last_activity=self.last_activity + by_s,
            quiet_samples=0,
            tool_since=None if self.tool_since is None else self.tool_since + by_s,
        )

    def verdict(self, detection: EarlyDetection, now: float) -> StallVerdict:
        """Judges if the attempt is stalled now, and names the thing that it waits for."""
        quiet_s = max(0.0, now - self.last_activity)
        waits = self.last_sample is not None and self.last_sample.approval_wait
        stalled = (
            detection.enabled
            and not waits
            and quiet_s >= detection.threshold_s
            and self.quiet_samples >= detection.checks
        )
        return StallVerdict(stalled=stalled, reason=self.waiting_for(now), quiet_s=quiet_s)

    def waiting_for(self, now: float) -> str:
        """Names the thing that the attempt waits for, in a few words."""
        quiet_s, sample = max(0.0, now - self.last_activity), self.last_sample
        if sample is None:
            return f"no activity for {quiet_s:.0f} s"
        found = (
            (sample.approval_wait, "waiting for approval"),
            (self.repeats, f"repeating itself for {quiet_s:.0f} s"),
            (bool(sample.tool), f"tool running: {sample.tool} {now - (self.tool_since or now):.0f} s"),
            (sample.input_wait, f"waiting for input {quiet_s:.0f} s"),
            (sample.model_wait, f"waiting for the model {quiet_s:.0f} s"),
        )
        return next((reason for holds, reason in found if holds), f"no activity for {quiet_s:.0f} s")


def _processor_wanted_s(before: ActivitySample, after: ActivitySample) -> float:
    """Returns the seconds between two samples in which its processes ran or waited for a processor."""
    # A thread that ends takes its part of a sum with it.
    queued_s = sum(max(0.0, total - before.queued_s.get(pid, 0.0)) for pid, total in after.queued_s.items())
    return after.cpu_s - before.cpu_s + queued_s


def _io_between(before: ActivitySample, after: ActivitySample) -> int:
    """Returns the bytes that processes of both samples read and wrote between them."""
    # Wake-ups make a sum fall; those of one process say nothing of another.
    return sum(max(0, total - before.io_bytes.get(pid, total)) for pid, total in after.io_bytes.items())


def sample_interval_s(detection: EarlyDetection) -> float:
    """Returns the seconds between two samples of a quiet attempt."""
    return min(LONGEST_INTERVAL_S, max(SHORTEST_INTERVAL_S, detection.threshold_s / 8))


def next_sample_at(detector: StallDetector, detection: EarlyDetection, *, now: float) -> float:
    """Returns the time of the next sample: late after activity, at short intervals while the attempt is quiet."""
    return max(detector.last_activity + rest_s(detection), now + sample_interval_s(detection))


def rest_s(detection: EarlyDetection) -> float:
    """Returns the seconds after activity in which no sample is taken.

    Activity in between counts to its end, so a stall is reported late by this time at most.
    """
    return max(sample_interval_s(detection), detection.threshold_s / 8)
