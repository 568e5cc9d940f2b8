"""The root object: one project, asked questions and given task files to run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_soar.aurora.goal_plans import GoalPlans
from aurora_soar.aurora.interaction import Interaction
from aurora_soar.aurora.questions import Questions
from aurora_soar.aurora.run_work import RunWork
from aurora_soar.errors import NoRetentionError, RetentionError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from aurora_core import Memory
    from aurora_policies.schema import SandboxMode
    from aurora_soar.doctor.enforcement import Enforcement
    from aurora_soar.taskruns.agent_records import AgentRecord
    from aurora_soar.taskruns.execute import TaskRunResult
    from aurora_soar.taskruns.isolation import WantedIsolation
    from aurora_soar.taskruns.limits import RunLimits
    from aurora_soar.taskruns.plan import SpawnPlan
    from aurora_soar.taskruns.resume import ResumePlan
    from aurora_spawner import Run, RunEvent
    from aurora_spawner.control.checkpoints import CleanReport
    from aurora_spawner.control.status import RunStatus
    from aurora_spawner.runs.run_options import Overlaps
    from aurora_spawner.taskfiles.model import Order
    from aurora_spawner.tasks.result import RunState, TaskState

__all__ = ["Aurora"]


class Aurora(Questions, GoalPlans, RunWork, Interaction):
    """A project and what can be done with it; `open` finds it, `ProjectParts` has its parts and the arguments."""

    def plan(
        self,
        taskfile: Path | str,
        *,
        budget_usd: float | None = None,
        sandbox: SandboxMode | None = None,
        order: Order | None = None,
        optional: bool = False,
        match: bool = False,
        background: bool = False,
        isolation: WantedIsolation | None = None,
        candidates: int | None = None,
        overlaps: Overlaps = "wait",
        candidate_agents: tuple[str, ...] = (),
        arguments: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> SpawnPlan:
        """Plans the run of a task file; nothing is started. See `plan_taskfile` for arguments and errors.

        Args:
            key: a name for the start: `start_lock` refuses another start with it, and names the run.
        """
        from aurora_soar.taskruns.plan import plan_taskfile

        plan = plan_taskfile(
            self.project_agents,
            Path(taskfile),
            roster=lambda: self.personas,
            order=order,
            optional=optional,
            background=background,
            match=match,
            budget_usd=budget_usd,
            sandbox=sandbox,
            isolation=isolation,
            candidates=candidates,
            candidate_agents=candidate_agents,
            arguments=arguments,
        )
        return replace(plan, overlaps=overlaps, key=key)

    def plan_task(
        self,
        prompt: str,
        *,
        agent: str | None = None,
        checks: tuple[str, ...] = (),
        budget_usd: float | None = None,
        sandbox: SandboxMode | None = None,
        match: bool = False,
        background: bool = False,
        isolation: WantedIsolation | None = None,
        candidates: int | None = None,
        candidate_agents: tuple[str, ...] = (),
    ) -> SpawnPlan:
        """Plans the run of one task, without a task file; nothing is started. See `plan_one_task`."""
        from aurora_soar.taskruns.one_task import plan_one_task

        return plan_one_task(
            self.project_agents,
            prompt,
            roster=lambda: self.personas,
            agent=agent,
            checks=checks,
            background=background,
            match=match,
            budget_usd=budget_usd,
            sandbox=sandbox,
            isolation=isolation,
            candidates=candidates,
            candidate_agents=candidate_agents,
        )

    def run_taskfile(
        self,
        taskfile: Path | str,
        *,
        budget_usd: float | None = None,
        sandbox: SandboxMode | None = None,
        order: Order | None = None,
        optional: bool = False,
        match: bool = False,
        stagger_s: float = 0.0,
        force: bool = False,
        isolation: WantedIsolation | None = None,
        on_event: Callable[[RunEvent], None] | None = None,
    ) -> TaskRunResult:
        """Runs a task file; see `arun_taskfile`. Must not be called while an event loop runs."""
        import asyncio

        return asyncio.run(
            self.arun_taskfile(
                taskfile,
                budget_usd=budget_usd,
                sandbox=sandbox,
                order=order,
                optional=optional,
                match=match,
                stagger_s=stagger_s,
                force=force,
                isolation=isolation,
                on_event=on_event,
            )
        )

    async def arun_taskfile(
        self,
        taskfile: Path | str,
        *,
        budget_usd: float | None = None,
        sandbox: SandboxMode | None = None,
        order: Order | None = None,
        optional: bool = False,
        match: bool = False,
        stagger_s: float = 0.0,
        force: bool = False,
        isolation: WantedIsolation | None = None,
        on_event: Callable[[RunEvent], None] | None = None,
    ) -> TaskRunResult:
        """Runs the open tasks of a task file, with personas, under the project's policies and the user's budget.

        Boxes are ticked as tasks succeed. If this process is killed, the agents carry on; `resume` continues the run.

        Args:
            budget_usd: the most that the run may cost; the policies' limit if that is less.
            sandbox: the use of a sandbox for agents; the policies' own if that is stricter.
            order: of its tasks, instead of the order that the form of the file has.
            optional: also run the tasks that are marked as optional.
            match: find a persona for tasks that name no agent, or generate one.
            stagger_s: time between two starts; 0 for none.
            force: run the file although another run works on it.
            isolation: where tasks work and where their work goes; None takes the configuration.
            on_event: receives each event of the run.

        Raises:
            TaskFileError, GraphError: the file cannot be understood.
            UnknownAgentError, UntrustedAgentError: a task names an agent that is not there, or not trusted.
            OverLimitError: the run cannot stay within its limits.
            NoSandboxError: a sandbox is required, and none holds here.
            TaskFileInUseError: another run works on the file.
            WorkspaceError: worktrees are asked for, and cannot be made.
        """
        from aurora_soar.taskruns.execute import execute_run, nothing_to_run

        plan = self.plan(
            taskfile,
            budget_usd=budget_usd,
            sandbox=sandbox,
            order=order,
            optional=optional,
            match=match,
            isolation=isolation,
        )
        if not plan.file.tasks:
            return nothing_to_run(plan)
        self.check_not_in_use(plan, force=force)
        self.set_up()
        await self.arefresh_memory(plan.agents)
        async with self.astart_lock(plan, force=force) as release:
            run = self.new_run(plan, stagger_s=stagger_s)
            return await execute_run(
                run,
                plan.file,
                plan.titles,
                on_event=on_event,
                on_start=release,
                outbox=self.outbox,
                pools=self.config.pools,
            )

    def refresh_memory(self, agents: Collection[str], index: Callable[[Memory], object]) -> None:
        """Brings the memory up to date if the local agent, which answers from it, is among a run's agents.

        Args:
            index: indexes the memory; for example with a display of its progress, or `Memory.index` alone.
        """
        from aurora_soar.registry import LOCAL_AGENT  # with the spawner

        if LOCAL_AGENT in agents:
            with self.open_memory() as memory:
                index(memory)

    async def arefresh_memory(self, agents: Collection[str]) -> None:
        """Brings the memory up to date as `refresh_memory` does; a cancellation ends the indexing."""
        from aurora_soar.registry import LOCAL_AGENT  # with the spawner

        if LOCAL_AGENT in agents:
            with self.open_memory() as memory:
                await memory.aindex()

    def check_key_is_free(self, plan: SpawnPlan) -> None:
        """Refuses a plan whose key a run has.

        Raises:
            StartedBeforeError: one has it; the error names it.
        """
        from aurora_soar.taskruns.start import check_key_is_free

        check_key_is_free(self.project, plan.key)

    def check_not_in_use(self, plan: SpawnPlan, *, force: bool = False) -> None:
        """Refuses a plan whose task file a run works on; with `force` only warns.

        Raises:
            TaskFileInUseError: a run works on it.
        """
        from aurora_soar.taskruns.start import check_not_in_use

        check_not_in_use(self.project, plan.file.path, force=force, notify=self.notify)

    def start_lock(self, plan: SpawnPlan, *, force: bool = False) -> AbstractContextManager[Callable[[], None]]:
        """Keeps other processes from starting a run; see `taskruns.start.start_lock`."""
        from aurora_soar.taskruns.start import start_lock

        return start_lock(
            self.project, plan.file.path, as_read=plan.content, key=plan.key, force=force, notify=self.notify
        )

    def astart_lock(self, plan: SpawnPlan, *, force: bool = False) -> AbstractAsyncContextManager[Callable[[], None]]:
        """Keeps others from starting a run, this event loop's other tasks included; see `start_lock`."""
        from aurora_soar.taskruns.start import astart_lock

        return astart_lock(
            self.project, plan.file.path, as_read=plan.content, key=plan.key, force=force, notify=self.notify
        )

    def new_run(self, plan: SpawnPlan, *, stagger_s: float = 0.0, keep_in: Path | None = None) -> Run:
        """Writes a run of a plan into the journal; nothing starts. See `taskruns.execute.new_run`."""
        from aurora_soar.taskruns.execute import new_run

        return new_run(self.project_agents, plan, stagger_s=stagger_s, keep_in=keep_in)

    def resume(
        self,
        run_id: str,
        *,
        retry_failed: bool = False,
        accept_changes: bool = False,
        on_event: Callable[[RunEvent], None] | None = None,
    ) -> TaskRunResult:
        """Resumes a run of a task file; see `aresume`. Must not be called while an event loop runs."""
        import asyncio

        return asyncio.run(
            self.aresume(run_id, retry_failed=retry_failed, accept_changes=accept_changes, on_event=on_event)
        )

    async def aresume(
        self,
        run_id: str,
        *,
        retry_failed: bool = False,
        accept_changes: bool = False,
        on_event: Callable[[RunEvent], None] | None = None,
    ) -> TaskRunResult:
        """Resumes a run of a task file where it stands, within the limit that it was given.

        Finished tasks stay finished, attempts that still work are adopted, and edited tasks run again. The run has as
        many agents at once as before, unless this object was given `max_concurrent`. Tasks that name no agent stay
        with the one that the run was started with, whatever `tool` is.

        Args:
            retry_failed: also run again what failed, was skipped or was cancelled.
            accept_changes: continue although the run's part of the journal was changed.
            on_event: receives each event of the run.

        Raises:
            UnknownRunError: the journal has no such run.
            NotResumableError: it is no run of a task file.
            RunHeldError: another process works on it.
            OverLimitError: nothing is left of its budget.
        """
        from aurora_soar.taskruns.execute import execute_run, resumed_run

        plan = self.plan_resume(run_id, accept_changes=accept_changes)
        run = await resumed_run(
            self.project_agents, plan, max_concurrent=self._max_concurrent, retry_failed=retry_failed
        )
        await self.arefresh_memory(plan.agents)
        return await execute_run(
            run, plan.file, plan.titles, on_event=on_event, outbox=self.outbox, pools=self.config.pools
        )

    def plan_resume(self, run_id: str, taskfile: Path | None = None, *, accept_changes: bool = False) -> ResumePlan:
        """Finds a run and its task file as it is now; see `taskruns.resume.plan_resume`."""
        from aurora_soar.taskruns.resume import plan_resume

        return plan_resume(
            self.project.runs_db,
            run_id,
            backends=lambda: self.agents,
            roster=lambda: self.personas,
            taskfile=taskfile,
            accept_changes=accept_changes,
        )

    def status(self, run_id: str | None = None) -> list[RunStatus]:
        """Returns the status of one run, or of each run that is in progress or was cut off, newest first.

        The parts of questions that were stopped are left out of the latter: their question is listed.

        Raises:
            UnknownRunError: the journal has no such run.
        """
        from aurora_soar.taskruns.run_kinds import is_left_part
        from aurora_spawner.control.status import run_status, unfinished_statuses

        journal = self.project.runs_db
        if run_id is not None:
            return [run_status(journal, run_id)]
        return [status for status in unfinished_statuses(journal) if not is_left_part(status)]

    def cancel(
        self, run_id: str, *, task_id: str | None = None, at_once: bool = False
    ) -> TaskState | RunState | None:
        """Ends a run or one of its tasks, and settles what it cost; see `taskruns.settle.cancel_run`.

        Must not be called while an event loop runs.
        """
        from aurora_soar.taskruns.settle import cancel_run

        return cancel_run(
            self.project.runs_db,
            run_id,
            task_id=task_id,
            at_once=at_once,
            limits_of=self._limits_of,
            notify=self.notify,
        )

    async def acancel(
        self, run_id: str, *, task_id: str | None = None, at_once: bool = False
    ) -> TaskState | RunState | None:
        """Runs `cancel` in a thread."""
        import asyncio

        return await asyncio.to_thread(self.cancel, run_id, task_id=task_id, at_once=at_once)

    def enforcement(self) -> Enforcement:
        """Returns what the policies enforce for which agent; see `doctor.enforcement`."""
        from aurora_soar.doctor.enforcement import enforcement_of

        return enforcement_of(self.agents, self.policies)

    def agent_records(self) -> tuple[AgentRecord, ...]:
        """Returns what each agent has achieved in this project's runs; see `taskruns.agent_records`."""
        from aurora_soar.taskruns.agent_records import agent_records

        return agent_records(self.project.runs_db, self.ledger)

    def over_budget(self, run_id: str, *, per_run_usd: float | None = None) -> tuple[str, ...]:
        """Returns a sentence for each budget that is passed after a run; see `taskruns.spending.over_budget`."""
        from aurora_soar.taskruns.spending import over_budget

        return over_budget(self.policies, run_id, per_run_usd=per_run_usd)

    def clean(self, *, older_than_days: float | None = None) -> CleanReport:
        """Removes the contents of old runs, each after its open reservations are settled.

        Must not be called while an event loop runs.

        Args:
            older_than_days: the least age; None for that of the retention rule, `audit.keep_days`.

        Raises:
            NoRetentionError: there is no age, and no rule.
            RetentionError: the rule keeps such runs for longer.
        """
        from aurora_soar.taskruns.settle import clean_runs

        keep_days = self.config.keep_days
        age = keep_days if older_than_days is None else older_than_days
        if age is None:
            raise NoRetentionError
        if keep_days is not None and age < keep_days:
            raise RetentionError(keep_days)
        return clean_runs(self.project.runs_db, older_than_days=age, keep_days=keep_days, limits_of=self._limits_of)

    async def aclean(self, *, older_than_days: float | None = None) -> CleanReport:
        """Runs `clean` in a thread."""
        import asyncio

        return await asyncio.to_thread(self.clean, older_than_days=older_than_days)

    def _limits_of(self, run_id: str) -> RunLimits | None:
        reserved = self.ledger.open_reservations(run_id)
        from aurora_soar.taskruns.resume import stored_pool

        pool = stored_pool(self.project.runs_db, run_id)
        if not reserved and pool is None:
            return None
        return self.project_agents.limits(pool=pool).using(reserved.values())
