"""The watchdog of running attempts: it extends active ones, and ends stalled ones if the policy says so."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.liveness.stall_detection import StallDetector, next_sample_at, rest_s, sample_interval_s
from aurora_spawner.recovery.timeouts import TimeLimits, judge_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_spawner.attempts.executor import RunningAttempt
    from aurora_spawner.liveness.process_activity import LivenessProbe, WatchedAttempt
    from aurora_spawner.liveness.stall_detection import ActivitySample, StallVerdict
    from aurora_spawner.recovery.policy_parts import EarlyDetection


WAITS_FOR_A_PERSON: Final = "waiting for approval"
WAITS_FOR_A_WORKER: Final = "waiting for a worker"


@dataclass(slots=True)
class _Watch:
    task_id: str
    running: RunningAttempt
    limits: TimeLimits
    detection: EarlyDetection
    detector: StallDetector
    timer: asyncio.TimerHandle | None = None
    watched: WatchedAttempt | None = None
    """None before the first sample."""
    reported: bool = False
    """True if its present stall was reported."""
    suspended_at: float | None = None
    """The moment since which its time stands still, on the loop's clock."""
    suspended_for: str = WAITS_FOR_A_PERSON


@dataclass(slots=True, kw_only=True)
class Watchdog:
    """A watchdog with timers of the event loop: an attempt that ends soon costs one timer and no sample.

    Args:
        on_stall: Called once for each stall, with the verdict.
        on_expired: Called if the attempt has to end: the task, the reason (deadline or stalled), and the reason in
            words.
    """

    on_stall: Callable[[str, StallVerdict], None]
    on_expired: Callable[[str, EndReason, str], None]
    _probe: LivenessProbe | None = None
    _watches: dict[str, _Watch] = field(default_factory=dict)

    def follow(
        self,
        task_id: str,
        running: RunningAttempt,
        *,
        limits: TimeLimits,
        detection: EarlyDetection,
        age_s: float = 0.0,
    ) -> None:
        """Starts to watch an attempt that has been running for `age_s`."""
        if not (limits.watched or detection.enabled):
            return
        now = asyncio.get_running_loop().time()
        watch = _Watch(
            task_id=task_id,
            running=running,
            limits=limits,
            detection=detection,
            detector=StallDetector.start(now - age_s),
        )
        self._watches[task_id] = watch
        self._set_timer(watch, self._first_check(watch, now))

    def release(self, task_id: str) -> None:
        """Stops watching a task's attempt."""
        watch = self._watches.pop(task_id, None)
        if watch is not None and watch.timer is not None:
            watch.timer.cancel()

    def suspend(self, task_id: str, reason: str = WAITS_FOR_A_PERSON) -> None:
        """Lets the time of an attempt stand still: its wait is no stall and costs it nothing."""
        watch = self._watches.get(task_id)
        if watch is not None and watch.suspended_at is None:
            watch.suspended_for = reason
            watch.suspended_at = asyncio.get_running_loop().time()
            if watch.timer is not None:
                watch.timer.cancel()

    def continue_watch(self, task_id: str) -> None:
        """Lets the time of a suspended attempt go on."""
        watch = self._watches.get(task_id)
        if watch is None or watch.suspended_at is None:
            return
        now = asyncio.get_running_loop().time()
        watch.detector = watch.detector.later(now - watch.suspended_at)
        watch.suspended_at = None
        self._set_timer(watch, max(now, self._first_check(watch, now)))

    def waiting_for(self, task_id: str) -> str | None:
        """Names the thing that a quiet attempt waits for; None for an attempt that is active or not watched."""
        watch = self._watches.get(task_id)
        if watch is not None and watch.suspended_at is not None:
            return watch.suspended_for
        if watch is None or watch.detector.last_sample is None:
            return None
        return watch.detector.waiting_for(asyncio.get_running_loop().time())

    def _first_check(self, watch: _Watch, now: float) -> float:
        started = watch.detector.started
        checks = [started + each for each in (watch.limits.startup_s, watch.limits.idle_s / 2) if each]
        if watch.limits.first_check_s is not None:
            checks.append(started + watch.limits.first_check_s - watch.limits.quiet_s)
        if watch.detection.enabled:
            checks.append(started + rest_s(watch.detection))
        return max(now, min(checks))

    def _set_timer(self, watch: _Watch, at: float) -> None:
        watch.timer = asyncio.get_running_loop().call_at(at, self._check, watch)

    def _check(self, watch: _Watch) -> None:
        loop = asyncio.get_running_loop()
        detector = watch.detector = watch.detector.after(self._sample(watch))
        now = loop.time()
        time_up = judge_time(
            watch.limits,
            age_s=now - detector.started,
            last_activity_s=detector.last_activity - detector.started if detector.any_activity else None,
        )
        if time_up.expired is not None:
            self._end(watch, EndReason.DEADLINE, f"{time_up.expired} ({detector.waiting_for(now)})")
            return
        if self._ended_as_stalled(watch, now):
            return
        self._set_timer(watch, self._next_check(watch, now, time_up.next_check_s))

    def _sample(self, watch: _Watch) -> ActivitySample:
        from aurora_spawner.liveness.process_activity import (  # reads processes, which costs 20 ms to import
            LivenessProbe,
            WatchedAttempt,
        )

        self._probe = self._probe or LivenessProbe()
        watch.watched = watch.watched or WatchedAttempt(running=watch.running)
        return self._probe.sample(watch.watched)

    def _ended_as_stalled(self, watch: _Watch, now: float) -> bool:
        """Reports a stall once; returns True if the policy ended the attempt for it."""
        verdict = watch.detector.verdict(watch.detection, now)
        if not verdict.stalled:
            watch.reported = False
            return False
        if not watch.reported:
            watch.reported = True
            self.on_stall(watch.task_id, verdict)
        if watch.detection.terminate:
            self._end(watch, EndReason.STALLED, f"it stalled: {verdict.reason}")
        return watch.detection.terminate

    def _end(self, watch: _Watch, reason: EndReason, error: str) -> None:
        self.release(watch.task_id)
        self.on_expired(watch.task_id, reason, error)

    def _next_check(self, watch: _Watch, now: float, time_check_s: float | None) -> float:
        checks = []
        if time_check_s is not None:
            checks.append(max(watch.detector.started + time_check_s, now + sample_interval_s(watch.detection)))
        if watch.detection.enabled:
            checks.append(next_sample_at(watch.detector, watch.detection, now=now))
        return min(checks) if checks else now + watch.limits.quiet_s
