"""A durable run: a graph of tasks, a journal, and the one way to execute it."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Self

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd
from aurora_spawner.attempts.process_identity import own_identity
from aurora_spawner.errors import BackendError, ForeignJournalError, JournalChangedError
from aurora_spawner.journal.anchor import read_anchor, write_anchor
from aurora_spawner.journal.approval_views import load_approvals
from aurora_spawner.journal.facts import REVIEW, AttemptEnded, RunCreated, RunEnded, entry_of
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.verify import accept_changes, check_run
from aurora_spawner.journal.views import StoredOptions, load_attempts, load_run, load_tasks
from aurora_spawner.journal.writer import GroupWriter
from aurora_spawner.recovery.fallbacks import check_fallbacks
from aurora_spawner.recovery.no_recovery import NoRecovery
from aurora_spawner.recovery.restore import restore_recovery
from aurora_spawner.recovery.run_recovery import RunRecovery
from aurora_spawner.recovery.settings import settings_of
from aurora_spawner.runs.attempt_orders import OrderBuilder
from aurora_spawner.runs.candidate_places import check_places
from aurora_spawner.runs.control_server import serve_control
from aurora_spawner.runs.coordinator import Coordinator
from aurora_spawner.runs.file_claims import FileClaims
from aurora_spawner.runs.found_attempt import FoundAttempt
from aurora_spawner.runs.leftovers import announced
from aurora_spawner.runs.resume_state import ResumeState, Revision, find_resume_state, tasks_added
from aurora_spawner.runs.run_options import RunOptions, TaskSource
from aurora_spawner.runs.scheduler import Limits, Scheduler
from aurora_spawner.runs.signals import end_on_signals
from aurora_spawner.runs.work_merge import Integration, put_candidates_away, remove_worktrees, start_edited_over
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks import run_events
from aurora_spawner.tasks.candidates import attempted, untaken_candidates, with_candidates
from aurora_spawner.tasks.graph import TaskGraph, build_graph
from aurora_spawner.tasks.result import RunReport
from aurora_spawner.workspaces.isolation import MergeMode
from aurora_spawner.workspaces.run_worktrees import RunWorktrees

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Unpack

    from aurora_spawner.attempts.executor import Executor
    from aurora_spawner.backends.base import Backend
    from aurora_spawner.journal.approval_views import ApprovalRow
    from aurora_spawner.journal.views import AttemptRow, RunRow
    from aurora_spawner.recovery.settings import RecoverySettings
    from aurora_spawner.runs.run_options import ResumeOptions
    from aurora_spawner.tasks.run_events import RunEvent
    from aurora_spawner.tasks.task import SpawnTask
    from aurora_spawner.tasks.work import RunMerge


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run that the journal knows; `create` makes a new one, `resume` finds one that was started."""

    run_id: str
    journal: Path
    backends: Mapping[str, Backend]
    options: RunOptions
    orders: OrderBuilder
    executor: Executor
    revision: Revision = field(default_factory=Revision)

    @classmethod
    def create(
        cls, journal: Path, tasks: Iterable[SpawnTask], backends: Mapping[str, Backend], options: RunOptions
    ) -> Self:
        """Checks the tasks and writes the run down; nothing starts yet.

        Args:
            journal: The database, made when missing.
            backends: By agent name; every task's agent must be among them.

        Raises:
            GraphError: Ids or dependencies do not fit together.
            TaskError: Candidates of a task may write, and the run has no worktrees.
            BackendError: A task's agent, or a fallback, has no backend.
            JournalError: The journal cannot be written.
        """
        graph = build_graph(with_candidates(tasks))
        _check_agents(graph, backends, options)
        check_places(
            graph.tasks.values(),
            backends=backends,
            default_agent=options.default_agent,
            isolated=options.isolation is not None,
        )
        created = RunCreated(
            run_kind=options.kind,
            cwd=str(options.cwd.resolve()),
            spool=str(options.spool.resolve()),
            max_concurrent=options.max_concurrent,
            default_agent=options.default_agent,
            default_timeout_s=options.default_timeout_s,
            options=options.stored.to_json() if options.stored else None,
        )
        state_dir = options.state_dir
        with Journal(journal) as store:
            new = store.connection.execute("SELECT 1 FROM events LIMIT 1").fetchone() is None
            anchor = read_anchor(state_dir, journal) if state_dir and not new else None
            if anchor is not None:
                store.expect(anchor.seq)
            run_id = _write_new_run(store, created, graph)
            if new and state_dir:
                write_anchor(state_dir, store, created=True)
        return cls(
            run_id=run_id,
            journal=journal,
            backends=backends,
            options=options,
            orders=_orders(run_id, options),
            executor=options.executor or LocalExecutor(),
        )

    @classmethod
    def resume(
        cls,
        journal: Path,
        run_id: str,
        backends: Mapping[str, Backend],
        *,
        tasks: Iterable[SpawnTask] | None = None,
        retry_failed: bool = False,
        accept_changes: bool = False,
        checked: bool = False,
        agreed: bool = False,
        **given: Unpack[ResumeOptions],
    ) -> Self:
        """Finds a run that was started; `execute` then continues where it stopped.

        Attempts that still run are adopted, those that ended meanwhile are harvested, finished tasks stay finished.

        Args:
            tasks: As they are now, when they may have been edited. A task whose content has changed runs again, a
                new one joins, an unfinished one that is gone is left out. None takes them from the journal.
            retry_failed: Also run what failed, was skipped or was cancelled.
            accept_changes: Proceed though the run's part of the journal is not as it was written: what its events say
                holds, and the journal notes that this was accepted.
            checked: The caller has just done so with `check_unchanged`, which takes 0.1 s for 1,000 tasks.
            agreed: The user agrees to the merge, so a run that was to ask (`MergeMode.ASK`) merges.
            given: Options that the journal does not keep; see `ResumeOptions`.

        Raises:
            UnknownRunError: The journal has no such run.
            JournalChangedError: Its part of the journal is not as it was written.
            GraphError: The edited tasks do not fit together.
            BackendError: A task's agent has no backend.
        """
        revision = Revision(tasks=None if tasks is None else tuple(tasks), retry_failed=retry_failed)
        with Journal(journal) as store:
            if not checked:
                check_unchanged(store, run_id, given.get("state_dir"), accept=accept_changes)
            row = load_run(store, run_id)
            state = find_resume_state(load_tasks(store, run_id), (), revision)
        options = replace(_options_of(row), **given)
        if agreed and options.isolation and options.isolation.merge is MergeMode.ASK:
            options = replace(options, isolation=replace(options.isolation, merge=MergeMode.AUTO))
        _check_agents(state.graph, backends, options)
        return cls(
            run_id=run_id,
            journal=journal,
            backends=backends,
            options=options,
            orders=_orders(run_id, options),
            executor=options.executor or LocalExecutor(),
            revision=revision,
        )

    @property
    def recovery(self) -> RecoverySettings | None:
        """The treatment of failures; None leaves each task its first failure."""
        return settings_of(self.options.recovery)

    async def execute(self, on_event: Callable[[RunEvent], None] | None = None) -> RunReport:
        """Runs the tasks to their ends.

        SIGINT, SIGTERM and SIGHUP end the run in order (a second SIGINT at once), and so does the cancellation of the
        caller: agents are stopped with everything they started, the journal is written, then this returns, or raises
        the cancellation. Tasks that were cut off stay open for `resume`.

        Args:
            on_event: Called in the event loop for everything worth showing; results are durable by then. What it
                raises ends the run with all its agents, and is raised from here.

        Raises:
            RunHeldError: Another coordinator works on this run.
            JournalError: The journal could not be written; the agents have been stopped.
        """
        with (
            Journal(self.journal) as store,
            store.hold(self.run_id, holder=own_identity()) as lease,
            announced(self.options.state_dir, self.run_id, self.journal) as unannounced,
        ):
            state = self._resume_state(store)
            recovery = self._recovery(store, state)
            writer = GroupWriter(store, lease=lease)
            try:
                asked = load_approvals(store, self.run_id)
                report = await self._execute(state, recovery, writer, on_event, asked)
                unnoted = write_anchor(self.options.state_dir, store) if self.options.state_dir else None
                notices = [each for each in (unannounced, unnoted) if each is not None]
                return replace(report, trouble=store.trouble, notices=(*report.notices, *notices))
            finally:
                self.executor.close()
                await writer.close()

    def execute_sync(self, on_event: Callable[[RunEvent], None] | None = None) -> RunReport:
        """`execute` for callers without an event loop."""
        return asyncio.run(self.execute(on_event))

    def _resume_state(self, store: Journal) -> ResumeState:
        open_attempts = load_attempts(store, self.run_id, open_only=True)
        return find_resume_state(load_tasks(store, self.run_id), open_attempts, self.revision)

    async def _execute(
        self,
        state: ResumeState,
        recovery: RunRecovery | NoRecovery,
        writer: GroupWriter,
        on_event: Callable[[RunEvent], None] | None,
        asked: Sequence[ApprovalRow],
    ) -> RunReport:
        started = time.monotonic()
        isolation = self.options.isolation
        preparation = self.options.preparation
        worktrees = (
            await asyncio.to_thread(RunWorktrees.of, isolation, self.run_id, preparation) if isolation else None
        )
        # From here to the last word in the journal: a signal in between would leave a run that looks crashed.
        stopped = threading.Event()
        integration = self._integration(writer, worktrees, state, stopped) if worktrees else None
        coordinator = self._coordinator(
            state, writer, recovery, on_event, worktrees=worktrees, integration=integration
        )
        coordinator.approvals.restore(asked)

        def end(_name: str, at_once: bool) -> None:
            stopped.set()
            coordinator.end("interrupted", at_once=at_once)

        with end_on_signals(end):
            first, hedges, reviewers = _first_attempts(state.open_attempts)
            found = [await self._find(attempt, reviewers.pop(attempt.task_id, None)) for attempt in first]
            for attempt in (*state.outdated_attempts, *hedges, *reviewers.values()):
                await self._end_outdated(attempt, writer)
            if worktrees is not None:
                await asyncio.to_thread(worktrees.hold, worktrees.isolation.base)
                coordinator.notices += await start_edited_over(worktrees, state)
            for task_id, fact in state.changes:
                writer.post(entry_of(fact, run_id=self.run_id, task_id=task_id))
            driving = asyncio.ensure_future(coordinator.drive(found))
            async with serve_control(coordinator, self.orders.spool):
                cancelled = await _see_through(driving, lambda: coordinator.end("interrupted"))
            merge: RunMerge | None = None
            if integration is not None:
                merging = asyncio.ensure_future(self._merge(coordinator, integration, stopped))
                cancelled = await _see_through(merging, stopped.set) or cancelled
                merge = merging.result()
            report = self._report(coordinator, recovery, merge, time.monotonic() - started)
            if stopped.is_set() and merge is not None and not merge.ok:
                report = replace(report, interrupted=True)
            ended = RunEnded(state=report.state.value, notices=list(report.notices))
            await writer.write(entry_of(ended, run_id=self.run_id))
            coordinator.emit(run_events.RunEnded(state=report.state))
        if cancelled:
            raise asyncio.CancelledError
        return report

    def _integration(
        self, writer: GroupWriter, worktrees: RunWorktrees, state: ResumeState, stopped: threading.Event
    ) -> Integration:
        return Integration(
            run_id=self.run_id,
            worktrees=worktrees,
            writer=writer,
            checks=self.options.checks,
            environ=self.orders.environ,
            discarded=state.discarded,
            stopped=stopped.is_set,
            merges=dict(state.merges),
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
        coordinator.notices += integration.notices
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

    async def _end_outdated(self, attempt: AttemptRow, writer: GroupWriter) -> None:
        """Ends an attempt at the old text of a task that has been edited or is gone."""
        found = (await self._find(attempt)).found
        if not isinstance(found, AttemptEnd):
            self.executor.cancel(found, at_once=False)
            found = await self.executor.collect(found)
        ended = AttemptEnded(
            number=attempt.number,
            reason=EndReason.OUTDATED.value,
            exit_code=None,
            record=None,
            survivors=list(found.survivors),
        )
        writer.post(entry_of(ended, run_id=self.run_id, task_id=attempt.task_id))

    def _recovery(self, store: Journal, state: ResumeState) -> RunRecovery | NoRecovery:
        settings = self.recovery
        if settings is None:
            return NoRecovery(first_agent=self.orders.agent_of)
        return RunRecovery(
            settings,
            run_id=self.run_id,
            backends=self.backends,
            agent_of=self.orders.agent_of,
            restored=restore_recovery(
                store,
                self.run_id,
                settings.policy,
                probation=self.revision.retry_failed or state.asks_providers_anew,
                restarted=state.begun_anew,
            ),
        )

    def _coordinator(
        self,
        state: ResumeState,
        writer: GroupWriter,
        recovery: RunRecovery | NoRecovery,
        on_event: Callable[[RunEvent], None] | None,
        *,
        worktrees: RunWorktrees | None,
        integration: Integration | None,
    ) -> Coordinator:
        limits = Limits(max_concurrent=self.options.max_concurrent, per_agent=self.options.agent_limits)
        scheduler = Scheduler(
            state.graph,
            limits=limits,
            agent_of=recovery.agent_of,
            states=state.states,
            positions=state.positions,
            admits=recovery.admits,
            claims=FileClaims(waits=self.options.overlaps == "wait", begun=state.begun),
        )
        return Coordinator(
            self.orders,
            state=state,
            scheduler=scheduler,
            backends=self.backends,
            executor=self.executor,
            writer=writer,
            options=self.options,
            recovery=recovery,
            on_event=on_event,
            worktrees=worktrees,
            integration=integration,
        )

    def _report(
        self,
        coordinator: Coordinator,
        recovery: RunRecovery | NoRecovery,
        merge: RunMerge | None,
        duration_s: float,
    ) -> RunReport:
        results, tasks = coordinator.all_results(), coordinator.tasks
        return RunReport(
            run_id=self.run_id,
            results={each: result for each, result in results.items() if tasks[each].candidate_of is None},
            candidates={each: result for each, result in results.items() if tasks[each].candidate_of is not None},
            duration_s=duration_s,
            interrupted=coordinator.ending == "interrupted",
            cancelled_by_user=coordinator.ending == "cancelled",
            notices=(*coordinator.notices, *([recovery.trouble] if recovery.trouble else ())),
            merge=merge,
            recovery_metrics=recovery.metrics,
        )


def _refuse_foreign(journal: Path, run_id: str) -> None:
    raise ForeignJournalError(journal, run_id)


def check_unchanged(store: Journal, run_id: str, state_dir: Path | None, *, accept: bool) -> None:
    """Holds a run against its hashes before anything of it starts.

    Raises:
        JournalChangedError: It is not as it was written, or was not written by this user in this place, and `accept`
            is false.
    """
    anchor = read_anchor(state_dir, store.path) if state_dir else None
    try:
        check_run(store, run_id, anchor)
        if state_dir and anchor is None:
            _refuse_foreign(store.path, run_id)
    except JournalChangedError as error:
        if not accept:
            raise
        accept_changes(store, run_id, error.problem, anchor)
        if state_dir:
            write_anchor(state_dir, store, replace=True)


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


def _first_attempts(
    attempts: Sequence[AttemptRow],
) -> tuple[list[AttemptRow], list[AttemptRow], dict[str, AttemptRow]]:
    """Returns the attempts to continue, one per task, their hedges, and by task the attempts of reviewers."""
    first: dict[str, AttemptRow] = {}
    reviewers = {each.task_id: each for each in attempts if each.role == REVIEW}
    workers = [each for each in attempts if each.role != REVIEW]
    for attempt in sorted(workers, key=lambda each: each.number):
        first.setdefault(attempt.task_id, attempt)
    return list(first.values()), [each for each in workers if first[each.task_id] is not each], reviewers


def _options_of(row: RunRow) -> RunOptions:
    """Returns the options that the journal keeps of a run."""
    stored = row.options or StoredOptions()
    return RunOptions(
        default_agent=row.default_agent,
        cwd=row.cwd,
        spool=row.spool,
        kind=row.kind,
        source=TaskSource.of(stored),
        limit_usd=stored.limit_usd,
        isolation=stored.isolation,
        overlaps="allow" if stored.overlaps == "allow" else "wait",
        max_concurrent=row.max_concurrent,
        default_timeout_s=row.default_timeout_s,
    )


def _orders(run_id: str, options: RunOptions) -> OrderBuilder:
    return OrderBuilder(
        run_id=run_id,
        cwd=options.cwd.resolve(),
        spool=options.spool.resolve() / run_id,
        default_agent=options.default_agent,
        default_timeout_s=options.default_timeout_s,
        environ=dict(os.environ if options.environ is None else options.environ),
        gated=options.gate is not None,
    )


def _check_agents(graph: TaskGraph, backends: Mapping[str, Backend], options: RunOptions) -> None:
    """Sees that every agent of a task, and every fallback, has a backend.

    Raises:
        BackendError: One has none.
    """
    agents = {task.agent or options.default_agent for task in attempted(graph.tasks.values())}
    agents |= {task.reviewer.agent for task in graph.tasks.values() if task.reviewer and task.reviewer.agent}
    if options.isolation is not None and options.isolation.resolver is not None:
        agents.add(options.isolation.resolver)
    for agent in sorted(agents):
        if agent not in backends:
            close = get_close_matches(agent, backends, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            known = ", ".join(sorted(backends)) or "none"
            raise BackendError(agent, f"has no backend; there are: {known}{hint}")
    recovery = settings_of(options.recovery)
    if recovery is not None:
        check_fallbacks(recovery.fallbacks, backends)


def _write_new_run(store: Journal, created: RunCreated, graph: TaskGraph) -> str:
    """Finds a free name by the time and writes the run with its tasks, all in one transaction."""
    moment = int(time.time() * 1000)
    names = (f"{created.run_kind}-{moment + extra}" for extra in range(10_000))
    return store.create_run(names, created, tasks_added(list(graph.tasks.values()), first_position=0))
