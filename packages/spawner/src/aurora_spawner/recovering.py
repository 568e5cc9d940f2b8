"""Recovery at work in a coordinator: its timers, its watch over attempts, and the callbacks of its policy."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from aurora_spawner.journal.facts import AttemptStalled, BatchTripped, CallbackFailed
from aurora_spawner.recovery.batch import Batch
from aurora_spawner.recovery.policy import BatchAction
from aurora_spawner.recovery.run_recovery import Entry
from aurora_spawner.recovery.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from aurora_spawner.executor import AttemptEnd, AttemptOrder, Executor, RunningAttempt
    from aurora_spawner.journal.facts import Fact
    from aurora_spawner.recovery.run_recovery import Next, RunRecovery
    from aurora_spawner.recovery.stalls import StallVerdict
    from aurora_spawner.result import SpawnResult
    from aurora_spawner.scheduler import Scheduler
    from aurora_spawner.task import SpawnTask


class Host(Protocol):
    """What recovery needs of the coordinator that it serves."""

    notices: list[str]

    def dispatch(self) -> None:
        """Start what may start."""
        ...

    def begin(self, work: Coroutine[None, None, None]) -> None:
        """Own a piece of work until it ends."""
        ...

    def tell(self, kind: str, task_id: str | None = None, **more: Any) -> None:
        """Let the watcher of the run know."""
        ...

    def jot(self, task_id: str | None, *facts: Fact) -> None:
        """Write facts down in order."""
        ...

    def attempt_number(self, task_id: str) -> int:
        """Of a task's attempt that is under way."""
        ...


class Recovering:
    """Serves one coordinator for one execution of a run."""

    def __init__(self, recovery: RunRecovery, *, host: Host, scheduler: Scheduler, executor: Executor) -> None:
        self.recovery = recovery
        self._host = host
        self._scheduler = scheduler
        self._executor = executor
        self._timers: dict[str, asyncio.TimerHandle] = {}
        """By agent that is held, and by task that waits."""
        self._running: dict[str, RunningAttempt] = {}
        self._ended: dict[str, tuple[str, str]] = {}
        """Attempts that were told to end: why, and that in words."""
        self._watchdog = Watchdog(on_stall=self._on_stall, on_expired=self._on_expired)
        self.batch_stopped: str | None = None
        """Why the rest of the run is held or skipped."""

    def close(self) -> None:
        """Let go of timers and files."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self.recovery.close()

    # Before an attempt.

    def resume(self, tasks: Sequence[SpawnTask], *, attempted: set[str]) -> None:
        """Put everything back where the journal has it; what waits for a retry waits for the rest of its time."""
        now = self.recovery.settings.clock()
        for task_id, due in self.recovery.resume(tasks, attempted=attempted).items():
            self.wait(task_id, max(0.0, due - now))

    def enter(self, task: SpawnTask) -> bool:
        """A task has taken a slot; whether its attempt begins. Where it moved on, it is queued again."""
        entry = self.recovery.enter(task)
        if entry is Entry.MOVED:
            task_id = str(task.id)
            self._scheduler.postpone(task_id)
            self._scheduler.requeue(task_id)
            self._host.jot(task_id)
            self._host.tell("task_fell_back", task_id, message=f"to {self.recovery.agent_of(task)}")
        self.call_back()
        return entry is Entry.GO

    def refusal(self, task: SpawnTask) -> str | None:
        """Why a task has failed without an attempt; None where it has not."""
        state = self.recovery.machine.get_task_state(str(task.id))
        return (state.last_error or "it failed") if state is not None and state.is_terminal else None

    def timed(self, task: SpawnTask, order: AttemptOrder, *, explicit_s: float | None) -> AttemptOrder:
        """The order with the time limit of the policy."""
        limits = self.recovery.limits(task, explicit_s=explicit_s, default_s=order.deadline_s)
        return replace(order, deadline_s=limits.hard_s)

    def watch(self, task: SpawnTask, running: RunningAttempt, *, explicit_s: float | None) -> None:
        """Look after an attempt until `unwatch`."""
        task_id = str(task.id)
        self._running[task_id] = running
        limits = self.recovery.limits(task, explicit_s=explicit_s, default_s=None)
        self._watchdog.follow(task_id, running, limits=limits, detection=self.recovery.detection(task))

    def unwatch(self, task_id: str, end: AttemptEnd) -> AttemptEnd:
        """The attempt has ended; returns how, where we had told it to end."""
        self._watchdog.release(task_id)
        self._running.pop(task_id, None)
        told = self._ended.get(task_id)
        return replace(end, reason=told[0]) if told and end.reason == "cancelled" else end

    def in_words(self, task_id: str, end: AttemptEnd, result: SpawnResult) -> SpawnResult:
        """The result of an attempt that we told to end, saying so."""
        told = self._ended.pop(task_id, None)
        return replace(result, error=told[1]) if told and end.reason == told[0] else result

    def waiting_for(self, task_id: str) -> str | None:
        """What a quiet attempt waits for."""
        return self._watchdog.waiting_for(task_id)

    def _on_stall(self, task_id: str, verdict: StallVerdict) -> None:
        self._host.tell("task_stalled", task_id, message=verdict.reason)
        self._note_stall(task_id, verdict.reason, ended=False)

    def _on_expired(self, task_id: str, reason: str, error: str) -> None:
        running = self._running.get(task_id)
        if running is None:
            return
        self._ended[task_id] = (reason, error)
        self._note_stall(task_id, error, ended=True)
        self._executor.cancel(running, at_once=False)

    def _note_stall(self, task_id: str, reason: str, *, ended: bool) -> None:
        number = self._host.attempt_number(task_id)
        self._host.jot(task_id, AttemptStalled(number=number, reason=reason, ended=ended))

    # Waiting without a slot.

    def again(self, task_id: str, following: Next) -> None:
        """Give back the slot of a task that is to be attempted again, and queue it when its time has come."""
        self._scheduler.postpone(task_id)
        if following.again_after_s:
            self.wait(task_id, following.again_after_s)
        else:
            self._scheduler.requeue(task_id)

    def wait(self, task_id: str, delay_s: float) -> None:
        """Keep a task from starting for a while."""
        self._scheduler.postpone(task_id)
        self._set_timer(f"task {task_id}", delay_s, self._scheduler.requeue, task_id)

    def set_alarms(self) -> None:
        """Ask again for agents whose provider has them wait, when the wait is over."""
        now = self.recovery.settings.clock()
        for agent, until in self.recovery.held.items():
            if f"agent {agent}" not in self._timers:
                self._set_timer(f"agent {agent}", max(0.001, until - now), self._scheduler.release, agent)

    def _set_timer(self, name: str, delay_s: float, what: Any, given: str) -> None:
        def due() -> None:
            self._timers.pop(name, None)
            what(given)
            self._host.dispatch()

        self._timers[name] = asyncio.get_running_loop().call_later(delay_s, due)

    # The breaker of the whole run.

    def check_batch(self) -> BatchAction | None:
        """What becomes of the rest of the run, when too much has failed; told once."""
        recovery = self.recovery
        if self.batch_stopped is not None or not recovery.batch.tripped(recovery.policy):
            return None
        reason = recovery.batch.describe(recovery.policy)
        action = recovery.policy.on_batch_failure
        if action is BatchAction.HOLD and recovery.settings.on_batch_held is not None:
            go_on = recovery.settings.on_batch_held(reason)
            if go_on:
                recovery.batch = Batch()
                self._host.jot(None, BatchTripped(reason=reason, action="continued"))
                return None
            action = BatchAction.SKIP if go_on is False else action
        self.batch_stopped = reason
        self._host.jot(None, BatchTripped(reason=reason, action="held" if action is BatchAction.HOLD else "skipped"))
        self._host.notices.append(f"{reason}; the rest was {'held' if action is BatchAction.HOLD else 'skipped'}")
        self._host.tell("batch_tripped", message=reason)
        return action

    def go_on(self) -> None:
        """The user lets a held run go on: its failures so far are forgiven."""
        self.recovery.batch = Batch()
        self.batch_stopped = None

    # Callbacks.

    def call_back(self) -> None:
        """Call what the policy wants called; what it raises is recorded and harms nothing."""
        told, self.recovery.told = self.recovery.told, []
        for callback, given in told:
            try:
                answer = callback(*given)
            except Exception as error:  # noqa: BLE001 -- the caller's own code
                self._blame(callback, error)
                continue
            if inspect.isawaitable(answer):
                self._host.begin(self._await(callback, answer))

    async def _await(self, callback: Any, answer: Any) -> None:
        try:
            await answer
        except Exception as error:  # noqa: BLE001 -- the caller's own code
            self._blame(callback, error)

    def _blame(self, callback: Any, error: Exception) -> None:
        name = getattr(callback, "__name__", str(callback))
        said = f"{type(error).__name__}: {error}"
        self._host.jot(None, CallbackFailed(callback=name, error=said))
        self._host.notices.append(f"the callback {name} raised {said}")
