"""A durable run: a graph of tasks, a journal, and the one way to execute it."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Self

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd
from aurora_spawner.attempts.process_identity import own_identity
from aurora_spawner.errors import BackendError, JournalChangedError, SpawnerError
from aurora_spawner.journal.anchor import note_head, read_anchor
from aurora_spawner.journal.audit import accept_changes, check_run
from aurora_spawner.journal.facts import AttemptEnded, RunCreated, RunEnded, entry_of
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.views import load_attempts, load_run, load_tasks
from aurora_spawner.journal.writer import GroupWriter
from aurora_spawner.limits.token_bucket import TokenBucket
from aurora_spawner.recovery.fallbacks import check_fallbacks
from aurora_spawner.recovery.no_recovery import NoRecovery
from aurora_spawner.recovery.restore import restore_recovery
from aurora_spawner.recovery.run_recovery import RunRecovery
from aurora_spawner.recovery.settings import RecoverySettings, settings_of
from aurora_spawner.runs.attempt_orders import OrderBuilder
from aurora_spawner.runs.control_server import listening
from aurora_spawner.runs.coordinator import Coordinator
from aurora_spawner.runs.leftovers import announced
from aurora_spawner.runs.resume_state import Revision, Standing, find_standing, tasks_added
from aurora_spawner.runs.run_options import Conduct, FoundAttempt
from aurora_spawner.runs.scheduler import Limits, Scheduler
from aurora_spawner.runs.signals import end_on_signals
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks import run_events
from aurora_spawner.tasks.graph import TaskGraph, build_graph
from aurora_spawner.tasks.growth import DEFAULT_MAX_ADDED
from aurora_spawner.tasks.result import RunReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from aurora_spawner.attempts.executor import Executor
    from aurora_spawner.backends.base import Backend
    from aurora_spawner.journal.views import AttemptRow, RunOptions
    from aurora_spawner.limits.prices import PriceTable
    from aurora_spawner.recovery.policy import RecoveryPolicy
    from aurora_spawner.tasks.growth import Expansion
    from aurora_spawner.tasks.run_events import RunEvent
    from aurora_spawner.tasks.task import SpawnTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run that the journal knows; `create` makes a new one, `resume` finds one that was begun."""

    run_id: str
    journal: Path
    backends: Mapping[str, Backend]
    orders: OrderBuilder
    limits: Limits
    executor: Executor
    conduct: Conduct = field(default_factory=Conduct)
    revision: Revision = field(default_factory=Revision)
    recovery: RecoverySettings | None = None
    state_dir: Path | None = None
    """The user's own folder, where the journal's head is noted; None notes it nowhere."""

    @classmethod
    def create(
        cls,
        journal: Path,
        tasks: Iterable[SpawnTask],
        backends: Mapping[str, Backend],
        *,
        default_agent: str,
        kind: str = "spawn",
        max_concurrent: int = 4,
        agent_limits: Mapping[str, int] | None = None,
        default_timeout_s: float | None = None,
        cwd: Path,
        spool: Path,
        start_rate_per_s: float | None = None,
        expand: Expansion | None = None,
        max_added: int = DEFAULT_MAX_ADDED,
        recovery: RecoverySettings | RecoveryPolicy | None = None,
        prices: PriceTable | None = None,
        options: RunOptions | None = None,
        state_dir: Path | None = None,
        executor: Executor | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Self:
        """Checks the tasks and writes the run down; nothing starts yet.

        Args:
            journal: The database, made when missing.
            backends: By agent name; every task's agent must be among them.
            agent_limits: How many attempts of an agent run at once, where fewer than `max_concurrent`.
            spool: Folder under which the run gets its own.
            start_rate_per_s: Spaces the starts of tasks; None starts them as they come.
            expand: Called with each task that succeeded and its result; the tasks it returns join the run, and what
                waits for the task waits for them, too.
            max_added: How many tasks may join in all.
            recovery: What is done about failures; None leaves each task its first failure.
            prices: For results of agents that tell tokens and no money; None leaves their cost unknown.
            options: Kept with the run for whoever resumes it: its task file, what it may cost.
            state_dir: The user's own folder; the journal's head is noted there, so that a journal that was cut or
                written anew is found. None notes it nowhere.
            environ: What agents inherit; that of this process when None.

        Raises:
            GraphError: Ids or dependencies do not fit together.
            BackendError: A task's agent, or a fallback, has no backend.
            JournalError: The journal cannot be written.
        """
        if max_concurrent < 1:
            raise SpawnerError(f"max_concurrent must be at least 1, not {max_concurrent}")
        graph = build_graph(list(tasks))
        _check_agents(graph, backends, default_agent)
        settings = _checked(recovery, backends)
        created = RunCreated(
            run_kind=kind,
            cwd=str(cwd.resolve()),
            spool=str(spool.resolve()),
            max_concurrent=max_concurrent,
            default_agent=default_agent,
            default_timeout_s=default_timeout_s,
            options=options.to_json() if options else None,
        )
        with Journal(journal) as store:
            new = store.connection.execute("SELECT 1 FROM events LIMIT 1").fetchone() is None
            anchor = read_anchor(state_dir, journal) if state_dir and not new else None
            if anchor is not None:
                store.expect(anchor.seq)
            run_id = _write_new_run(store, created, graph)
            if new and state_dir:
                note_head(state_dir, store, begun=True)
        return cls(
            run_id=run_id,
            journal=journal,
            backends=backends,
            orders=_orders(run_id, created, environ),
            limits=Limits(max_concurrent=max_concurrent, per_agent=agent_limits or {}),
            executor=executor or LocalExecutor(),
            conduct=_conduct(start_rate_per_s, expand, max_added, prices),
            recovery=settings,
            state_dir=state_dir,
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
        max_concurrent: int | None = None,
        agent_limits: Mapping[str, int] | None = None,
        start_rate_per_s: float | None = None,
        expand: Expansion | None = None,
        max_added: int = DEFAULT_MAX_ADDED,
        recovery: RecoverySettings | RecoveryPolicy | None = None,
        prices: PriceTable | None = None,
        state_dir: Path | None = None,
        accept_changes: bool = False,
        checked: bool = False,
        executor: Executor | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Self:
        """Finds a run that was begun; `execute` then goes on where it stands.

        Attempts that still run are adopted, those that ended meanwhile are harvested, finished tasks stay finished.

        Args:
            tasks: As they are now, when they may have been edited. A task whose content has changed runs again, a
                new one joins, an unfinished one that is gone is left out. None takes them from the journal.
            retry_failed: Also run what failed, was skipped or was cancelled.
            max_concurrent: Instead of the run's own limit.
            start_rate_per_s: As in `create`; so are `expand`, `max_added`, `recovery`, `prices` and `state_dir`.
            accept_changes: Go on though the run's part of the journal is not as it was written: what its events say
                holds, and the journal notes that this was accepted.
            checked: Whether the caller has just done so with `check_unchanged`, which takes 0.1 s for 1,000 tasks.

        Raises:
            UnknownRunError: The journal has no such run.
            JournalChangedError: Its part of the journal is not as it was written.
            GraphError: The edited tasks do not fit together.
            BackendError: A task's agent has no backend.
        """
        revision = Revision(tasks=None if tasks is None else tuple(tasks), retry_failed=retry_failed)
        with Journal(journal) as store:
            if not checked:
                check_unchanged(store, run_id, state_dir, accept=accept_changes)
            row = load_run(store, run_id)
            standing = find_standing(load_tasks(store, run_id), (), revision)
        _check_agents(standing.graph, backends, row.default_agent)
        settings = _checked(recovery, backends)
        created = RunCreated(
            run_kind=row.kind,
            cwd=str(row.cwd),
            spool=str(row.spool),
            max_concurrent=max_concurrent or row.max_concurrent,
            default_agent=row.default_agent,
            default_timeout_s=row.default_timeout_s,
        )
        return cls(
            run_id=run_id,
            journal=journal,
            backends=backends,
            orders=_orders(run_id, created, environ),
            limits=Limits(max_concurrent=created.max_concurrent, per_agent=agent_limits or {}),
            executor=executor or LocalExecutor(),
            conduct=_conduct(start_rate_per_s, expand, max_added, prices),
            recovery=settings,
            revision=revision,
            state_dir=state_dir,
        )

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
            announced(self.state_dir, self.run_id, self.journal) as unannounced,
        ):
            standing = self._standing(store)
            recovery = self._recovery(store, standing)
            writer = GroupWriter(store, lease=lease)
            try:
                report = await self._execute(standing, recovery, writer, on_event)
                unnoted = note_head(self.state_dir, store) if self.state_dir else None
                notices = [each for each in (unannounced, unnoted) if each is not None]
                return replace(report, trouble=store.trouble, notices=(*report.notices, *notices))
            finally:
                self.executor.close()
                await writer.close()

    def execute_sync(self, on_event: Callable[[RunEvent], None] | None = None) -> RunReport:
        """`execute` for callers without an event loop."""
        return asyncio.run(self.execute(on_event))

    def _standing(self, store: Journal) -> Standing:
        open_attempts = load_attempts(store, self.run_id, open_only=True)
        return find_standing(load_tasks(store, self.run_id), open_attempts, self.revision)

    async def _execute(
        self,
        standing: Standing,
        recovery: RunRecovery | NoRecovery,
        writer: GroupWriter,
        on_event: Callable[[RunEvent], None] | None,
    ) -> RunReport:
        started = time.monotonic()
        for task_id, fact in standing.changes:
            writer.post(entry_of(fact, run_id=self.run_id, task_id=task_id))
        coordinator = self._coordinator(standing, writer, recovery, on_event)
        # From here to the last word in the journal: a signal in between would leave a run that looks crashed.
        with end_on_signals(lambda _name, at_once: coordinator.end("interrupted", at_once=at_once)):
            first, hedges = _first_attempts(standing.open_attempts)
            found = [await self._find(attempt) for attempt in first]
            for attempt in (*standing.outdated_attempts, *hedges):
                await self._end_outdated(attempt, writer)
            driving = asyncio.ensure_future(coordinator.drive(found))
            async with listening(coordinator, self.orders.spool):
                cancelled = await _see_through(driving, coordinator)
            report = self._report(coordinator, recovery, time.monotonic() - started)
            ended = RunEnded(state=report.state, notices=list(report.notices))
            await writer.write(entry_of(ended, run_id=self.run_id))
            coordinator.emit(run_events.RunEnded(state=report.state))
        if cancelled:
            raise asyncio.CancelledError
        return report

    async def _find(self, attempt: AttemptRow) -> FoundAttempt:
        found = await self.executor.adopt(token=attempt.token, folder=attempt.folder, supervisor=attempt.supervisor)
        return FoundAttempt(task_id=attempt.task_id, number=attempt.number, found=found)

    async def _end_outdated(self, attempt: AttemptRow, writer: GroupWriter) -> None:
        """Ends an attempt at the old text of a task that has been edited or is gone."""
        found = (await self._find(attempt)).found
        if not isinstance(found, AttemptEnd):
            self.executor.cancel(found, at_once=False)
            found = await self.executor.collect(found)
        ended = AttemptEnded(
            number=attempt.number,
            reason=EndReason.OUTDATED,
            exit_code=None,
            record=None,
            survivors=list(found.survivors),
        )
        writer.post(entry_of(ended, run_id=self.run_id, task_id=attempt.task_id))

    def _recovery(self, store: Journal, standing: Standing) -> RunRecovery | NoRecovery:
        if self.recovery is None:
            return NoRecovery(first_agent=self.orders.agent_of)
        return RunRecovery(
            self.recovery,
            run_id=self.run_id,
            backends=self.backends,
            agent_of=self.orders.agent_of,
            standing=restore_recovery(
                store,
                self.run_id,
                self.recovery.policy,
                probation=self.revision.retry_failed or standing.asks_providers_anew,
                restarted=standing.begun_anew,
            ),
        )

    def _coordinator(
        self,
        standing: Standing,
        writer: GroupWriter,
        recovery: RunRecovery | NoRecovery,
        on_event: Callable[[RunEvent], None] | None,
    ) -> Coordinator:
        scheduler = Scheduler(
            standing.graph,
            limits=self.limits,
            agent_of=recovery.agent_of,
            states=standing.states,
            positions=standing.positions,
            admits=recovery.admits,
        )
        return Coordinator(
            self.orders,
            standing=standing,
            scheduler=scheduler,
            backends=self.backends,
            executor=self.executor,
            writer=writer,
            conduct=self.conduct,
            recovery=recovery,
            on_event=on_event,
        )

    def _report(self, coordinator: Coordinator, recovery: RunRecovery | NoRecovery, duration_s: float) -> RunReport:
        return RunReport(
            run_id=self.run_id,
            results=coordinator.all_results(),
            duration_s=duration_s,
            interrupted=coordinator.ending == "interrupted",
            cancelled_by_user=coordinator.ending == "cancelled",
            notices=(*coordinator.notices, *([recovery.trouble] if recovery.trouble else ())),
            recovery_metrics=recovery.metrics,
        )


def check_unchanged(store: Journal, run_id: str, state_dir: Path | None, *, accept: bool) -> None:
    """Holds a run against its hashes before anything of it starts.

    Raises:
        JournalChangedError: It is not as it was written, and `accept` is false.
    """
    anchor = read_anchor(state_dir, store.path) if state_dir else None
    try:
        check_run(store, run_id, anchor)
    except JournalChangedError as error:
        if not accept:
            raise
        accept_changes(store, run_id, error.problem, anchor)
        if state_dir:
            note_head(state_dir, store, anew=True)


async def _see_through(driving: asyncio.Future[None], coordinator: Coordinator) -> bool:
    """Waits for the end of the drive; a cancellation of the waiter ends the run in order and is reported."""
    cancelled = False
    while not driving.done():
        try:
            await asyncio.shield(driving)
        except asyncio.CancelledError:
            cancelled = True
            coordinator.end("interrupted")
    driving.result()
    return cancelled


def _first_attempts(attempts: Sequence[AttemptRow]) -> tuple[list[AttemptRow], list[AttemptRow]]:
    """The attempts to go on with, one a task, and those that were begun beside them."""
    first: dict[str, AttemptRow] = {}
    for attempt in sorted(attempts, key=lambda each: each.number):
        first.setdefault(attempt.task_id, attempt)
    return list(first.values()), [each for each in attempts if first[each.task_id] is not each]


def _checked(
    recovery: RecoverySettings | RecoveryPolicy | None, backends: Mapping[str, Backend]
) -> RecoverySettings | None:
    settings = settings_of(recovery)
    if settings is not None:
        check_fallbacks(settings.fallbacks, backends)
    return settings


def _conduct(
    rate_per_s: float | None, expand: Expansion | None, max_added: int, prices: PriceTable | None
) -> Conduct:
    pace = None if rate_per_s is None else TokenBucket(rate_per_s)
    return Conduct(pace=pace, expand=expand, max_added=max_added, prices=prices)


def _orders(run_id: str, created: RunCreated, environ: Mapping[str, str] | None) -> OrderBuilder:
    return OrderBuilder(
        run_id=run_id,
        cwd=Path(created.cwd),
        spool=Path(created.spool) / run_id,
        default_agent=created.default_agent,
        default_timeout_s=created.default_timeout_s,
        environ=dict(os.environ if environ is None else environ),
    )


def _check_agents(graph: TaskGraph, backends: Mapping[str, Backend], default_agent: str) -> None:
    for agent in sorted({task.agent or default_agent for task in graph.tasks.values()}):
        if agent not in backends:
            close = get_close_matches(agent, backends, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            known = ", ".join(sorted(backends)) or "none"
            raise BackendError(agent, f"has no backend; there are: {known}{hint}")


def _write_new_run(store: Journal, created: RunCreated, graph: TaskGraph) -> str:
    """Finds a free name by the time and writes the run with its tasks, all in one transaction."""
    moment = int(time.time() * 1000)
    names = (f"{created.run_kind}-{moment + extra}" for extra in range(10_000))
    return store.create_run(names, created, tasks_added(list(graph.tasks.values()), first_position=0))
