"""All that the stages of an attempt share in one execution of a run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aurora_spawner.backends.cli import has_gate
from aurora_spawner.board.digest import BoardOfTask
from aurora_spawner.runs.handing_over import read_earlier
from aurora_spawner.runs.task_result import TASK_CANCELLED, without_attempt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from aurora_spawner.attempts.executor import AttemptOrder, Executor
    from aurora_spawner.backends.base import Backend
    from aurora_spawner.board.board import Board
    from aurora_spawner.gates.tool_calls import ToolCallGate
    from aurora_spawner.recovery.no_recovery import NoRecovery
    from aurora_spawner.recovery.run_recovery import RunRecovery
    from aurora_spawner.recovery.timeouts import TimeLimits
    from aurora_spawner.runs.approval_inbox import ApprovalInbox
    from aurora_spawner.runs.attempt import Attempt
    from aurora_spawner.runs.attempt_orders import OrderBuilder
    from aurora_spawner.runs.attempt_watch import AttemptWatch
    from aurora_spawner.runs.batch_breaker import BatchBreaker
    from aurora_spawner.runs.callbacks import Callbacks
    from aurora_spawner.runs.notifier import Notifier
    from aurora_spawner.runs.recorder import Recorder
    from aurora_spawner.runs.run_options import RunOptions
    from aurora_spawner.runs.run_tasks import RunTasks
    from aurora_spawner.runs.scheduler import Scheduler
    from aurora_spawner.runs.task_checks import TaskChecks
    from aurora_spawner.runs.work_group import WorkGroup
    from aurora_spawner.tasks.handover import EarlierAttempt
    from aurora_spawner.tasks.lessons import GivenLesson
    from aurora_spawner.tasks.result import SpawnResult, TaskState
    from aurora_spawner.tasks.task import SpawnTask
    from aurora_spawner.workspaces.run_worktrees import RunWorktrees
    from aurora_spawner.workspaces.worktrees import Worktree

    Stage = Callable[["RunContext", Attempt], Awaitable[Attempt]]
    """Takes what is known of an attempt, and returns it with its own findings."""


@dataclass(slots=True, kw_only=True)
class Wishes:
    """The wishes of users for the run."""

    ending: str | None = None
    """The reason for which the run is to end early; None if it is not."""
    at_once: bool = False
    """Attempts get no time to end by themselves."""
    paused: bool = False
    """Nothing more starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """The parts of a coordinator, for the functions that take a task through its attempts."""

    orders: OrderBuilder
    options: RunOptions
    tasks: RunTasks
    scheduler: Scheduler
    backends: Mapping[str, Backend]
    executor: Executor
    recovery: RunRecovery | NoRecovery
    recorder: Recorder
    notifier: Notifier
    work: WorkGroup
    watch: AttemptWatch
    breaker: BatchBreaker
    callbacks: Callbacks
    notices: list[str]
    """Sentences for the report of the run."""
    dispatch: Callable[[], None]
    """Starts what may start; called whenever a slot is free or a task is ready."""
    checks: TaskChecks
    approvals: ApprovalInbox
    """Asks a person, for any gate."""
    board: Board
    """The posts of the agents and the user of the run."""
    stages: Sequence[Stage]
    """The stages of an attempt, in their order."""
    worktrees: RunWorktrees | None = None
    """None if all tasks work in the run's folder."""
    wishes: Wishes = field(default_factory=Wishes)

    def task(self, task_id: str) -> SpawnTask:
        """Returns a task as it is now."""
        return self.tasks.tasks[task_id]

    @property
    def elsewhere(self) -> bool:
        """True if agents work on other machines, where folders are looked at by those who run them."""
        return self.options.pool is not None

    def agent_of(self, task_id: str) -> str:
        """Returns the agent that has a task now."""
        return self.recovery.agent_of(self.tasks.tasks[task_id])

    def stopping(self, task_id: str) -> bool:
        """Returns True if the task or the whole run is to end."""
        return self.wishes.ending is not None or self.tasks.cancelled(task_id)

    def cwd_of(self, worktree: Worktree | None) -> Path:
        """Returns the folder in which an agent works."""
        if worktree is None or self.worktrees is None:
            return self.orders.cwd
        return self.worktrees.cwd_of(worktree)

    async def earlier(self, task_id: str, *, number: int, worktree: Worktree | None) -> EarlierAttempt | None:
        """Returns what the attempt before one of this number has left; None if there is none, or nothing of it."""
        if number == 1:
            return None
        return await asyncio.to_thread(
            read_earlier,
            self.orders.spool,
            position=self.tasks.positions[task_id],
            task=self.task(task_id),
            number=number,
            backends=self.backends,
            worktree=worktree,
            problem=self.tasks.flight(task_id).problem,
        )

    def order(
        self,
        task_id: str,
        *,
        number: int,
        agent: str,
        worktree: Worktree | None,
        earlier: EarlierAttempt | None = None,
        lessons: Sequence[GivenLesson] = (),
    ) -> AttemptOrder:
        """Returns the order for an attempt of an agent.

        Args:
            earlier: What the attempt before has left.
            lessons: Those of earlier work, for an agent that begins.

        Raises:
            BackendError: The agent's program cannot be found.
        """
        task, flight = self.task(task_id), self.tasks.flight(task_id)
        backend = self.backends[agent]
        return self.orders.order(
            task,
            number=number,
            position=self.tasks.positions[task_id],
            backend=backend,
            cwd=self.cwd_of(worktree),
            worktree=None if worktree is None else worktree.path,
            variables={} if worktree is None else worktree.variables,
            before=self.tasks.before(task),
            deadline_s=self.limits(task, default_s=self.orders.time_limit_s(task, backend)).hard_s,
            open_tasks=self.scheduler.open,
            sent_back=flight.sent_back,
            handed_back=flight.handed_back,
            earlier=earlier,
            claims=self.scheduler.claims.others(task),
            board=BoardOfTask(board=self.board, task_id=task_id, agent=agent, seen=flight.posts_seen),
            hints=self._hints(task, backend, self.cwd_of(worktree)),
            lessons=lessons,
        )

    async def lessons(self, task_id: str, agent: str) -> Sequence[GivenLesson]:
        """Returns the lessons of earlier work for an agent that begins; their source may wait for other processes."""
        source = self.options.lessons
        if source is None:
            return ()
        return await asyncio.to_thread(source.given, self.recorder.run_id, self.task(task_id), agent)

    def _hints(self, task: SpawnTask, backend: Backend, workspace: Path) -> tuple[str, ...]:
        """Returns what the gate says to a task before its agent works; nothing for one that is not gated."""
        gate = self.gate_of(backend)
        return () if gate is None else gate.hints(backend.name, task.prompt, workspace)

    def gate_of(self, backend: Backend) -> ToolCallGate | None:
        """Returns the gate that an agent's hook asks before each tool call; None for an agent that is not gated."""
        return self.options.gate if has_gate(backend) else None

    def limits(self, task: SpawnTask, *, default_s: float | None) -> TimeLimits:
        """Returns the time limits of a task's next attempt."""
        asked_s = task.timeout_s or self.backends[self.recovery.agent_of(task)].timeout_s
        return self.recovery.limits(task, explicit_s=asked_s, default_s=default_s)

    def without_attempt(self, task_id: str, state: TaskState, error: str) -> SpawnResult:
        """Returns the result of a task that nothing was run for."""
        reason = TASK_CANCELLED if self.tasks.cancelled(task_id) else None
        return without_attempt(self.task(task_id), state, error, agent=self.agent_of(task_id), reason=reason)
