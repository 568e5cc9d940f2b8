"""One execution of a run, by the process that holds it: from what was left open to the last word in the journal."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import end_left
from aurora_spawner.journal.entries import entry_of
from aurora_spawner.journal.facts import REVIEW, AttemptEnded, RunEnded
from aurora_spawner.runs.control_server import serve_control
from aurora_spawner.runs.coordinator import NOBODY, Coordinator
from aurora_spawner.runs.file_claims import FileClaims
from aurora_spawner.runs.found_attempt import FoundAttempt
from aurora_spawner.runs.scheduler import Limits, Scheduler
from aurora_spawner.runs.signals import end_on_signals
from aurora_spawner.runs.stages import STAGES
from aurora_spawner.runs.work_merge import Integration, put_candidates_away, remove_worktrees, start_edited_over
from aurora_spawner.tasks import run_events
from aurora_spawner.tasks.candidates import untaken_candidates
from aurora_spawner.tasks.result import RunReport
from aurora_spawner.workspaces.isolation import MergeMode
from aurora_spawner.workspaces.run_worktrees import RunWorktrees

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from aurora_spawner.attempts.executor import Executor
    from aurora_spawner.backends.base import Backend
    from aurora_spawner.journal.approval_views import ApprovalRow
    from aurora_spawner.journal.take_overs import TakeOver
    from aurora_spawner.journal.views import AttemptRow
    from aurora_spawner.journal.writer import FactWriter
    from aurora_spawner.recovery.no_recovery import NoRecovery
    from aurora_spawner.recovery.run_recovery import RunRecovery
    from aurora_spawner.runs.attempt_orders import OrderBuilder
    from aurora_spawner.runs.resume_state import ResumeState
    from aurora_spawner.runs.run_context import Stage
    from aurora_spawner.runs.run_options import RunOptions
    from aurora_spawner.tasks.posts import KeyedPost
    from aurora_spawner.tasks.run_events import RunEvent
    from aurora_spawner.tasks.work import RunMerge


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """Takes the tasks of a run to their ends, and brings their work together."""

    run_id: str
    backends: Mapping[str, Backend]
    options: RunOptions
    orders: OrderBuilder
    executor: Executor
    state: ResumeState
    """The state of the run when this process took it."""
    recovery: RunRecovery | NoRecovery
    writer: FactWriter
    on_event: Callable[[RunEvent], None] | None
    stages: Sequence[Stage] = STAGES
    """The stages of an attempt; a replay has its own."""

    async def see_through(
        self,
        *,
        asked: Sequence[ApprovalRow],
        used: Collection[str],
        posted: Sequence[KeyedPost],
        taken: Mapping[str, TakeOver] = NOBODY,
    ) -> RunReport:
        """Runs the tasks to their ends, merges their work, and writes down how the run ended.

        Args:
            asked: The questions to a person that earlier executions have left.
            used: Those of them whose answers have decided on a tool call.
            posted: The posts on its board.
            taken: The tasks that the user had taken over when an earlier execution ended.

        Raises:
            JournalError: The journal could not be written; the agents have been stopped.
            CancelledError: The caller was cancelled; the run has ended in order.
        """
        started = time.monotonic()
        isolation = self.options.isolation
        preparation = self.options.preparation
        worktrees = (
            await asyncio.to_thread(RunWorktrees.of, isolation, self.run_id, preparation) if isolation else None
        )
        # From here to the last word in the journal: a signal in between would leave a run that looks crashed.
        stopped = threading.Event()

        def to_stop() -> bool:
            return stopped.is_set() or coordinator.ending is not None

        integration = self._integration(worktrees, to_stop) if worktrees else None
        coordinator = self.coordinator(worktrees=worktrees, integration=integration)
        coordinator.approvals.restore(asked, used=used)
        coordinator.board.restore(posted)

        def end(_name: str, at_once: bool) -> None:
            stopped.set()
            coordinator.end("interrupted", at_once=at_once)

        with end_on_signals(end):
            first, hedges, reviewers = first_attempts(self.state.open_attempts)
            found = [await self._find(attempt, reviewers.pop(attempt.task_id, None)) for attempt in first]
            for attempt in (*self.state.outdated_attempts, *hedges, *reviewers.values()):
                await self._end_outdated(attempt)
            if worktrees is not None:
                await asyncio.to_thread(worktrees.workspaces.wait_for_others)
                await asyncio.to_thread(worktrees.hold, worktrees.isolation.base)
                coordinator.notices += await start_edited_over(worktrees, self.state)
            for task_id, fact in self.state.changes:
                self.writer.post(entry_of(fact, run_id=self.run_id, task_id=task_id))
            driving = asyncio.ensure_future(coordinator.drive(found, taken=taken))
            async with serve_control(coordinator, self.orders.spool):
                cancelled = await _see_through(driving, lambda: coordinator.end("interrupted"))
            merge: RunMerge | None = None
            if integration is not None:
                merging = asyncio.ensure_future(self._merge(coordinator, integration, stopped))
                cancelled = await _see_through(merging, stopped.set) or cancelled
                merge = merging.result()
            report = self.report(coordinator, merge, time.monotonic() - started)
            if stopped.is_set() and merge is not None and not merge.ok:
                report = replace(report, interrupted=True)
            ended = RunEnded(state=report.state.value, notices=list(report.notices))
            await self.writer.write(entry_of(ended, run_id=self.run_id))
            coordinator.emit(run_events.RunEnded(state=report.state))
        if cancelled:
            raise asyncio.CancelledError
        return report

    def _integration(self, worktrees: RunWorktrees, stopped: Callable[[], bool]) -> Integration:
        return Integration(
            run_id=self.run_id,
            worktrees=worktrees,
            writer=self.writer,
            checks=self.options.checks,
            environment=self.orders.command_environment,
            confining=self.options.confining,
            discarded=self.state.discarded,
            stopped=stopped,
            merges=dict(self.state.merges),
        )

    async def _merge(
        self, coordinator: Coordinator, integration: Integration, stopped: threading.Event
    ) -> RunMerge | None:
        """Merges the work of the tasks, unless the run was ended before they were done; then the worktrees go."""
        results, merge = coordinator.all_results(), None
        left_out = integration.left_out(results, coordinator.tasks)
        if coordinator.ending is None:
            deliver = integration.worktrees.isolation.merge is MergeMode.AUTO
            merge = await integration.merge(results, coordinator.tasks, deliver=deliver)
        else:
            merge = integration.undelivered
        coordinator.notices += [each for each in integration.notices if each not in coordinator.notices]
        if not stopped.is_set() and coordinator.ending != "interrupted":
            worktrees = integration.worktrees
            coordinator.notices += await put_candidates_away(
                worktrees, untaken_candidates(coordinator.tasks, results)
            )
            coordinator.notices += await remove_worktrees(worktrees, results, merge, discarded=left_out)
        if merge is not None:
            coordinator.emit(run_events.RunMerged(merge=merge))
        return merge

    async def _find(self, attempt: AttemptRow, reviewer: AttemptRow | None = None) -> FoundAttempt:
        found = await self.executor.adopt(token=attempt.token, folder=attempt.folder, supervisor=attempt.supervisor)
        return FoundAttempt(
            task_id=attempt.task_id,
            number=attempt.number,
            token=attempt.token,
            found=found,
            reviewer=None if reviewer is None else await self._find(reviewer),
        )

    async def _end_outdated(self, attempt: AttemptRow) -> None:
        """Ends an attempt at the old text of a task that has been edited or is gone."""
        found = await end_left(
            self.executor,
            token=attempt.token,
            folder=attempt.folder,
            supervisor=attempt.supervisor,
            at_once=False,
        )
        ended = AttemptEnded(
            number=attempt.number,
            reason=EndReason.OUTDATED.value,
            exit_code=None,
            record=None,
            survivors=list(found.survivors),
        )
        self.writer.post(entry_of(ended, run_id=self.run_id, task_id=attempt.task_id))

    def coordinator(
        self, *, worktrees: RunWorktrees | None = None, integration: Integration | None = None
    ) -> Coordinator:
        """Returns the coordinator of the tasks, as this process found them."""
        limits = Limits(max_concurrent=self.options.max_concurrent, per_agent=self.options.agent_limits)
        scheduler = Scheduler(
            self.state.graph,
            limits=limits,
            agent_of=self.recovery.agent_of,
            states=self.state.states,
            positions=self.state.positions,
            admits=self.recovery.admits,
            claims=FileClaims(waits=self.options.overlaps == "wait", begun=self.state.begun, seen=self.state.seen),
        )
        return Coordinator(
            self.orders,
            state=self.state,
            scheduler=scheduler,
            backends=self.backends,
            executor=self.executor,
            writer=self.writer,
            options=self.options,
            recovery=self.recovery,
            on_event=self.on_event,
            worktrees=worktrees,
            integration=integration,
            stages=self.stages,
        )

    def report(self, coordinator: Coordinator, merge: RunMerge | None, duration_s: float) -> RunReport:
        """Returns the report of a run that a coordinator has taken to its end."""
        results, tasks = coordinator.all_results(), coordinator.tasks
        return RunReport(
            run_id=self.run_id,
            results={each: result for each, result in results.items() if tasks[each].candidate_of is None},
            candidates={each: result for each, result in results.items() if tasks[each].candidate_of is not None},
            duration_s=duration_s,
            interrupted=coordinator.ending == "interrupted",
            cancelled_by_user=coordinator.ending == "cancelled",
            notices=(*coordinator.notices, *([self.recovery.trouble] if self.recovery.trouble else ())),
            merge=merge,
            recovery_metrics=self.recovery.metrics,
        )


async def _see_through(driving: asyncio.Future[Any], end: Callable[[], None]) -> bool:
    """Waits for the end of a part of the run; a cancellation of the waiter ends it in order and is reported."""
    cancelled = False
    while not driving.done():
        try:
            await asyncio.shield(driving)
        except asyncio.CancelledError:
            cancelled = True
            end()
    driving.result()
    return cancelled


def first_attempts(
    attempts: Sequence[AttemptRow],
) -> tuple[list[AttemptRow], list[AttemptRow], dict[str, AttemptRow]]:
    """Returns the attempts to continue, one per task, their hedges, and by task the attempts of reviewers."""
    first: dict[str, AttemptRow] = {}
    reviewers = {each.task_id: each for each in attempts if each.role == REVIEW}
    workers = [each for each in attempts if each.role != REVIEW]
    for attempt in sorted(workers, key=lambda each: each.number):
        first.setdefault(attempt.task_id, attempt)
    return list(first.values()), [each for each in workers if first[each.task_id] is not each], reviewers
