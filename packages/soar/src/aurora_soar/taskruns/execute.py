"""Runs made from plans: written into the journal, resumed from it, and executed while boxes are ticked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from aurora_soar.notices import Notice
from aurora_soar.notifications.messages import notification_of
from aurora_soar.run_options import project_run_options
from aurora_soar.taskruns.agents import skipping
from aurora_soar.taskruns.checkboxes import Checkboxes
from aurora_soar.taskruns.checks import ignored_checks_notice, untrusted_checks
from aurora_soar.taskruns.isolation import with_base
from aurora_soar.taskruns.pool_refs import clear_pool
from aurora_soar.taskruns.resume import stored_limit, stored_sandbox, taskfile_of
from aurora_soar.taskruns.run_kinds import TASK_RUN, TASKFILE_RUN
from aurora_soar.telemetry import send_telemetry
from aurora_spawner import Run, RunReport
from aurora_spawner.control.audit import check_not_gone
from aurora_spawner.control.lookup import attempts_of
from aurora_spawner.errors import JournalError, JournalGoneError
from aurora_spawner.rate_limits.gate_store import default_state_dir
from aurora_spawner.runs.run_options import TaskSource
from aurora_spawner.tasks.candidates import attempted
from aurora_spawner.tasks.run_events import RunStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from aurora_core import Project
    from aurora_core.settings.config import PoolConfig
    from aurora_core.trust import Claim
    from aurora_soar.notifications.outbox import Outbox
    from aurora_soar.taskruns.agents import ProjectAgents
    from aurora_soar.taskruns.plan import SpawnPlan
    from aurora_soar.taskruns.resume import ResumePlan
    from aurora_spawner import RunEvent, SpawnResult, SpawnTask
    from aurora_spawner.taskfiles.model import TaskFile

__all__ = ["TaskRunResult", "execute_run", "new_run", "nothing_to_run", "resumed_run"]

NO_POOLS: Final[Mapping[str, PoolConfig]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRunResult:
    """The result of a task file's run.

    Attributes:
        report: the run's own report.
        titles: of its tasks, by id.
        not_run: tasks of the file that are not done and could not be part of the run.
        notices: what the user should know, for example boxes that could not be ticked.
    """

    report: RunReport
    titles: Mapping[str, str] = field(default_factory=dict)
    not_run: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def run_id(self) -> str:
        """The run's name; "" if there was nothing to run."""
        return self.report.run_id

    @property
    def results(self) -> Mapping[str, SpawnResult]:
        """The result of each task, by id."""
        return self.report.results

    @property
    def ok(self) -> bool:
        """True if every task succeeded, none had to be left out, and the journal is in order."""
        return self.report.ok and not self.not_run and not self.report.trouble


def nothing_to_run(plan: SpawnPlan) -> TaskRunResult:
    """Returns the result for a task file without open tasks."""
    report = RunReport(run_id="", results={}, duration_s=0.0)
    return TaskRunResult(report=report, titles=plan.titles, not_run=tuple(plan.file.not_run))


def new_run(agents: ProjectAgents, plan: SpawnPlan, *, stagger_s: float = 0.0, keep_in: Path | None = None) -> Run:
    """Writes a run of the plan's tasks into the journal; nothing starts yet.

    Args:
        stagger_s: time between two starts; 0 for none.
        keep_in: the folder of journal and outputs; the project's if None.

    Raises:
        OverLimitError: the run cannot stay within its limits.
        JournalError: the journal cannot be written.
        WorkspaceError: the uncommitted changes cannot be a base.
    """
    project = agents.project
    try:
        check_not_gone(project.runs_db)
    except JournalGoneError as error:  # a new journal starts
        message = f"a journal with {error.events:,} events was here and is gone; its runs cannot be resumed"
        agents.notify(Notice(message=message, warning=True))
    except JournalError as error:
        agents.notify(Notice(message=str(error), warning=True))
    if plan.untrusted_checks is not None:
        agents.notify(ignored_checks_notice(plan.untrusted_checks))
    if (elsewhere := _for_workers(plan)) and (plan.limits is None or plan.limits.pool is None):
        message = (
            f"tasks {', '.join(elsewhere)} name workers (Pool or Labels), and run here; --pool NAME goes to them"
        )
        agents.notify(Notice(message=message, warning=True))
    folder = keep_in or project.aurora_dir
    limits = plan.limits.using(plan.agents) if plan.limits else None
    if limits:
        tasks = len(attempted(plan.file.tasks))
        placed = _placed(plan.file.tasks, plan.default_agent)
        limits.check(plan.agents, tasks=tasks, isolated=plan.isolation.isolation is not None, placed=placed)
    recovery = limits.recovery(plan.recovery) if limits and plan.recovery else plan.recovery
    options = project_run_options(
        project,
        kind=TASKFILE_RUN if plan.from_file else TASK_RUN,
        default_agent=plan.default_agent,
        timeout_s=plan.timeout_s,
        recovery=skipping(recovery) if keep_in and recovery else recovery,
        # A run whose journal is thrown away cannot be resumed: its agents end with this process.
        executor=limits.executor(detached=keep_in is None) if limits else None,
        state_dir=None if keep_in else default_state_dir(),
        gate=agents.gate_options(plan.gate),
        folder=folder,
    )
    return Run.create(
        folder / project.runs_db.name,
        plan.file.tasks,
        plan.backends,
        replace(
            options,
            max_concurrent=plan.max_concurrent,
            chosen_because=plan.routed.because if plan.routed else None,
            start_rate_per_s=1 / stagger_s if stagger_s else None,
            prices=limits.prices if limits else None,
            source=_source(plan),
            limit_usd=limits.per_run_usd if limits else None,
            sandbox=limits.sandbox if limits else None,
            pool=limits.pool if limits else None,
            isolation=with_base(plan.isolation),
            overlaps=plan.overlaps,
            **agents.check_options(run_task_checks=plan.untrusted_checks is None),
            preparation=plan.isolation.preparation,
            confining=limits.confinement if limits else None,
            lessons=None if keep_in else agents.lessons(),
        ),
    )


def _for_workers(plan: SpawnPlan) -> list[str]:
    return [str(task.id) for task in plan.file.tasks if task.pool or task.labels]


def _placed(tasks: Iterable[SpawnTask], default_agent: str) -> set[tuple[str, str]]:
    """Returns the agents of tasks that name a pool, each with that pool; their reviews are on the pool of the run."""
    return {(task.agent or default_agent, task.pool) for task in attempted(tasks) if task.pool}


def _source(plan: SpawnPlan) -> TaskSource | None:
    if not plan.from_file:
        return None
    return TaskSource(
        taskfile=plan.file.path.absolute(),
        order=plan.file.chosen_order,
        optional=plan.file.optional,
        candidates=plan.file.candidates,
        candidate_agents=plan.file.candidate_agents,
        arguments=plan.file.arguments,
        key=plan.key,
    )


async def resumed_run(
    agents: ProjectAgents,
    plan: ResumePlan,
    *,
    max_concurrent: int | None = None,
    stagger_s: float = 0.0,
    retry_failed: bool = False,
    agreed: bool = False,
) -> Run:
    """Resumes a run where it stands, within the limit that it was given; nothing starts yet.

    Args:
        agreed: the user agrees to the merge that the run would ask about.

    Raises:
        BackendError: a task's agent is no longer configured.
        UntrustedAgentError: a task names an agent of the project's own that the user does not trust.
        OverLimitError: nothing is left of its budget.
        PreparationError: what worktrees are to have is not valid.
    """
    journal, run_id = agents.project.runs_db, plan.run.run_id
    agents.check_trusted((agent, f"run {run_id}") for agent in sorted(plan.all_agents))
    limits = agents.limits(
        per_run_usd=stored_limit(plan.run), sandbox=stored_sandbox(plan.run), pool=plan.pool
    ).using(plan.agents)
    untrusted = _untrusted_checks(agents.project, plan)
    if untrusted is not None:
        agents.notify(ignored_checks_notice(untrusted))
    await limits.reconcile(run_id, attempts_of(journal, run_id), over=False)
    placed = _placed(plan.wanted, plan.run.default_agent)
    limits.check(plan.open_agents, tasks=len(plan.tasks), isolated=plan.isolated, placed=placed)
    return Run.resume(
        journal,
        run_id,
        agents.backends,
        tasks=plan.listed if plan.file else None,
        retry_failed=retry_failed,
        agreed=agreed,
        max_concurrent=agents.max_concurrent(max_concurrent or plan.run.max_concurrent),
        start_rate_per_s=1 / stagger_s if stagger_s else None,
        recovery=limits.recovery(agents.recovery(background=plan.run.default_timeout_s is None)),
        prices=limits.prices,
        state_dir=default_state_dir(),
        **agents.check_options(run_task_checks=untrusted is None),
        **agents.gate_options(agents.gate(plan.open_agents)),
        preparation=agents.preparation() if plan.isolated else None,
        confining=limits.confinement,
        lessons=agents.lessons(),
        checked=True,  # by `plan_resume`
        executor=limits.executor(resumes=run_id, spawned=sum(row.attempts for row in plan.tasks)),
    )


def _untrusted_checks(project: Project, plan: ResumePlan) -> Claim | None:
    """Returns the claim of a run's commands if the user does not trust them.

    Those of a task that the user gave in a command are trusted, as long as the journal is what was written then.
    """
    if plan.run.kind == TASK_RUN and not plan.changes_accepted:
        return None
    return untrusted_checks(project, taskfile_of(plan.run) or project.runs_db, plan.commands)


async def execute_run(
    run: Run,
    file: TaskFile | None,
    titles: Mapping[str, str],
    *,
    on_event: Callable[[RunEvent], None] | None = None,
    on_start: Callable[[], None] = lambda: None,
    outbox: Outbox | None = None,
    pools: Mapping[str, PoolConfig] = NO_POOLS,
) -> TaskRunResult:
    """Executes a run to its end, and ticks the boxes of its task file if it has one.

    Args:
        titles: of its tasks, by id.
        on_event: receives each event of the run.
        on_start: called once the journal says that this process works on the run.
        outbox: tells others of what happens; its deliveries have ended when this returns.
        pools: the pools that the configuration describes; those of the run are cleared of what is merged.

    Raises:
        RunHeldError: another process works on the run.
        JournalError: the journal could not be written; the agents have been stopped.
    """
    boxes = Checkboxes(file) if file else None

    def follow(event: RunEvent) -> None:
        if on_event:
            on_event(event)
        if outbox and (notification := notification_of(event)):
            outbox.put(notification)
        if isinstance(event, RunStarted):
            on_start()
        if boxes:
            boxes.follow(event)

    undelivered: tuple[str, ...] = ()
    try:
        report = await run.execute(follow)
    finally:
        if outbox:
            undelivered = await asyncio.to_thread(outbox.flush)
    if boxes:
        boxes.finish(report)
    if run.options.lessons is not None:
        await asyncio.to_thread(run.options.lessons.settle, run.journal, run.run_id)
    unsent = await asyncio.to_thread(send_telemetry, run.journal, run.run_id)
    uncleared = await asyncio.to_thread(clear_pool, run.journal, run.run_id, pools) if pools else ()
    return TaskRunResult(
        report=report,
        titles=titles,
        not_run=tuple(file.not_run) if file else (),
        notices=(*report.notices, *(boxes.notices if boxes else ()), *undelivered, *unsent, *uncleared),
    )
