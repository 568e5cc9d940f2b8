"""Looks after running attempts: more time for the active ones, an end for the stalled ones where policy says so."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aurora_spawner.liveness.stall_detection import Vigil, first_look_s, looks_apart_s, next_look
from aurora_spawner.recovery.timeouts import TimeLimits, judge_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_spawner.attempts.executor import RunningAttempt
    from aurora_spawner.liveness.process_activity import Vitals, Watched
    from aurora_spawner.liveness.stall_detection import Signs, StallVerdict
    from aurora_spawner.recovery.policy import EarlyDetection


@dataclass(slots=True)
class _Watch:
    task_id: str
    running: RunningAttempt
    limits: TimeLimits
    detection: EarlyDetection
    vigil: Vigil
    timer: asyncio.TimerHandle | None = None
    watched: Watched | None = None
    """Since its first look."""
    told: bool = False
    """Whether its present stall was reported."""


@dataclass(slots=True, kw_only=True)
class Watchdog:
    """Watches attempts by timers of the event loop: an attempt that ends soon costs one timer and no look.

    Args:
        on_stall: Called once for each stall, with the verdict.
        on_expired: Called when the attempt is to be ended: the task, why it ends (deadline or stalled), and that in
            words.
    """

    on_stall: Callable[[str, StallVerdict], None]
    on_expired: Callable[[str, str, str], None]
    _vitals: Vitals | None = None
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
        """Begins to watch an attempt that has been running for `age_s`."""
        if not (limits.watched or detection.enabled):
            return
        now = asyncio.get_running_loop().time()
        watch = _Watch(
            task_id=task_id,
            running=running,
            limits=limits,
            detection=detection,
            vigil=Vigil.begin(now - age_s),
        )
        self._watches[task_id] = watch
        self._set_timer(watch, self._first_look(watch, now))

    def release(self, task_id: str) -> None:
        """The attempt has ended, or is being ended."""
        watch = self._watches.pop(task_id, None)
        if watch is not None and watch.timer is not None:
            watch.timer.cancel()

    def waiting_for(self, task_id: str) -> str | None:
        """What a quiet attempt waits for; None for one that is not quiet, or not watched."""
        watch = self._watches.get(task_id)
        if watch is None or watch.vigil.seen is None:
            return None
        return watch.vigil.waiting_for(asyncio.get_running_loop().time())

    def _first_look(self, watch: _Watch, now: float) -> float:
        looks = [watch.vigil.began + each for each in (watch.limits.startup_s, watch.limits.idle_s / 2) if each]
        if watch.limits.first_look_s is not None:
            looks.append(watch.vigil.began + watch.limits.first_look_s - watch.limits.quiet_s)
        if watch.detection.enabled:
            looks.append(watch.vigil.began + first_look_s(watch.detection))
        return max(now, min(looks))

    def _set_timer(self, watch: _Watch, at: float) -> None:
        watch.timer = asyncio.get_running_loop().call_at(at, self._look, watch)

    def _look(self, watch: _Watch) -> None:
        loop = asyncio.get_running_loop()
        watch.vigil = watch.vigil.look(self._signs_of(watch))
        now = loop.time()
        time_up = judge_time(
            watch.limits,
            age_s=now - watch.vigil.began,
            last_sign_s=watch.vigil.last_sign - watch.vigil.began if watch.vigil.signed else None,
        )
        if time_up.expired is not None:
            self._end(watch, "deadline", f"{time_up.expired} ({watch.vigil.waiting_for(now)})")
            return
        if self._stalled(watch, now):
            return
        self._set_timer(watch, self._next(watch, now, time_up.next_look_s))

    def _signs_of(self, watch: _Watch) -> Signs:
        from aurora_spawner.liveness.process_activity import (  # reads processes, which costs 20 ms to import
            Vitals,
            Watched,
        )

        self._vitals = self._vitals or Vitals()
        watch.watched = watch.watched or Watched(running=watch.running)
        return self._vitals.look(watch.watched)

    def _stalled(self, watch: _Watch, now: float) -> bool:
        """Tells a stall, once; whether it ended the attempt."""
        verdict = watch.vigil.verdict(watch.detection, now)
        if not verdict.stalled:
            watch.told = False
            return False
        if not watch.told:
            watch.told = True
            self.on_stall(watch.task_id, verdict)
        if watch.detection.terminate:
            self._end(watch, "stalled", f"it stalled: {verdict.reason}")
        return watch.detection.terminate

    def _end(self, watch: _Watch, reason: str, error: str) -> None:
        self.release(watch.task_id)
        self.on_expired(watch.task_id, reason, error)

    def _next(self, watch: _Watch, now: float, time_look_s: float | None) -> float:
        looks = (
            []
            if time_look_s is None
            else [max(watch.vigil.began + time_look_s, now + looks_apart_s(watch.detection))]
        )
        if watch.detection.enabled:
            looks.append(next_look(watch.vigil, watch.detection, now=now))
        return min(looks) if looks else now + watch.limits.quiet_s
