"""A durable run: a graph of tasks, a journal, and the one way to execute it."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Self

from aurora_spawner.attempts.attempt_folder import SOCKET_NAME as CONTROL_SOCKET
from aurora_spawner.attempts.process_identity import own_identity
from aurora_spawner.errors import BackendError
from aurora_spawner.gates.hook_command import SOCKET_NAME
from aurora_spawner.journal.anchor import write_anchor
from aurora_spawner.journal.approval_views import load_approvals, load_used_approvals
from aurora_spawner.journal.claim_views import load_seen_files
from aurora_spawner.journal.post_views import load_posts
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.take_overs import load_take_overs
from aurora_spawner.journal.views import StoredOptions, count_reviewing, load_attempts, load_run, load_tasks
from aurora_spawner.journal.writer import GroupWriter
from aurora_spawner.recovery.fallbacks import check_fallbacks
from aurora_spawner.recovery.no_recovery import NoRecovery
from aurora_spawner.recovery.restore import restore_recovery
from aurora_spawner.recovery.run_recovery import RunRecovery
from aurora_spawner.recovery.settings import settings_of
from aurora_spawner.runs.attempt_orders import OrderBuilder
from aurora_spawner.runs.candidate_places import check_places
from aurora_spawner.runs.decision_settings import DecisionSettings, settings_of_decisions
from aurora_spawner.runs.execution import Execution
from aurora_spawner.runs.leftovers import announced
from aurora_spawner.runs.resume_state import CUT_OFF, ResumeState, Revision, find_resume_state, tasks_added
from aurora_spawner.runs.run_options import RunOptions, TaskSource
from aurora_spawner.runs.run_record import check_unchanged, write_run
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.candidates import attempted, with_candidates
from aurora_spawner.tasks.graph import TaskGraph, build_graph
from aurora_spawner.workspaces.isolation import MergeMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path
    from typing import Unpack

    from aurora_spawner.attempts.executor import Executor
    from aurora_spawner.backends.base import Backend
    from aurora_spawner.journal.views import RunRow
    from aurora_spawner.recovery.settings import RecoverySettings
    from aurora_spawner.runs.run_options import ResumeOptions
    from aurora_spawner.tasks.result import RunReport
    from aurora_spawner.tasks.run_events import RunEvent
    from aurora_spawner.tasks.task import SpawnTask


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
        _check_places(graph, backends, options)
        run_id = write_run(journal, options, tasks_added(list(graph.tasks.values()), first_position=0))
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
            TaskError: Candidates of a task may write, and the run has no worktrees.
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
        _check_places(state.graph, backends, options)
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
            store.hold(self.run_id, holder=own_identity(), settings=self._settings().to_json()) as lease,
            announced(self.options.state_dir, self.run_id, self.journal) as unannounced,
        ):
            state = self._resume_state(store)
            recovery = self._recovery(store, state)
            writer = GroupWriter(store, lease=lease)
            try:
                asked = load_approvals(store, self.run_id)
                used = load_used_approvals(store, self.run_id)
                posted = load_posts(store, self.run_id)
                taken = load_take_overs(store, self.run_id)
                execution = Execution(
                    run_id=self.run_id,
                    backends=self.backends,
                    options=self.options,
                    orders=self.orders,
                    executor=self.executor,
                    state=state,
                    recovery=recovery,
                    writer=writer,
                    on_event=on_event,
                )
                report = await execution.see_through(asked=asked, used=used, posted=posted, taken=taken)
                unnoted = write_anchor(self.options.state_dir, store) if self.options.state_dir else None
                notices = [each for each in (unannounced, unnoted) if each is not None]
                return replace(report, trouble=store.trouble, notices=(*report.notices, *notices))
            finally:
                self.executor.close()
                await writer.close()

    def execute_sync(self, on_event: Callable[[RunEvent], None] | None = None) -> RunReport:
        """`execute` for callers without an event loop."""
        return asyncio.run(self.execute(on_event))

    def _settings(self) -> DecisionSettings:
        return settings_of_decisions(
            self.options, backends=self.backends, recovery=self.recovery, revision=self.revision
        )

    def _resume_state(self, store: Journal) -> ResumeState:
        open_attempts = load_attempts(store, self.run_id, open_only=True)
        reviewing = count_reviewing(store, self.run_id)
        seen = load_seen_files(store, self.run_id, goes_on=CUT_OFF)
        rows = load_tasks(store, self.run_id)
        return find_resume_state(rows, open_attempts, self.revision, reviewing=reviewing, seen=seen)

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


def _options_of(row: RunRow) -> RunOptions:
    """Returns the options that the journal keeps of a run."""
    stored = row.options or StoredOptions()
    return RunOptions(
        default_agent=row.default_agent,
        chosen_because=stored.chosen_because,
        cwd=row.cwd,
        spool=row.spool,
        kind=row.kind,
        source=TaskSource.of(stored),
        limit_usd=stored.limit_usd,
        isolation=stored.isolation,
        sandbox=stored.sandbox,
        pool=stored.pool,
        overlaps="allow" if stored.overlaps == "allow" else "wait",
        max_concurrent=row.max_concurrent,
        default_timeout_s=row.default_timeout_s,
    )


def _orders(run_id: str, options: RunOptions) -> OrderBuilder:
    spool = options.spool.resolve() / run_id
    return OrderBuilder(
        run_id=run_id,
        cwd=options.cwd.resolve(),
        spool=spool,
        default_agent=options.default_agent,
        default_timeout_s=options.default_timeout_s,
        environ=dict(os.environ if options.environ is None else options.environ),
        env_pass=options.env_pass,
        gate=None if options.gate is None else spool / SOCKET_NAME,
        inbox=spool / CONTROL_SOCKET,
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


def _check_places(graph: TaskGraph, backends: Mapping[str, Backend], options: RunOptions) -> None:
    """Sees that candidates that may write have worktrees.

    Raises:
        TaskError: Those of a task have none.
    """
    isolated = options.isolation is not None
    check_places(graph.tasks.values(), backends=backends, default_agent=options.default_agent, isolated=isolated)
