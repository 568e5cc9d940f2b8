"""Tools that start, watch and cancel runs."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from mcp.server.mcpserver import Context  # noqa: TC002 -- read at run time
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from aurora_cli import background
from aurora_cli.mcp_server.documents import MAX_TEXT, Cancelled, Logs, Run, RunLine, Runs
from aurora_core import Memory
from aurora_spawner.control.logs import task_outputs
from aurora_spawner.control.lookup import find_run
from aurora_spawner.errors import UnknownTaskError

if TYPE_CHECKING:
    from aurora_cli.mcp_server.service import ProjectService
    from aurora_soar import SpawnPlan
    from aurora_soar.aurora.root import Aurora

__all__ = ["STARTING", "RunTools", "run_document"]

STARTING = frozenset({"spawn_task", "spawn_tasks"})
"""The tools that start a run."""
LONGEST_WAIT_S = 3600.0
FOLLOW_S = 0.5
"""Between two looks at a run whose end somebody waits for; a change of the journal is cheap to see."""

Wait = Annotated[
    float,
    Field(
        ge=0,
        le=LONGEST_WAIT_S,
        description="Seconds to wait for its end, with progress; 0 returns at once, and run_status has the rest",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTools:
    """Runs of the project: under its policies and the user's budget, each in a process of its own."""

    project: ProjectService

    async def spawn_task(
        self,
        prompt: Annotated[str, Field(min_length=1, max_length=200_000, description="What the agent is to do")],
        context: Context,
        agent: Annotated[str | None, Field(description="An agent or persona; the default agent if left out")] = None,
        budget_usd: Annotated[float | None, Field(gt=0, description="The most that the run may cost")] = None,
        wait_s: Wait = 0,
    ) -> Run:
        """Gives one task to one coding agent.

        The run goes on if this client ends. The project's own check commands decide whether the work is done.
        """
        plan_it = partial(_plan_task, prompt=prompt, agent=agent, budget_usd=budget_usd)
        return await self._started(plan_it, context, wait_s)

    async def spawn_tasks(
        self,
        taskfile: Annotated[str, Field(description="A Markdown task file of the project, as plan_goal returns it")],
        context: Context,
        budget_usd: Annotated[float | None, Field(gt=0, description="The most that the run may cost")] = None,
        wait_s: Wait = 0,
    ) -> Run:
        """Runs the open tasks of a task file with coding agents, side by side.

        The run goes on if this client ends.
        """
        return await self._started(partial(_plan_file, taskfile=taskfile, budget_usd=budget_usd), context, wait_s)

    async def run_status(
        self,
        run_id: Annotated[str, Field(description="A run's id")],
        wait_s: Wait = 0,
        context: Context | None = None,
    ) -> Run:
        """Shows a run: its progress, what its agents wait for, and the results of its tasks."""
        return await self._followed(run_id, context, wait_s)

    async def runs_list(self) -> Runs:
        """Lists the runs that are running, paused or interrupted."""
        return await self.project.call(_unfinished)

    async def run_logs(
        self,
        run_id: Annotated[str, Field(description="A run's id")],
        task: Annotated[str, Field(description="A task's id")],
    ) -> Logs:
        """Shows the end of the output of a task's agent, while it runs or afterwards."""
        return await self.project.call(partial(_logs, run_id=run_id, task=task))

    async def run_cancel(
        self,
        run_id: Annotated[str, Field(description="A run's id")],
        task: Annotated[str | None, Field(description="One task of it; the whole run if left out")] = None,
    ) -> Cancelled:
        """Cancels a run or one of its tasks, and ends its agents; finished work is kept."""
        return await self.project.call(partial(_cancel, run_id=run_id, task=task))

    async def _started(self, plan_it: partial[SpawnPlan], context: Context, wait_s: float) -> Run:
        run_id = await self.project.call(partial(_start, plan_it=plan_it), slow=True)
        return await self._followed(run_id, context, wait_s)

    async def _followed(self, run_id: str, context: Context | None, wait_s: float) -> Run:
        """Returns a run at its end, or when the time is over; reports each change of its progress."""
        until, told = time.monotonic() + wait_s, -1
        while True:
            run = await self.project.call(partial(run_document, run_id=run_id))
            done, total = _settled(run), sum(run.counts.values())
            if context is not None and done != told:
                told = done
                await context.report_progress(done, total, f"{done} of {total} tasks have ended")
            if run.state != "running" or run.questions or time.monotonic() >= until:
                return run
            await asyncio.sleep(min(FOLLOW_S, max(0.0, until - time.monotonic())))


def run_document(aurora: Aurora, *, run_id: str) -> Run:
    """Returns a run as the journal has it now."""
    (status,) = aurora.status(run_id)
    run, rows = find_run(aurora.project.runs_db, run_id)
    return Run.of(status, rows, run.default_agent)


def _settled(run: Run) -> int:
    return sum(number for state, number in run.counts.items() if state not in ("pending", "running"))


def _plan_task(aurora: Aurora, *, prompt: str, agent: str | None, budget_usd: float | None) -> SpawnPlan:
    # A check is a command that Aurora itself runs, past the gates; a model may not name one.
    return aurora.plan_task(prompt, agent=agent, budget_usd=budget_usd, background=True)


def _plan_file(aurora: Aurora, *, taskfile: str, budget_usd: float | None) -> SpawnPlan:
    if "\0" in taskfile:
        raise ToolError("taskfile has a NUL byte; no file has such a name")
    path = Path(os.path.realpath(aurora.project.root / taskfile))
    if not path.is_relative_to(aurora.project.root.resolve()):
        raise ToolError(f"{taskfile} is not in the project; name a task file below {aurora.project.root}")
    plan = aurora.plan(path, budget_usd=budget_usd, background=True)
    if not plan.file.tasks:
        raise ToolError(f"{taskfile} has no open task; nothing was started")
    return plan


def _start(aurora: Aurora, *, plan_it: partial[SpawnPlan]) -> str:
    """Starts a run of a plan in a process of its own, and returns its id."""
    plan = plan_it(aurora)
    aurora.refresh_memory(plan.agents, Memory.index)
    if not plan.from_file:
        run_id = aurora.new_run(plan).run_id
        background.start(aurora, run_id)
        return run_id
    aurora.check_not_in_use(plan)
    with aurora.start_lock(plan):
        run_id = aurora.new_run(plan).run_id
        background.start(aurora, run_id)
    return run_id


def _unfinished(aurora: Aurora) -> Runs:
    return Runs(runs=[RunLine.of(status) for status in aurora.status()])


def _logs(aurora: Aurora, *, run_id: str, task: str) -> Logs:
    found = task_outputs(aurora.project.runs_db, run_id, task, stream="stdout")
    content = b"".join(each.content for each in found)
    return Logs(
        run_id=run_id,
        task=task,
        text=content[-MAX_TEXT:].decode(errors="backslashreplace"),
        cut=len(content) > MAX_TEXT,
    )


def _cancel(aurora: Aurora, *, run_id: str, task: str | None) -> Cancelled:
    _, rows = find_run(aurora.project.runs_db, run_id)
    if task is not None and task not in {row.task_id for row in rows}:
        raise UnknownTaskError(run_id, task, {row.task_id: row for row in rows})
    before = aurora.cancel(run_id, task_id=task)
    return Cancelled(run_id=run_id, task=task, changed=before is None or not before.settled)
