"""A durable run: a graph of tasks, a journal, and the one way to execute it."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from aurora_spawner.coordinator import Assignment, Coordinator
from aurora_spawner.errors import BackendError, SpawnerError
from aurora_spawner.graph import TaskGraph, build_graph
from aurora_spawner.identity import own_identity
from aurora_spawner.interrupts import end_on_signals
from aurora_spawner.journal.facts import Entry, RunCreated, RunEnded, TasksAdded
from aurora_spawner.journal.store import Journal
from aurora_spawner.journal.writer import GroupWriter
from aurora_spawner.local import LocalExecutor, new_token
from aurora_spawner.result import RunReport
from aurora_spawner.scheduler import Limits, Scheduler
from aurora_spawner.task import task_to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from aurora_spawner.backends.base import Backend
    from aurora_spawner.executor import Executor
    from aurora_spawner.result import RunEvent, SpawnResult
    from aurora_spawner.task import SpawnTask

TASKS_PER_EVENT = 500
"""Keeps single events small where a run has very many tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run that the journal knows."""

    run_id: str
    journal: Path
    graph: TaskGraph
    backends: Mapping[str, Backend]
    assignment: Assignment
    limits: Limits
    executor: Executor

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
        executor: Executor | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Self:
        """Check the tasks and write the run down; nothing starts yet.

        Args:
            journal: The database, made when missing.
            backends: By agent name; every task's agent must be among them.
            agent_limits: How many attempts of an agent run at once, where fewer than `max_concurrent`.
            spool: Folder under which the run gets its own.
            environ: What agents inherit; that of this process when None.

        Raises:
            GraphError: Ids or dependencies do not fit together.
            BackendError: A task's agent has no backend.
            JournalError: The journal cannot be written.
        """
        if max_concurrent < 1:
            raise SpawnerError(f"max_concurrent must be at least 1, not {max_concurrent}")
        graph = build_graph(list(tasks))
        _check_agents(graph, backends, default_agent)
        created = RunCreated(
            run_kind=kind,
            cwd=str(cwd.resolve()),
            spool=str(spool.resolve()),
            max_concurrent=max_concurrent,
            default_agent=default_agent,
            default_timeout_s=default_timeout_s,
        )
        with Journal(journal) as store:
            run_id = _write_new_run(store, created, graph)
        return cls(
            run_id=run_id,
            journal=journal,
            graph=graph,
            backends=backends,
            assignment=Assignment(
                run_id=run_id,
                cwd=cwd.resolve(),
                spool=spool.resolve() / run_id,
                default_agent=default_agent,
                default_timeout_s=default_timeout_s,
                environ=dict(os.environ if environ is None else environ),
            ),
            limits=Limits(max_concurrent=max_concurrent, per_agent=agent_limits or {}),
            executor=executor or LocalExecutor(),
        )

    async def execute(self, on_event: Callable[[RunEvent], None] | None = None) -> RunReport:
        """Run the tasks to their ends.

        SIGINT, SIGTERM and SIGHUP end the run in order (a second SIGINT at once), and so does the cancellation of the
        caller: agents are stopped with everything they started, the journal is written, then this returns, or raises
        the cancellation.

        Raises:
            RunHeldError: Another coordinator works on this run.
            JournalError: The journal could not be written; the agents have been stopped.
        """
        with Journal(self.journal) as store:
            lease = new_token()
            store.take(self.run_id, lease=lease, holder=own_identity())
            writer = GroupWriter(store, lease=lease)
            try:
                return await self._execute(writer, on_event)
            finally:
                await writer.close()

    def execute_sync(self, on_event: Callable[[RunEvent], None] | None = None) -> RunReport:
        """`execute` for callers without an event loop."""
        return asyncio.run(self.execute(on_event))

    async def _execute(self, writer: GroupWriter, on_event: Callable[[RunEvent], None] | None) -> RunReport:
        started = time.monotonic()
        coordinator = self._coordinator(writer, on_event)
        driving = asyncio.ensure_future(coordinator.drive([]))
        with end_on_signals(lambda _name, at_once: coordinator.end("interrupted", at_once=at_once)):
            cancelled = await _see_through(driving, coordinator)
        report = self._report(coordinator, time.monotonic() - started)
        await writer.write(Entry(run_id=self.run_id, fact=RunEnded(state=report.state, notices=list(report.notices))))
        if cancelled:
            raise asyncio.CancelledError
        return report

    def _coordinator(self, writer: GroupWriter, on_event: Callable[[RunEvent], None] | None) -> Coordinator:
        scheduler = Scheduler(self.graph, limits=self.limits, agent_of=self.assignment.agent_of, states={})
        return Coordinator(
            self.assignment,
            graph=self.graph,
            scheduler=scheduler,
            backends=self.backends,
            executor=self.executor,
            writer=writer,
            results={},
            attempts={},
            on_event=on_event,
        )

    def _report(self, coordinator: Coordinator, duration_s: float) -> RunReport:
        def result_of(task_id: str) -> SpawnResult:
            return coordinator.results.get(task_id) or coordinator.unfinished_result(task_id)

        return RunReport(
            run_id=self.run_id,
            results={task_id: result_of(task_id) for task_id in self.graph.tasks},
            duration_s=duration_s,
            interrupted=coordinator.ending == "interrupted",
            cancelled_by_user=coordinator.ending == "cancelled",
            notices=tuple(coordinator.notices),
        )


async def _see_through(driving: asyncio.Future[None], coordinator: Coordinator) -> bool:
    """Wait for the end of the drive; a cancellation of the waiter ends the run in order and is reported."""
    cancelled = False
    while not driving.done():
        try:
            await asyncio.shield(driving)
        except asyncio.CancelledError:
            cancelled = True
            coordinator.end("interrupted")
    driving.result()
    return cancelled


def _check_agents(graph: TaskGraph, backends: Mapping[str, Backend], default_agent: str) -> None:
    for agent in {task.agent or default_agent for task in graph.tasks.values()}:
        if agent not in backends:
            known = ", ".join(sorted(backends)) or "none"
            raise BackendError(agent, f"has no backend; there are: {known}")


def _write_new_run(store: Journal, created: RunCreated, graph: TaskGraph) -> str:
    """Find a free name by the time and write the run with its tasks, all in one transaction."""
    moment = int(time.time() * 1000)
    stored = [{**task_to_json(task), "content_hash": task.content_hash} for task in graph.tasks.values()]
    return store.create_run(
        (f"{created.run_kind}-{moment + extra}" for extra in range(10_000)),
        created,
        [
            TasksAdded(first_position=start, tasks=stored[start : start + TASKS_PER_EVENT])
            for start in range(0, len(stored), TASKS_PER_EVENT)
        ],
    )
