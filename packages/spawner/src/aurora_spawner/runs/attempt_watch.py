"""The watch over running attempts: their time limits, signs of life, and reports on their providers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.backends.base import with_events
from aurora_spawner.journal.facts import AttemptStalled
from aurora_spawner.liveness.output_listener import OutputListener
from aurora_spawner.liveness.watchdog import WAITS_FOR_A_WORKER, Watchdog
from aurora_spawner.runs.in_flight import Termination
from aurora_spawner.tasks import run_events
from aurora_spawner.workspaces.elsewhere import works_elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aurora_spawner.attempts.executor import Executor, RunningAttempt
    from aurora_spawner.backends.base import Backend
    from aurora_spawner.liveness.stall_detection import StallVerdict
    from aurora_spawner.rate_limits.provider_signal import ProviderSignal
    from aurora_spawner.recovery.policy_parts import EarlyDetection
    from aurora_spawner.recovery.timeouts import TimeLimits
    from aurora_spawner.runs.notifier import Notifier
    from aurora_spawner.runs.recorder import Recorder
    from aurora_spawner.runs.run_tasks import RunTasks


_LOOK_S: Final = 1.0
"""Time between two looks at a worktree."""


class AttemptWatch:
    """Ends attempts whose time is up or whose worktree goes, records those that stall, passes on what they report."""

    def __init__(self, tasks: RunTasks, *, executor: Executor, recorder: Recorder, notifier: Notifier) -> None:
        self._tasks = tasks
        self._executor = executor
        self._recorder = recorder
        self._notifier = notifier
        self._watchdog = Watchdog(on_stall=self._on_stall, on_expired=self._on_expired)
        self._listener = OutputListener()
        self._looks: dict[str, asyncio.TimerHandle] = {}

    def close(self) -> None:
        """Closes the outputs that are read."""
        self._listener.close()
        for look in self._looks.values():
            look.cancel()

    def follow(self, task_id: str, running: RunningAttempt, *, limits: TimeLimits, detection: EarlyDetection) -> None:
        """Watches an attempt until its release."""
        self._watchdog.follow(task_id, running, limits=limits, detection=detection)

    def guard(self, task_id: str, worktree: Path) -> None:
        """Ends an attempt, until its release, once its worktree is gone: git would take another repository for it."""
        if (worktree / ".git").exists():
            self._looks[task_id] = asyncio.get_running_loop().call_later(_LOOK_S, self.guard, task_id, worktree)
        else:
            problem = f"its worktree {worktree} was removed or moved while it ran; its commits are on its branch"
            self._on_expired(task_id, EndReason.WORKTREE_GONE, problem)

    def listen(
        self,
        task_id: str,
        running: RunningAttempt,
        backend: Backend,
        *,
        on_signal: Callable[[ProviderSignal], None] | None,
        cwd: Path | None,
    ) -> None:
        """Reads the reports of an attempt until its release.

        Args:
            on_signal: called with what it says of its provider; None to ignore that.
            cwd: the folder of its worktree that it must work in, or be ended; None for an attempt without a worktree.
        """
        speaking = with_events(backend)
        if speaking is None or (on_signal is None and cwd is None):
            return

        def on_folder(folder: str) -> None:
            if cwd is not None and (problem := works_elsewhere(folder, cwd)):
                self._on_expired(task_id, EndReason.WRONG_FOLDER, problem)

        self._listener.follow(task_id, running, speaking.dialect, on_signal=on_signal, on_folder=on_folder)

    def suspend(self, task_id: str) -> None:
        """Lets the time of an attempt stand still while it waits for a person."""
        self._watchdog.suspend(task_id)

    async def suspend_until(self, task_id: str, begun: asyncio.Event) -> None:
        """Lets the time of an attempt stand still until a worker has begun it."""
        self._watchdog.suspend(task_id, WAITS_FOR_A_WORKER)
        await begun.wait()
        self._watchdog.continue_watch(task_id)

    def continue_watch(self, task_id: str) -> None:
        """Lets the time of a suspended attempt go on."""
        self._watchdog.continue_watch(task_id)

    def release(self, task_id: str) -> None:
        """Lets go of an attempt that has ended."""
        self._watchdog.release(task_id)
        self._listener.release(task_id)
        if look := self._looks.pop(task_id, None):
            look.cancel()

    def waiting_for(self) -> dict[str, str]:
        """Returns by task what its quiet attempt waits for."""
        running = sorted(task_id for task_id, flight in self._tasks.in_flight.items() if flight.running)
        found = {task_id: self._watchdog.waiting_for(task_id) for task_id in running}
        return {task_id: reason for task_id, reason in found.items() if reason}

    def _on_stall(self, task_id: str, verdict: StallVerdict) -> None:
        self._notifier.emit(run_events.TaskStalled(task_id=task_id, reason=verdict.reason))
        self._record_stall(task_id, verdict.reason, ended=False)

    def _on_expired(self, task_id: str, reason: EndReason, error: str) -> None:
        flight = self._tasks.flight(task_id)
        if flight.running is None:
            return
        flight.termination = Termination(reason=reason, error=error)
        self._record_stall(task_id, error, ended=True)
        self._executor.cancel(flight.running, at_once=False)

    def _record_stall(self, task_id: str, reason: str, *, ended: bool) -> None:
        number = self._tasks.flight(task_id).number
        self._recorder.append_nowait(task_id, AttemptStalled(number=number, reason=reason, ended=ended))
