"""The coordinator of one run: starts what may start, collects what ends, and writes everything down first."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.board.board import Board
from aurora_spawner.errors import first_failure
from aurora_spawner.journal.facts import RunEnding, TaskCancelled
from aurora_spawner.runs import pausing, taking_over
from aurora_spawner.runs.admission import admit
from aurora_spawner.runs.approval_inbox import ApprovalInbox
from aurora_spawner.runs.attempt import Attempt
from aurora_spawner.runs.attempt_watch import AttemptWatch
from aurora_spawner.runs.batch_breaker import BatchBreaker
from aurora_spawner.runs.callbacks import Callbacks
from aurora_spawner.runs.callers import UserAlone
from aurora_spawner.runs.conflict_watch import ConflictWatch
from aurora_spawner.runs.gate_server import serve_gate
from aurora_spawner.runs.merge_gate import NO_PERMIT, ask_merge_gate
from aurora_spawner.runs.notifier import Notifier
from aurora_spawner.runs.recorder import Recorder
from aurora_spawner.runs.resolving import next_resolver
from aurora_spawner.runs.run_context import RunContext
from aurora_spawner.runs.run_tasks import RunTasks
from aurora_spawner.runs.settlement import never_began, settle_choices, settle_task, skip_dependants
from aurora_spawner.runs.stages import STAGES, attempt_task
from aurora_spawner.runs.task_checks import TaskChecks
from aurora_spawner.runs.waiting import PauseTimers, wait
from aurora_spawner.runs.work_group import WorkGroup
from aurora_spawner.spending.token_bucket import TokenBucket
from aurora_spawner.tasks import run_events
from aurora_spawner.tasks.approvals import WHOLE_RUN
from aurora_spawner.tasks.result import TaskState
from aurora_spawner.workspaces.isolation import MergeMode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aurora_spawner.attempts.executor import Executor, RunningAttempt
    from aurora_spawner.attempts.process_identity import ProcessIdentity
    from aurora_spawner.backends.base import Backend
    from aurora_spawner.journal.take_overs import TakeOver
    from aurora_spawner.journal.writer import FactWriter
    from aurora_spawner.recovery.no_recovery import NoRecovery
    from aurora_spawner.recovery.run_recovery import RunRecovery
    from aurora_spawner.runs.attempt_orders import OrderBuilder
    from aurora_spawner.runs.found_attempt import FoundAttempt
    from aurora_spawner.runs.resume_state import ResumeState
    from aurora_spawner.runs.run_context import Stage
    from aurora_spawner.runs.run_options import RunOptions
    from aurora_spawner.runs.scheduler import Scheduler
    from aurora_spawner.runs.work_merge import Integration
    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.tasks.run_events import RunEvent
    from aurora_spawner.tasks.task import SpawnTask
    from aurora_spawner.workspaces.run_worktrees import RunWorktrees

NOBODY: Final[Mapping[str, TakeOver]] = MappingProxyType({})


class Coordinator:
    """The one process that decides for a run, while it holds the run's lease."""

    def __init__(
        self,
        orders: OrderBuilder,
        *,
        state: ResumeState,
        scheduler: Scheduler,
        backends: Mapping[str, Backend],
        executor: Executor,
        writer: FactWriter,
        options: RunOptions,
        recovery: RunRecovery | NoRecovery,
        on_event: Callable[[RunEvent], None] | None,
        worktrees: RunWorktrees | None = None,
        integration: Integration | None = None,
        stages: Sequence[Stage] = STAGES,
    ) -> None:
        self.notices: list[str] = []
        """Sentences for the report of the run."""
        self._tasks = RunTasks(state, options=options, backends=backends)
        self._scheduler = scheduler
        self._executor = executor
        self._recovery = recovery
        self._recorder = Recorder(run_id=orders.run_id, writer=writer, outbox=recovery.outbox)
        self._notifier = Notifier(
            on_event=on_event,
            run_id=orders.run_id,
            tasks=self._tasks,
            scheduler=scheduler,
            agent_of=lambda task_id: recovery.agent_of(self._tasks.tasks[task_id]),
        )
        self._work = WorkGroup()
        self._watch = AttemptWatch(self._tasks, executor=executor, recorder=self._recorder, notifier=self._notifier)
        self.approvals = ApprovalInbox(
            recorder=self._recorder,
            notifier=self._notifier,
            limit_s=options.approval_limit_s,
            stopping=self._stopping,
            on_wait=self._suspend,
            on_go_on=self._continue,
        )
        """The questions to a person, for any gate."""
        self.user_alone = UserAlone(self._recorder, task_of=self._task_of, note=self._note_once)
        """Refuses to agents what only the user may decide."""
        self.board = Board(self._recorder.append)
        """The posts of the agents and the user of the run."""
        self.context = RunContext(
            orders=orders,
            options=options,
            tasks=self._tasks,
            scheduler=scheduler,
            backends=backends,
            executor=executor,
            recovery=recovery,
            recorder=self._recorder,
            notifier=self._notifier,
            work=self._work,
            watch=self._watch,
            breaker=BatchBreaker(),
            callbacks=Callbacks(
                outbox=recovery.outbox, recorder=self._recorder, work=self._work, notices=self.notices
            ),
            notices=self.notices,
            dispatch=self.dispatch,
            checks=TaskChecks(
                options=options,
                worktrees=worktrees,
                environment=orders.command_environment,
                run_id=orders.run_id,
            ),
            approvals=self.approvals,
            board=self.board,
            stages=stages,
            worktrees=worktrees,
        )
        every_s = options.forecast_every_s
        self._conflicts = ConflictWatch(self.context, every_s=every_s) if worktrees and every_s else None
        self._wishes = self.context.wishes
        resolves = worktrees is not None and worktrees.isolation.resolver is not None
        delivers = worktrees is not None and worktrees.isolation.merge is MergeMode.AUTO
        asks = delivers and options.merge_gate is not None
        if integration is not None and asks:
            integration.permit = NO_PERMIT
        self._integration = integration if resolves or asks else None
        """Merges the finished work while the run lives, if an agent resolves conflicts or the merge gate is asked."""
        self._integrating = False
        self._finished = asyncio.Event()
        self._pauses = PauseTimers()
        rate_per_s = options.start_rate_per_s
        self._pace = None if rate_per_s is None else TokenBucket(rate_per_s)
        self._alarm: asyncio.TimerHandle | None = None
        """Present while the next start waits for its time."""

    async def drive(self, open_attempts: Sequence[FoundAttempt], *, taken: Mapping[str, TakeOver] = NOBODY) -> None:
        """Runs the tasks until all have ended, or until a requested end of the run.

        Args:
            taken: The tasks that the user had taken over when an earlier coordinator ended.

        Raises:
            JournalError: The journal could not be written; every attempt has been ended before this is raised.
        """
        self._notifier.emit(run_events.RunStarted())
        try:
            async with serve_gate(self.context), self._work:
                taking_over.hold_again(self.context, taken)
                self._resume(open_attempts)
                self.dispatch()
                self._work.start(self._finished.wait())
                if self._conflicts is not None:
                    self._work.start(self._conflicts.watch(self._finished))
        except BaseExceptionGroup as failures:
            # Whatever it is, no agent may be left running. No `except*`: Pythons before 3.11.4 wrap what is raised in
            # it in a group again.
            await self._abandon()
            raise first_failure(failures.exceptions) from None
        finally:
            self._close()

    def _resume(self, open_attempts: Sequence[FoundAttempt]) -> None:
        """Continues where an earlier coordinator stopped."""
        attempted = {attempt.task_id for attempt in open_attempts}
        waits = self._recovery.resume(list(self._tasks.tasks.values()), attempted=attempted)
        for task_id, after_s in waits.items():
            wait(self.context, task_id, after_s)
        asking = [*open_attempts, *(each.reviewer for each in open_attempts if each.reviewer is not None)]
        self.approvals.drop_stale({(each.task_id, each.number) for each in asking})
        cancelled = {task_id for task_id, flight in self._tasks.in_flight.items() if flight.cancelled}
        for each in open_attempts:
            self._scheduler.begin(each.task_id)
            self._tasks.flight(each.task_id).reviewer = each.reviewer
            attempt = Attempt(task_id=each.task_id, number=each.number, token=each.token, found=each.found)
            self._work.start(attempt_task(self.context, attempt))
        for task_id in sorted(cancelled - attempted):
            self._work.start(self._settle_cancelled(task_id))
        skip_dependants(self.context, self._scheduler.skip_hopeless())
        self._work.start(settle_choices(self.context, self._tasks.tasks))

    def _close(self) -> None:
        self._pauses.close()
        for flight in self._tasks.in_flight.values():
            if flight.timer is not None:
                flight.timer.cancel()
        self._watch.close()
        self.context.checks.close()
        self._recovery.close()

    async def _abandon(self) -> None:
        """Ends every attempt, when nothing can be written down any longer."""
        everything = self._running_attempts()
        for running in everything:
            self._executor.cancel(running, at_once=False)
        for running in everything:
            await self._executor.collect(running)

    # The wishes of users; callable at any time from the loop's thread.

    @property
    def ending(self) -> str | None:
        """The reason for which the run ends early; None if it does not."""
        return self._wishes.ending

    def end(self, why: str, *, at_once: bool = False) -> None:
        """Ends the run: running attempts are ended, waiting tasks do not start. A second call may only hurry it.

        A run whose tasks have all ended does not change, unless their work is still looked through for conflicts, or
        waits for an approval of its merge.
        """
        if self._over:
            return
        if self._wishes.ending is None:
            self._wishes.ending = why
            self._recorder.append_nowait(None, RunEnding(why=why, at_once=at_once))
            self._notifier.emit(run_events.RunEnding(why=why))
        self._wishes.at_once = self._wishes.at_once or at_once
        for running in self._running_attempts():
            self._executor.cancel(running, at_once=self._wishes.at_once)
        self.approvals.cut_off()
        self.dispatch()

    @property
    def _over(self) -> bool:
        """True if there is nothing left to end: no task, and no conflict to find."""
        return self._scheduler.done and not self._integrating

    async def cancel(self, *, at_once: bool) -> bool:
        """Ends the run because a user wants it; returns when that is durable.

        Returns:
            True if there was anything left to end.
        """
        over = self._over
        self.end("cancelled", at_once=at_once)
        await self._recorder.flush()
        return not over

    async def cancel_task(self, task_id: str, *, by: str) -> TaskState:
        """Ends one task; its dependants are skipped.

        Returns:
            The state of the task before: one that is settled stays as it is. Any other will end, whatever happens to
            this process: the wish is durable, and a resume looks for it.

        Raises:
            JournalError: It could not be written down, and nothing was done.
        """
        if self._scheduler.states[task_id].settled:
            return self._scheduler.states[task_id]
        await self._recorder.append(task_id, TaskCancelled(by=by))
        for candidate in self._tasks.tasks[task_id].choice_of:
            await self.cancel_task(candidate, by=by)
        state = self._scheduler.states[task_id]
        if state.settled:  # meanwhile
            return state
        flight = self._tasks.flight(task_id)
        flight.cancelled = True
        self.approvals.cut_off(task_id)
        if flight.running is not None:
            for running in flight.running_attempts():
                self._executor.cancel(running, at_once=False)
        elif state is TaskState.PENDING and self.ending is None:
            self._work.start(self._settle_cancelled(task_id))
        return state

    async def pause(self, *, by: str) -> None:
        """Starts nothing more until `unpause`; running attempts continue. Returns when that is durable."""
        await pausing.pause(self.context, by=by)

    async def unpause(self, *, by: str) -> None:
        """Continues after a pause; returns when that is durable."""
        await pausing.unpause(self.context, by=by)

    async def take_over(self, task_id: str, holder: ProcessIdentity) -> dict[str, Any]:
        """Holds a task for the user, and interrupts its attempt; see `taking_over.take_over`."""
        return await taking_over.take_over(self.context, task_id, holder)

    async def hand_back(self, task_id: str, *, why: str) -> None:
        """Lets a task go on that the user had taken over; see `taking_over.hand_back`."""
        await taking_over.hand_back(self.context, task_id, why=why)

    def _task_of(self, token: str) -> str | None:
        found = self._tasks.asking(token)
        return None if found is None else found[0]

    def _note_once(self, sentence: str) -> None:
        if sentence not in self.notices:
            self.notices.append(sentence)

    def knows(self, task_id: str) -> bool:
        """Returns True if the run has a task of that id."""
        return task_id in self._tasks.tasks

    def status(self) -> dict[str, Any]:
        """Returns the state of the run as JSON values."""
        counts = Counter(self._scheduler.states.values())
        return {
            "run_id": self.context.orders.run_id,
            "paused": self._wishes.paused,
            "ending": self.ending,
            "tasks": {str(state): count for state, count in counts.items()},
            "running": sorted(task_id for task_id, flight in self._tasks.in_flight.items() if flight.running),
            **self._recovery.status({**self._watch.waiting_for(), **self._tasks.held_by_user()}),
        }

    # Waiting for a person.

    def _stopping(self, task_id: str) -> bool:
        return self.context.stopping(task_id)

    def _suspend(self, task_id: str) -> None:
        """Lets a task wait for a person: it holds no slot, and its time stands still."""
        if task_id == WHOLE_RUN:
            return
        self._scheduler.suspend(task_id)
        self._watch.suspend(task_id)
        if (running := self._tasks.running(task_id)) is not None:
            self._executor.suspend_deadline(running)
        self.dispatch()

    def _continue(self, task_id: str) -> None:
        """Lets a task go on after its wait."""
        if task_id == WHOLE_RUN:
            return
        self._scheduler.continue_task(task_id)
        self._watch.continue_watch(task_id)
        if (running := self._tasks.running(task_id)) is not None:
            self._executor.continue_deadline(running)

    # Starting.

    def dispatch(self) -> None:
        """Starts what may start; notices the end."""
        while self._may_start() and (task_id := self._scheduler.start_next()) is not None:
            if admit(self.context, task_id):
                self._work.start(attempt_task(self.context, Attempt(task_id=task_id)))
        for event in self._recovery.outbox.take_events():
            self._notifier.emit(event)
        self._pauses.set(self.context)
        if self.ending is not None or self._scheduler.done:
            self.context.breaker.withdraw()
        if self.ending is not None and not self._scheduler.running:
            self._finished.set()
        elif self._scheduler.done and not self._integrating:
            self._end_or_resolve()

    def _end_or_resolve(self) -> None:
        """Ends the run, unless an agent is to resolve a conflict of the finished work."""
        if self._integration is None or self.ending is not None or self._work.broken or self._finished.is_set():
            self._finished.set()
        else:
            self._integrating = True
            self._work.start(self._resolve_next(self._integration))

    async def _resolve_next(self, integration: Integration) -> None:
        """Merges what is finished, and gives the first conflict of it to an agent; without one the run ends.

        Before it ends, the merge gate is asked if the work may reach its target.
        """
        merge = await integration.merge(self.all_results(), self.tasks, deliver=False)
        task = None if self.ending is not None else await next_resolver(self.context, merge)
        if task is None and integration.permit is not None and self.ending is None:
            integration.waiting = merge
            integration.permit = await ask_merge_gate(self.context, merge, self.all_results())
        self._integrating = False
        if task is None or self.ending is not None:
            self._finished.set()
            return
        facts = self._tasks.join(task, self._scheduler, added_by=str(task.resolves))
        await self._recorder.append(None, *facts)
        self.dispatch()

    def _may_start(self) -> bool:
        """Returns True if the run wants a task now; sets a timer if it wants one later."""
        if self.ending is not None or self._wishes.paused or self._work.broken or not self._scheduler.startable:
            return False
        delay_s = self._pace.delay_s(time.monotonic()) if self._pace else 0.0
        if delay_s and self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(delay_s, self._wake)
        return not delay_s

    def _wake(self) -> None:
        self._alarm = None
        self.dispatch()

    async def _settle_cancelled(self, task_id: str) -> None:
        """Settles a task that was cancelled before it began, or while it waited to be tried again."""
        if self._scheduler.states[task_id] is TaskState.PENDING:
            await settle_task(self.context, task_id, never_began(self.context, task_id))

    # Results.

    @property
    def tasks(self) -> Mapping[str, SpawnTask]:
        """The tasks by id, with those that have joined."""
        return self._tasks.tasks

    def emit(self, event: RunEvent) -> None:
        """Tells the watcher of the run."""
        self._notifier.emit(event)

    def all_results(self) -> dict[str, SpawnResult]:
        """Returns the results in the order of the tasks; a task that could not start any longer is cancelled."""
        results = self._tasks.results
        return {task_id: results.get(task_id) or self._unfinished(task_id) for task_id in self._tasks.tasks}

    def _unfinished(self, task_id: str) -> SpawnResult:
        error = "the run was ended before it could start"
        result = self.context.without_attempt(task_id, TaskState.CANCELLED, error)
        return replace(result, termination_reason=self.ending)

    def _running_attempts(self) -> list[RunningAttempt]:
        return [running for flight in self._tasks.in_flight.values() for running in flight.running_attempts()]
