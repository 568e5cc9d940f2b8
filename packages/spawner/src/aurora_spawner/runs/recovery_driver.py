"""Recovery at work in a coordinator: its timers, its watch over attempts, and the callbacks of its policy."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from aurora_spawner.backends.base import with_events
from aurora_spawner.journal.facts import AttemptStalled, BatchTripped, CallbackFailed
from aurora_spawner.liveness.output_listener import Listener
from aurora_spawner.liveness.watchdog import Watchdog
from aurora_spawner.recovery.policy import BatchAction
from aurora_spawner.recovery.run_breaker import Batch
from aurora_spawner.recovery.run_recovery import Entry
from aurora_spawner.runs.hedging import Hedging
from aurora_spawner.runs.hedging import Host as HedgeHost
from aurora_spawner.runs.in_flight import Termination
from aurora_spawner.tasks import run_events
from aurora_spawner.tasks.result import TaskState

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from aurora_spawner.attempts.executor import AttemptEnd, AttemptOrder, RunningAttempt
    from aurora_spawner.liveness.stall_detection import StallVerdict
    from aurora_spawner.providers.signal import ProviderSignal
    from aurora_spawner.recovery.run_recovery import Next, RunRecovery
    from aurora_spawner.runs.hedging import Finish, Means
    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.tasks.task import SpawnTask


HELD_S: Final = 15.0
"""A task that alone has to wait for a paused provider asks again after so long."""
LONGEST_TIMER_S: Final = 60.0
"""A clock that is set, or a machine that slept, is noticed within so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchStop:
    """That the rest of a run is held or skipped, and why."""

    reason: str
    action: BatchAction


class Host(HedgeHost, Protocol):
    """What recovery needs of the coordinator that it serves."""

    notices: list[str]
    ending: str | None

    def begin(self, work: Coroutine[None, None, None]) -> None:
        """Own a piece of work until it ends."""
        ...

    async def unpause(self, *, by: str) -> None:
        """Goes on after a pause."""
        ...

    async def skip_rest(self, reason: str) -> None:
        """Skips what has not begun."""
        ...


class Recovering:
    """Serves one coordinator for one execution of a run."""

    def __init__(
        self,
        recovery: RunRecovery,
        *,
        host: Host,
        means: Means,
    ) -> None:
        self.recovery = recovery
        self._host = host
        self._means = means
        self.hedging = Hedging(recovery, host=host, means=means)
        self._agent_timers: dict[str, asyncio.TimerHandle] = {}
        """By agent whose provider is paused."""
        self._closed = False
        self._watchdog = Watchdog(on_stall=self._on_stall, on_expired=self._on_expired)
        self._listener = Listener()
        self._batch_stopped = False
        self._question: asyncio.Future[bool | None] | None = None
        """Set while the user is asked about the rest of the run."""

    def close(self) -> None:
        """Lets go of timers and files."""
        waiting = [flight.timer for flight in self._means.tasks.in_flight.values() if flight.timer is not None]
        for timer in (*self._agent_timers.values(), *waiting):
            timer.cancel()
        self._agent_timers.clear()
        self._listener.close()
        self._closed = True
        self.recovery.close()

    # Before an attempt.

    def resume(self, tasks: Sequence[SpawnTask], *, attempted: set[str]) -> None:
        """Puts everything back where the journal has it; what waits for a retry waits for the rest of its time."""
        now = self.recovery.settings.clock()
        for task_id, due in self.recovery.resume(tasks, attempted=attempted).items():
            self.wait(task_id, max(0.0, due - now))

    def enter(self, task: SpawnTask) -> bool:
        """A task has taken a slot; whether its attempt begins. Where it moved on, it is queued again."""
        entry = self.recovery.enter(task)
        if entry is Entry.MOVED:
            task_id = str(task.id)
            self._means.scheduler.postpone(task_id)
            self._means.scheduler.requeue(task_id)
            self._means.record.jot(task_id)
            self._host.tell(run_events.TaskFellBack(task_id=task_id, to_agent=self.recovery.agent_of(task)))
        elif entry is Entry.HELD:
            self.wait(str(task.id), HELD_S)
        self.call_back()
        return entry is Entry.GO

    def refusal(self, task: SpawnTask) -> str | None:
        """Why a task has failed without an attempt; None where it has not."""
        state = self.recovery.machine.get_task_state(str(task.id))
        return (state.last_error or "it failed") if state is not None and state.is_terminal else None

    def timed(self, task: SpawnTask, order: AttemptOrder) -> AttemptOrder:
        """The order with the time limit of the policy."""
        limits = self.recovery.limits(task, explicit_s=self._asked_s(task), default_s=order.deadline_s)
        return replace(order, deadline_s=limits.hard_s)

    def _asked_s(self, task: SpawnTask) -> float | None:
        """The time limit that a task or its agent asks for."""
        return task.timeout_s or self._means.backends[self.recovery.agent_of(task)].timeout_s

    async def collect(self, task: SpawnTask, running: RunningAttempt, *, number: int) -> Finish:
        """Looks after an attempt until its end; a hedge may have begun beside it and come first."""
        task_id = str(task.id)
        limits = self.recovery.limits(task, explicit_s=self._asked_s(task), default_s=None)
        self._watchdog.follow(task_id, running, limits=limits, detection=self.recovery.detection(task))
        self._listen(task, running)
        try:
            finish = await self.hedging.collect(task, running, number=number)
        finally:
            self._watchdog.release(task_id)
            self._listener.release(task_id)
        termination = self._means.tasks.flight(task_id).termination
        if termination is None or finish.end.reason != "cancelled":
            return finish
        return replace(finish, end=replace(finish.end, reason=termination.reason))

    def _listen(self, task: SpawnTask, running: RunningAttempt) -> None:
        """What the attempt tells of its provider while it runs counts at once, for all attempts of that account."""
        agent, began = self.recovery.agent_of(task), self.recovery.settings.clock()
        backend = with_events(self._means.backends[agent])

        def on_signal(heard: ProviderSignal) -> None:
            if self.recovery.hear(agent, heard, began=began):
                self._means.record.jot(None)
                self._ask_again(agent)
                self._host.dispatch()

        self._listener.follow(str(task.id), running, backend.dialect if backend else None, on_signal)

    # After an attempt.

    def conclude(
        self, task: SpawnTask, end: AttemptEnd, result: SpawnResult, *, cancelled: bool
    ) -> tuple[SpawnResult, Next | None]:
        """The result of a task's attempt, and how its recovery goes on; None where the result is final.

        Args:
            cancelled: Whether the user has ended the task.
        """
        flight = self._means.tasks.flight(str(task.id))
        termination, flight.termination = flight.termination, None
        if termination and end.reason == termination.reason:
            result = replace(result, error=termination.error)
        if result.success:
            self.recovery.succeeded(task, result)
            return result, None
        if cancelled:
            self.recovery.cancelled(task, result.error or "cancelled")
            return result, None
        following = self.recovery.failed(task, end, result)
        result = replace(result, error=following.error or result.error)
        return result, None if following.again_after_s is None else following

    def final(self, task: SpawnTask, result: SpawnResult) -> SpawnResult:
        """A result that stands, with what recovery came to."""
        if result.state is TaskState.FAILED:
            self.recovery.settled_as_failed()
        elif result.state is TaskState.CANCELLED:
            self.recovery.cancelled(task, result.error or "cancelled")
        return self.recovery.described(task, result)

    def waiting(self) -> dict[str, Any]:
        """As JSON values: providers that are waited for, what quiet attempts wait for, how the agents are doing."""
        if self._closed:
            return {}
        running = sorted(task_id for task_id, flight in self._means.tasks.in_flight.items() if flight.running)
        found = {task_id: self._watchdog.waiting_for(task_id) for task_id in running}
        return {
            "providers": self.recovery.waiting(),
            "waiting_for": {task_id: reason for task_id, reason in found.items() if reason},
            "health": [each.to_dict() for each in self.recovery.health()],
        }

    def _on_stall(self, task_id: str, verdict: StallVerdict) -> None:
        self._host.tell(run_events.TaskStalled(task_id=task_id, reason=verdict.reason))
        self._note_stall(task_id, verdict.reason, ended=False)

    def _on_expired(self, task_id: str, reason: str, error: str) -> None:
        flight = self._means.tasks.flight(task_id)
        if flight.running is None:
            return
        flight.termination = Termination(reason=reason, error=error)
        self._note_stall(task_id, error, ended=True)
        self._means.executor.cancel(flight.running, at_once=False)

    def _note_stall(self, task_id: str, reason: str, *, ended: bool) -> None:
        number = self._means.tasks.flight(task_id).number
        self._means.record.jot(task_id, AttemptStalled(number=number, reason=reason, ended=ended))

    # Waiting without a slot.

    def again(self, task_id: str, following: Next) -> None:
        """Gives back the slot of a task that is to be attempted again, and queue it when its time has come."""
        self._means.scheduler.postpone(task_id)
        if following.again_after_s:
            self.wait(task_id, following.again_after_s)
        else:
            self._means.scheduler.requeue(task_id)

    def wait(self, task_id: str, delay_s: float) -> None:
        """Keeps a task from starting for a while."""
        self._means.scheduler.postpone(task_id)
        flight = self._means.tasks.flight(task_id)

        def due() -> None:
            flight.timer = None
            self._means.scheduler.requeue(task_id)
            self._host.dispatch()

        flight.timer = asyncio.get_running_loop().call_later(delay_s, due)

    def set_alarms(self) -> None:
        """Asks again for agents whose provider has them wait, when the wait is over; tell of providers that pause."""
        told, self.recovery.notices = self.recovery.notices, []
        for notice in told:
            self._host.tell(notice)
        if self._question is not None and (self._host.ending is not None or self._means.scheduler.done):
            self._question.cancel()
        now = self.recovery.settings.clock()
        for agent, until in self.recovery.held.items():
            if agent not in self._agent_timers:
                delay_s = min(LONGEST_TIMER_S, max(0.001, until - now))
                self._agent_timers[agent] = asyncio.get_running_loop().call_later(delay_s, self._pause_over, agent)

    def _ask_again(self, agent: str) -> None:
        self.recovery.held.pop(agent, None)  # whether it still has to wait, the next of its tasks finds out
        self._means.scheduler.release(agent)

    def _pause_over(self, agent: str) -> None:
        self._agent_timers.pop(agent, None)
        self._ask_again(agent)
        self._host.dispatch()

    # The breaker of the whole run.

    def check_batch(self) -> BatchStop | None:
        """What becomes of the rest of the run, when too much has failed; told once."""
        recovery = self.recovery
        if self._batch_stopped or not recovery.batch.tripped(recovery.policy):
            return None
        reason = recovery.batch.describe(recovery.policy)
        action = self._batch_action(reason)
        done = {BatchAction.HOLD: "held", BatchAction.SKIP: "skipped", None: "continued"}[action]
        self._means.record.jot(None, BatchTripped(reason=reason, action=done))
        if action is None:
            recovery.batch = Batch()
            return None
        self._batch_stopped = True
        if self._question is None:
            self._host.notices.append(f"{reason}; the rest was {done}")
        self._host.tell(run_events.BatchTripped(reason=reason, action=done))
        return BatchStop(reason=reason, action=action)

    def _batch_action(self, reason: str) -> BatchAction | None:
        """What the policy says, or the user where there is one to ask; None to go on."""
        action, ask = self.recovery.policy.on_batch_failure, self.recovery.settings.on_batch_held
        if action is BatchAction.SKIP or ask is None:
            return action
        answer = ask(reason)
        if answer is None or isinstance(answer, bool):
            return {True: None, False: BatchAction.SKIP, None: BatchAction.HOLD}[answer]
        self._question = asyncio.ensure_future(answer)
        self._host.begin(self._decide(reason, self._question))
        return BatchAction.HOLD

    async def _decide(self, reason: str, question: asyncio.Future[bool | None]) -> None:
        """Does with a held run what the user answers; leave it held where there is no answer."""
        try:
            await asyncio.wait({question})
        finally:
            question.cancel()
            self._question = None
        error = None if question.cancelled() else question.exception()
        if isinstance(error, Exception):
            self._blame(self.recovery.settings.on_batch_held, error)
        answer = None if question.cancelled() or error else question.result()
        if answer is True:
            await self._host.unpause(by="the user")
        elif answer is False:
            self._means.record.jot(None, BatchTripped(reason=reason, action="skipped"))
            await self._host.skip_rest(reason)
        done = {True: "continued", False: "skipped", None: "held"}[answer]
        self._host.notices.append(f"{reason}; the rest was {done}")

    def go_on(self) -> None:
        """The user lets a held run go on: its failures so far are forgiven."""
        if self._question is not None:
            self._question.cancel()
        self.recovery.batch = Batch()
        self._batch_stopped = False

    # Callbacks.

    def call_back(self) -> None:
        """Calls what the policy wants called; what it raises is recorded and harms nothing."""
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
        self._means.record.jot(None, CallbackFailed(callback=name, error=said))
        self._host.notices.append(f"the callback {name} raised {said}")
