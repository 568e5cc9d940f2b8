"""Drive one run: start what may start, collect what ends, write everything down first."""

from __future__ import annotations

import asyncio
import errno
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.attempts.executor import FOLDER_REMOVED, SHARE_SPENT, AttemptEnd, AttemptRefusedError
from aurora_spawner.errors import BackendError
from aurora_spawner.journal.facts import (
    AttemptEnded,
    AttemptIntended,
    Fact,
    RunEnding,
    RunPaused,
    RunUnpaused,
    TaskCancelled,
    TaskReopened,
    TaskSettled,
)
from aurora_spawner.limits.shares import last_word
from aurora_spawner.recovery.policy import BatchAction
from aurora_spawner.runs.attempt_orders import with_limit_told
from aurora_spawner.runs.hedging import Means
from aurora_spawner.runs.notifier import Teller
from aurora_spawner.runs.recorder import Record, ended_fact, started_fact
from aurora_spawner.runs.recovery_driver import Recovering
from aurora_spawner.runs.resume_state import stored_task
from aurora_spawner.runs.run_tasks import RunTasks
from aurora_spawner.runs.task_result import TASK_CANCELLED, for_journal, result_of, without_attempt
from aurora_spawner.tasks import run_events
from aurora_spawner.tasks.result import SpawnResult, TaskState, TaskStep

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from aurora_spawner.attempts.executor import AttemptOrder, Executor, RunningAttempt
    from aurora_spawner.backends.base import Backend
    from aurora_spawner.journal.writer import GroupWriter
    from aurora_spawner.recovery.run_recovery import RunRecovery
    from aurora_spawner.runs.attempt_orders import Assignment
    from aurora_spawner.runs.resume_state import Standing
    from aurora_spawner.runs.run_options import Conduct, FoundAttempt
    from aurora_spawner.runs.scheduler import Scheduler
    from aurora_spawner.tasks.run_events import RunEvent

LOST_LIMIT: Final = 3
"""Attempts at a task whose supervisor may be killed from outside before the task fails."""
_HOW_IT_WENT: Final = {
    TaskState.FAILED: "failed",
    TaskState.CANCELLED: "was cancelled",
    TaskState.SKIPPED: "was skipped",
}
_STEP_OF: Final = {
    TaskState.SUCCEEDED: TaskStep.SUCCEED,
    TaskState.FAILED: TaskStep.FAIL,
    TaskState.CANCELLED: TaskStep.CANCEL,
}


class Coordinator:
    """The one process that decides for a run, while it holds the run's lease."""

    def __init__(
        self,
        assignment: Assignment,
        *,
        standing: Standing,
        scheduler: Scheduler,
        backends: Mapping[str, Backend],
        executor: Executor,
        writer: GroupWriter,
        conduct: Conduct,
        recovery: RunRecovery | None = None,
        on_event: Callable[[RunEvent], None] | None,
    ) -> None:
        self._assignment = assignment
        self._tasks = RunTasks(standing, conduct=conduct, agents=backends)
        self._scheduler = scheduler
        self._backends = backends
        self._executor = executor
        self._record = Record(
            run_id=assignment.run_id, writer=writer, take_facts=recovery.take_facts if recovery else None
        )
        self._conduct = conduct
        self.tell = Teller(
            on_event=on_event,
            run_id=assignment.run_id,
            tasks=self._tasks,
            scheduler=scheduler,
            agent_of=self._agent,
        )
        self._finished = asyncio.Event()
        self.ending: str | None = None
        """Why the run was told to end early."""
        self._at_once = False
        self._broken = False
        self._alarm: asyncio.TimerHandle | None = None
        """Set while the next start waits for its time."""
        self.paused = False
        self.notices: list[str] = []
        self._recovering = None
        if recovery:
            means = Means(
                record=self._record,
                scheduler=scheduler,
                executor=executor,
                backends=backends,
                cwd=assignment.cwd,
                tasks=self._tasks,
            )
            self._recovering = Recovering(recovery, host=self, means=means)

    async def drive(self, open_attempts: Sequence[FoundAttempt]) -> None:
        """Runs the tasks to their ends, or to the end that was asked for.

        Raises:
            JournalError: The journal could not be written; every attempt has been ended before this is raised.
        """
        self.tell(run_events.RunStarted())
        try:
            async with asyncio.TaskGroup() as self._group:
                if self._recovering:
                    attempted = {attempt.task_id for attempt in open_attempts}
                    self._recovering.resume(list(self._tasks.tasks.values()), attempted=attempted)
                for attempt in open_attempts:
                    self._scheduler.begin(attempt.task_id)
                    self.begin(self._go_on(attempt))
                cancelled = {task_id for task_id, each in self._tasks.in_flight.items() if each.cancelled}
                for task_id in sorted(cancelled - {attempt.task_id for attempt in open_attempts}):
                    self.begin(self._settle_cancelled(task_id))
                self._write_skipped(self._scheduler.skip_hopeless())
                self.dispatch()
                self._group.create_task(self._finished.wait())
        except BaseExceptionGroup as failures:
            # Whatever it is, no agent may be left running. No `except*`: Pythons before 3.11.4 wrap what is raised in
            # it in a group again.
            await self._abandon()
            raise failures.exceptions[0] from None
        finally:
            if self._recovering:
                self._recovering.close()

    # Steering: callable at any time from the loop's thread.

    def end(self, why: str, *, at_once: bool = False) -> None:
        """Ends the run: what runs is told to stop, what waits does not start. A second call may only hurry it.

        A run whose tasks have all come to their ends stays what it is.
        """
        if self._scheduler.done:
            return
        if self.ending is None:
            self.ending = why
            self._record.jot(None, RunEnding(why=why, at_once=at_once))
            self.tell(run_events.RunEnding(why=why))
        self._at_once = self._at_once or at_once
        for running in self._everything_running():
            self._executor.cancel(running, at_once=self._at_once)
        self.dispatch()

    async def cancel(self, *, at_once: bool) -> bool:
        """Ends the run because a user wants it; returns when that is durable.

        Returns:
            Whether there was anything left to end.
        """
        over = self._scheduler.done
        self.end("cancelled", at_once=at_once)
        await self._record.flush()
        return not over

    async def cancel_task(self, task_id: str, *, by: str) -> TaskState:
        """Ends one task; its dependants are skipped.

        Returns:
            How the task stood: one that is settled stays as it is. Any other will end, whatever happens to this
            process: the wish is durable, and a resume looks for it.

        Raises:
            JournalError: It could not be written down, and nothing was done.
        """
        if self._scheduler.states[task_id].settled:
            return self._scheduler.states[task_id]
        await self._record.note(task_id, TaskCancelled(by=by))
        state = self._scheduler.states[task_id]
        flight = self._tasks.flight(task_id)
        flight.cancelled = True
        if flight.running is not None:
            for running in flight.running_attempts():
                self._executor.cancel(running, at_once=False)
        elif state is TaskState.PENDING and self.ending is None:
            self.begin(self._settle_cancelled(task_id))
        return state

    async def pause(self, *, by: str) -> None:
        """Starts nothing more until `unpause`; what runs goes on. Returns when that is durable."""
        self._hold(by)
        await self._record.flush()

    def _hold(self, by: str) -> None:
        if not self.paused:
            self.paused = True
            self._record.jot(None, RunPaused(by=by))
            self.tell(run_events.RunPaused(by=by))

    async def unpause(self, *, by: str) -> None:
        """Goes on after a pause; returns when that is durable."""
        if self.paused:
            self.paused = False
            if self._recovering:
                self._recovering.go_on()
            self._record.jot(None, RunUnpaused(by=by))
            self.tell(run_events.RunUnpaused(by=by))
            self.dispatch()
        await self._record.flush()

    def knows(self, task_id: str) -> bool:
        """Whether the run has a task of that id."""
        return task_id in self._tasks.tasks

    def status(self) -> dict[str, Any]:
        """How the run stands, as JSON values."""
        counts = Counter(self._scheduler.states.values())
        return {
            "run_id": self._assignment.run_id,
            "paused": self.paused,
            "ending": self.ending,
            "tasks": {str(state): count for state, count in counts.items()},
            "running": sorted(task_id for task_id, each in self._tasks.in_flight.items() if each.running),
            **(self._recovering.waiting() if self._recovering else {}),
        }

    # The life of a task.

    def dispatch(self) -> None:
        """Starts what may start; notice the end."""
        while self._may_start() and (task_id := self._scheduler.start_next()) is not None:
            if self._enters(task_id):
                self.begin(self._run_task(task_id))
        if self._recovering:
            self._recovering.set_alarms()
        if self._scheduler.done or (self.ending is not None and not self._scheduler.running):
            self._finished.set()

    def _enters(self, task_id: str) -> bool:
        """Whether a task that has taken its slot is attempted; recovery may give it to another agent, or to none."""
        task = self._tasks.tasks[task_id]
        if self._tasks.cancelled(task_id):
            self.begin(self._settle(task_id, self._never_began(task_id)))
            return False
        if self._recovering is None or self._recovering.enter(task):
            return True
        error = self._recovering.refusal(task)
        if error is not None:
            result = self._without_attempt(task_id, TaskState.FAILED, error)
            self.begin(self._settle(task_id, result))
        return False

    def _may_start(self) -> bool:
        """Whether the run wants a task now; when it only wants it later, it is asked again then."""
        if self.ending is not None or self.paused or self._broken or not self._scheduler.startable:
            return False
        delay_s = self._conduct.pace.delay_s(time.monotonic()) if self._conduct.pace else 0.0
        if delay_s and self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(delay_s, self._wake)
        return not delay_s

    def _wake(self) -> None:
        self._alarm = None
        self.dispatch()

    def begin(self, work: Coroutine[None, None, None]) -> None:
        """Own a piece of work until it ends."""
        self._group.create_task(self._guard(work))

    async def _guard(self, work: Coroutine[None, None, None]) -> None:
        """Where one piece of work fails, begin no other: the group that would own it is closing."""
        try:
            await work
        except BaseException:
            self._broken = True
            raise

    async def _run_task(self, task_id: str) -> None:
        """Attempt a task until it is settled, or has to wait for its next attempt."""
        lost = 0
        spent: AttemptEnd | None = None
        while True:
            try:
                end = await self._attempt(task_id)
            except BackendError as error:
                result = self._without_attempt(task_id, TaskState.FAILED, str(error))
                await self._conclude(task_id, AttemptEnd(reason="exec_failed", exec_errno=errno.ENOENT), result)
                return
            lost += end.reason == "supervisor_lost"
            if end.reason == "supervisor_lost" and lost < LOST_LIMIT and not self.stopping(task_id):
                reason = "its supervisor was killed"
            elif end.reason == SHARE_SPENT and self._may_go_on(task_id):
                spent, reason = end, f"{end.stderr}; it goes on when there is money"
                self._tasks.flight(task_id).shares.add(end, self._judged(task_id, end).usage)
            else:
                await self._close(task_id, end, last_word(end, spent, stopping=self.stopping(task_id)))
                return
            await self._record.note(task_id, self._ended(task_id, end))
            self.tell(run_events.TaskRestarted(task_id=task_id, reason=reason))

    def _may_go_on(self, task_id: str) -> bool:
        """Whether a task whose agent has spent its share has a session to go on with, and is wanted."""
        if self.stopping(task_id):
            return False
        try:
            number = self._tasks.flight(task_id).attempts + 1
            return self.order(task_id, number, self._agent(task_id)).resumes is not None
        except BackendError:
            return False

    async def _go_on(self, attempt: FoundAttempt) -> None:
        """Sees an attempt of an earlier coordinator to its end; start another if it never began, or was cut off."""
        task_id, end = attempt.task_id, attempt.found
        self._tasks.flight(task_id).deciding = attempt.number
        if not isinstance(end, AttemptEnd):
            self._record.jot(task_id, started_fact(attempt.number, end, adopted=True))
            self.tell(run_events.TaskStarted(task_id=task_id, adopted=True))
            end = await self._follow(task_id, end)
        ended_early = end.reason in ("supervisor_lost", FOLDER_REMOVED, "voided", "cancelled")
        if (ended_early and not self.stopping(task_id)) or (end.reason == SHARE_SPENT and self._may_go_on(task_id)):
            if self._recovering:
                self._recovering.recovery.cut_off(self._tasks.tasks[task_id])
            await self._record.note(task_id, self._ended(task_id, end))
            self._scheduler.postpone(task_id)
            self._scheduler.requeue(task_id)
            self.dispatch()
        else:
            await self._close(task_id, end, last_word(end, None, stopping=self.stopping(task_id)))

    async def _attempt(self, task_id: str) -> AttemptEnd:
        flight = self._tasks.flight(task_id)
        order = self.order(task_id, flight.attempts + 1, self._agent(task_id))
        flight.deciding = None
        number = flight.next_number()
        agent = self._agent(task_id)
        await self._record.note(
            task_id, AttemptIntended(number=number, token=order.token, agent=agent, folder=str(order.folder))
        )
        if self.stopping(task_id):
            return AttemptEnd(reason="voided")
        try:
            running = flight.running = await self._executor.start(order)
        except OSError as error:  # no process to be had, or no room for the prompt
            return AttemptEnd(reason="exec_failed", exec_errno=error.errno or 0)
        except AttemptRefusedError as refused:
            reason = "voided" if self.stopping(task_id) else refused.reason
            return AttemptEnd(reason=reason, stderr=str(refused))
        self._record.jot(task_id, started_fact(number, running))
        self.tell(run_events.TaskStarted(task_id=task_id, continues_session=order.resumes is not None))
        return await self._follow(task_id, running)

    async def _follow(self, task_id: str, running: RunningAttempt) -> AttemptEnd:
        flight = self._tasks.flight(task_id)
        flight.running = running
        if self.stopping(task_id):
            self._executor.cancel(running, at_once=self._at_once)
        end = await self._collect(task_id, running)
        flight.running = None
        return end

    async def _collect(self, task_id: str, running: RunningAttempt) -> AttemptEnd:
        """The end of an attempt, or of the second one that was begun beside it because it took so long."""
        if self._recovering is None:
            return await self._executor.collect(running)
        flight = self._tasks.flight(task_id)
        flight.deciding = flight.number
        finish = await self._recovering.collect(self._tasks.tasks[task_id], running, number=flight.number)
        flight.deciding = finish.number
        return finish.end

    def order(self, task_id: str, number: int, agent: str) -> AttemptOrder:
        """The order for an attempt of some agent."""
        task = self._tasks.tasks[task_id]
        order = self._assignment.order(
            task,
            number=number,
            position=self._tasks.positions[task_id],
            backend=self._backends[agent],
            before=self._tasks.before(task),
        )
        order = replace(order, open_tasks=self._scheduler.open)
        return with_limit_told(self._recovering.timed(task, order) if self._recovering else order)

    async def _close(self, task_id: str, end: AttemptEnd, seen: AttemptEnd) -> None:
        """Draws the conclusion from a task's last attempt; what the end of the run cut off stays open for a resume.

        Args:
            seen: the end that the task is judged by, if it is not its last attempt's own.
        """
        result = self._result_of(task_id, seen)
        if result.state is TaskState.CANCELLED and not self._tasks.cancelled(task_id):
            self._tasks.results[task_id] = result
            if self._recovering:
                self._recovering.recovery.cut_off(self._tasks.tasks[task_id])
            self._scheduler.reopen(task_id)
            reopened = TaskReopened(why=str(self.ending), task=stored_task(self._tasks.tasks[task_id]))
            written = self._record.note(task_id, self._ended(task_id, end), reopened)
            self.dispatch()
            await written
            self.tell(run_events.TaskEnded(task_id=task_id, result=result))
        else:
            await self._conclude(task_id, seen, result, self._ended(task_id, end))

    async def _conclude(self, task_id: str, end: AttemptEnd, result: SpawnResult, *before: Fact) -> None:
        """Settles a task by its last attempt, unless its recovery goes on."""
        result, growth = self._tasks.expand(result, self._scheduler)
        following = None
        if self._recovering:
            cancelled = result.state is TaskState.CANCELLED or self._tasks.cancelled(task_id)
            task = self._tasks.tasks[task_id]
            result, following = self._recovering.conclude(task, end, result, cancelled=cancelled)
            if following:
                self._recovering.again(task_id, following)
        if following is None:
            await self._settle(task_id, result, *before, *growth)
            return
        written = self._record.note(task_id, *before)
        self.dispatch()
        await written
        if following.event:
            self.tell(following.event)
        self._call_back()

    def _call_back(self) -> None:
        if self._recovering:
            self._recovering.call_back()

    async def _settle(self, task_id: str, result: SpawnResult, *before: Fact) -> None:
        """Makes a result final: in memory, then what follows from it, then durably, then known to the watcher.

        Dependants are dispatched before the result is durable; their intents stand behind it in the journal. Where
        there is nobody to be told, nothing waits for it but the end of the run.
        """
        if self._recovering:
            result = self._recovering.final(self._tasks.tasks[task_id], result)
        self._tasks.settle(task_id, result)
        skipped = self._scheduler.settle(task_id, _STEP_OF[result.state])
        settled = TaskSettled(result=for_journal(result).to_json())
        if self.tell.on_event is None and self._recovering is None:
            self._record.jot(task_id, *before, settled)
            self._write_skipped(skipped)
            self.dispatch()
            return
        written = self._record.note(task_id, *before, settled)
        self._write_skipped(skipped)
        ended = [task_id, *(skipped_id for skipped_id, _cause in skipped), *self._stop_batch()]
        self.dispatch()
        await written
        for each in ended:
            self.tell(run_events.TaskEnded(task_id=each, result=self._tasks.results[each]))
        self._call_back()

    def _stop_batch(self) -> list[str]:
        """Holds or skip the rest of the run where too much has failed for its policy; returns what is skipped."""
        stopped = self._recovering.check_batch() if self._recovering else None
        if stopped is None:
            return []
        if stopped.action is BatchAction.HOLD:
            self._hold(f"batch breaker: {stopped.reason}")
            return []
        return self._skip_all(stopped.reason)

    async def skip_rest(self, reason: str) -> None:
        """Skips what has not begun, and tells of it once that is durable."""
        skipped = self._skip_all(reason)
        self.dispatch()
        await self._record.flush()
        for task_id in skipped:
            self.tell(run_events.TaskEnded(task_id=task_id, result=self._tasks.results[task_id]))

    def _skip_all(self, reason: str) -> list[str]:
        rest = self._tasks.in_order(self._scheduler.pending)
        for task_id in rest:
            if self._scheduler.states[task_id] is TaskState.PENDING:  # one may have taken others with it
                self._scheduler.settle(task_id, TaskStep.SKIP)
            self._skip(task_id, f"skipped, because {reason}")
        return rest

    def _write_skipped(self, skipped: Sequence[tuple[str, str]]) -> None:
        for task_id, cause in skipped:
            self._skip(task_id, f"task {cause}, which it depends on, {_HOW_IT_WENT[self._scheduler.states[cause]]}")

    def _skip(self, task_id: str, error: str) -> None:
        result = self._without_attempt(task_id, TaskState.SKIPPED, error)
        self._tasks.settle(task_id, result)
        self._record.jot(task_id, TaskSettled(result=for_journal(result).to_json()))

    async def _abandon(self) -> None:
        """Ends every attempt, when nothing can be written down any more."""
        everything = self._everything_running()
        for running in everything:
            self._executor.cancel(running, at_once=False)
        for running in everything:
            await self._executor.collect(running)

    def _everything_running(self) -> list[RunningAttempt]:
        return [running for flight in self._tasks.in_flight.values() for running in flight.running_attempts()]

    # Results.

    def _agent(self, task_id: str) -> str:
        """Who has a task now."""
        task = self._tasks.tasks[task_id]
        return self._recovering.recovery.agent_of(task) if self._recovering else self._assignment.agent_of(task)

    def stopping(self, task_id: str) -> bool:
        """Whether the task was told to end."""
        return self.ending is not None or self._tasks.cancelled(task_id)

    def _result_of(self, task_id: str, end: AttemptEnd) -> SpawnResult:
        if end.survivors:
            pids = ", ".join(map(str, end.survivors))
            self.notices.append(f"task {task_id}: processes {pids} could not be ended")
        return self._tasks.flight(task_id).shares.joined(end, self._judged(task_id, end))

    def _judged(self, task_id: str, end: AttemptEnd) -> SpawnResult:
        agent, flight = self._agent(task_id), self._tasks.flight(task_id)
        return result_of(
            self._tasks.tasks[task_id],
            end,
            agent=agent,
            backend=self._backends[agent],
            cwd=self._assignment.cwd,
            retries=max(flight.attempts, 1) - 1 - len(flight.shares),
            stopped=TASK_CANCELLED if flight.cancelled else self.ending,
            prices=self._conduct.prices,
        )

    async def _settle_cancelled(self, task_id: str) -> None:
        """Settles a task that was cancelled before it began, or while it waited to be tried again."""
        if self._scheduler.states[task_id] is TaskState.PENDING:
            await self._settle(task_id, self._never_began(task_id))

    def _never_began(self, task_id: str) -> SpawnResult:
        when = "before its next attempt" if self._tasks.flight(task_id).attempts else "before it could start"
        return self._without_attempt(task_id, TaskState.CANCELLED, f"cancelled by the user {when}")

    def _without_attempt(self, task_id: str, state: TaskState, error: str) -> SpawnResult:
        reason = TASK_CANCELLED if self._tasks.cancelled(task_id) else None
        return without_attempt(self._tasks.tasks[task_id], state, error, agent=self._agent(task_id), reason=reason)

    def all_results(self) -> dict[str, SpawnResult]:
        """By task in their order; tasks that the end of the run kept from starting are cancelled."""
        return {
            task_id: self._tasks.results.get(task_id) or self._unfinished(task_id) for task_id in self._tasks.tasks
        }

    def _unfinished(self, task_id: str) -> SpawnResult:
        error = "the run was ended before it could start"
        return replace(self._without_attempt(task_id, TaskState.CANCELLED, error), termination_reason=self.ending)

    def _ended(self, task_id: str, end: AttemptEnd) -> AttemptEnded:
        return ended_fact(self._tasks.flight(task_id).number, end)
