"""The checks of tasks: which commands a task's work must pass, run in threads beside the event loop."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from aurora_spawner.sandbox.commands import confined_for
from aurora_spawner.supervision.environment import attempt_variables
from aurora_spawner.supervision.orphans import end_orphans
from aurora_spawner.tasks.checked import CheckedWork, CheckOutcome
from aurora_spawner.workspaces.checks import CANNOT_RUN, CommandRunner
from aurora_spawner.workspaces.task_checks import WorkCheck

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from aurora_spawner.runs.run_options import RunOptions
    from aurora_spawner.tasks.checked import CheckRun
    from aurora_spawner.tasks.task import SpawnTask
    from aurora_spawner.tasks.work import TaskWork
    from aurora_spawner.workspaces.run_worktrees import RunWorktrees
    from aurora_spawner.workspaces.worktrees import Worktree


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOrder:
    """The work of one attempt, and the commands for it.

    Attributes:
        token: of the attempt; processes of the checks carry it.
        agent: whose work it is; the commands run in its sandbox.
        cwd: where the agent worked.
        before: the checks of the attempt before.
        stopped: asked while a command runs; True ends it.
    """

    task: SpawnTask
    number: int
    token: str
    agent: str
    commands: tuple[str, ...]
    cwd: Path
    worktree: Worktree | None
    commit: str | None
    before: CheckedWork | None
    stopped: Callable[[], bool]


@dataclass(slots=True, kw_only=True)
class TaskChecks:
    """Runs the checks of a run's tasks."""

    options: RunOptions
    worktrees: RunWorktrees | None
    environment: Mapping[str, str]
    """Of the run, before variables that are not for agents are left out."""
    run_id: str
    _threads: ThreadPoolExecutor | None = field(default=None, repr=False)
    _closed: threading.Event = field(default_factory=threading.Event, repr=False)
    _on_base: dict[tuple[str, str], CheckRun] = field(default_factory=dict, repr=False)
    """The runs of commands on the commits that tasks started from."""

    def commands(self, task: SpawnTask, work: TaskWork | None) -> tuple[str, ...]:
        """Returns the commands that must pass on a task's work: its own, then the run's if it changed something."""
        shared = self.options.checks if work is not None and work.commit else ()
        return tuple(dict.fromkeys((*self.own(task), *shared)))

    def own(self, task: SpawnTask) -> tuple[str, ...]:
        """Returns the commands that a task itself names."""
        if not self.options.run_task_checks:
            return ()
        return task.commands

    async def check(self, order: CheckOrder) -> CheckedWork:
        """Runs the checks of an attempt's work; no process of them is left afterwards.

        Raises:
            CommandStoppedError: They were stopped.
            WorkspaceError: They have destroyed the worktree, or git failed.
        """
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.options.max_concurrent, thread_name_prefix="aurora-check")
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(self._check, order))

    def close(self) -> None:
        """Ends the checks that still run, and lets go of the threads."""
        self._closed.set()
        if self._threads is not None:
            self._threads.shutdown(wait=False)

    def _check(self, order: CheckOrder) -> CheckedWork:
        names = attempt_variables(
            token=order.token, run_id=self.run_id, task_id=str(order.task.id), number=order.number
        )
        runner = CommandRunner(
            environment={**self.environment, **names},
            timeout_s=self.options.check_timeout_s,
            stopped=lambda: self._closed.is_set() or order.stopped(),
            sweep=lambda: end_orphans(order.token, session=None),
            confined=confined_for(self.options.confining, [order.agent]),
        )
        end_orphans(order.token, session=None)  # of checks that were killed together with an earlier coordinator
        return self._on_commit(order, runner) if order.worktree and order.commit else _in_folder(order, runner)

    def _on_commit(self, order: CheckOrder, runner: CommandRunner) -> CheckedWork:
        assert self.worktrees is not None
        assert order.worktree is not None
        assert order.commit is not None
        check = WorkCheck(
            workspaces=self.worktrees.workspaces,
            worktree=order.worktree,
            runner=runner,
            folder=self.worktrees.isolation.folder,
            goal=order.task.until,
            prepare=self.worktrees.preparing(runner),
            on_base=self._on_base,
        )
        return check.check(order.commands, order.commit, number=order.number, before=order.before)


def _in_folder(order: CheckOrder, runner: CommandRunner) -> CheckedWork:
    """Runs the checks of a task without a worktree: there is no commit to compare with."""
    runs = runner.run(order.commands, order.cwd)
    last = runs[-1]
    outcome = CheckOutcome.PASSED if last.passed else CheckOutcome.FAILED
    # A script that cannot be run may be the agent's to write, a program on PATH is not.
    if last.status in CANNOT_RUN and "/" not in last.command.split()[0]:
        outcome = CheckOutcome.CANNOT_RUN
    return CheckedWork(number=order.number, outcome=outcome, runs=runs)
