"""Runs from a project's task files: planned, made and taken up, and what is done about agents that fail."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_cli import wiring
from aurora_cli.asking import ask_about_rest, is_attended
from aurora_cli.errors import NotResumableError
from aurora_core import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from aurora_cli.casting import Casting
    from aurora_cli.resuming import Resumption
    from aurora_cli.spawning import SpawnPlan
    from aurora_core import Config, Project
    from aurora_spawner import Backend, Run, TaskFile
    from aurora_spawner.recovery.settings import RecoverySettings
    from aurora_spawner.taskfiles.model import Order

__all__ = ["new_run", "recovery_of", "resumed_run", "resumption", "skipping", "spawn_plan"]


def spawn_plan(
    project: Project,
    config: Config,
    taskfile: Path,
    *,
    order: Order | None = None,
    optional: bool = False,
    background: bool = False,
    match: bool = False,
    per_run_usd: float | None = None,
) -> SpawnPlan:
    """Reads a task file and finds the agents that its tasks name.

    Args:
        order: of its tasks, instead of the order that the form of the file has.
        optional: also run the tasks that are marked as optional.
        background: nobody waits for such a run, so only its tasks and agents limit its time.
        match: find a persona for tasks that name no agent.
        per_run_usd: what the run may cost at most.

    Raises:
        TaskFileError, GraphError: the file makes no sense; with the line.
        UnknownAgentError: a task names an agent that is not configured.
        ConfigError: a field of `spawner.recovery` cannot be meant.
    """
    from aurora_cli.spawning import plan_spawn
    from aurora_spawner import read_taskfile

    engine = wiring.policies_of(project)
    backends = wiring.backends_of(project, config)
    default_agent = wiring.default_agent(config)
    file = read_taskfile(taskfile, order=order, optional=optional)
    named = {task.agent or default_agent: f"{file.path}:{file.line_of(task.id or '')}" for task in file.tasks}
    wiring.check_trusted(config, backends, {**named, default_agent: f"tool ({config.origin('tool')})"}.items())
    casting = _cast(project, file, backends, default_agent, match=match)
    return plan_spawn(
        casting.file,
        backends=backends,
        default_agent=default_agent,
        default_from=f"tool ({config.origin('tool')})",
        max_concurrent=min(config.max_concurrent, engine.caps.max_agents),
        timeout_s=None if background else float(engine.recovery.timeout_seconds),
        policies=engine.source,
        recovery=recovery_of(project, config, background=background),
        personas=casting.personas,
        made_up=casting.made_up,
        guard=wiring.guard_of(engine, config, backends, per_run_usd),
        known=casting.known,
    )


def _cast(
    project: Project, file: TaskFile, backends: Mapping[str, Backend], default_agent: str, *, match: bool = False
) -> Casting:
    """Gives tasks that name a persona to the default agent; a backend of the same name comes first."""
    from aurora_cli.casting import Casting, cast_file

    named = {line.task.agent for line in file.lines if line.task.agent}
    if named <= backends.keys() and not match:
        return Casting(file=file)
    return cast_file(file, wiring.roster_of(project), backends=backends, default_agent=default_agent, match=match)


def new_run(project: Project, plan: SpawnPlan, *, stagger_s: float = 0.0, keep_in: Path | None = None) -> Run:
    """Writes a run of the plan's tasks into a journal; nothing starts yet.

    Args:
        stagger_s: time between two starts; 0 for none.
        keep_in: the folder of journal and outputs; the project's if None.
    """
    from aurora_cli.journal import TASKFILE_RUN, warn_of_lost
    from aurora_spawner import Run, RunOptions
    from aurora_spawner.providers.gate_store import default_state_dir

    warn_of_lost(project)

    folder = keep_in or project.aurora_dir
    guard = plan.guard.using(plan.agents) if plan.guard else None
    if guard:
        guard.check(plan.agents, tasks=len(plan.file.tasks))
    return Run.create(
        folder / project.runs_db.name,
        plan.file.tasks,
        plan.backends,
        default_agent=plan.default_agent,
        kind=TASKFILE_RUN,
        max_concurrent=plan.max_concurrent,
        default_timeout_s=plan.timeout_s,
        cwd=project.root,
        spool=folder / "runs",
        start_rate_per_s=1 / stagger_s if stagger_s else None,
        recovery=skipping(plan.recovery) if keep_in and plan.recovery else plan.recovery,
        prices=guard.prices if guard else None,
        # Nobody could take up a run whose journal is thrown away: its agents end with this process.
        executor=guard.executor(outlive=keep_in is None) if guard else None,
        options=RunOptions(
            taskfile=plan.file.path.absolute(),
            limit_usd=guard.per_run_usd if guard else None,
            order=plan.file.chosen_order,
            optional=plan.file.optional,
        ),
        state_dir=None if keep_in else default_state_dir(),
    )


def resumption(
    project: Project, run_id: str, taskfile: Path | None = None, *, accept_changes: bool = False
) -> Resumption:
    """Finds a run that was begun, and its task file as it is now.

    Args:
        taskfile: instead of the file that the run was made from.
        accept_changes: go on though the run's part of the journal was changed.

    Raises:
        UnknownRunError: there is none of that name.
        JournalChangedError: its part of the journal is not as it was written.
        NotResumableError: it is no run of a task file.
        TaskFileError, GraphError: the file makes no sense now.
    """
    from aurora_cli.casting import keep_parts
    from aurora_cli.journal import TASKFILE_RUN, check_unchanged, find_run
    from aurora_cli.resuming import Resumption, find_taskfile

    check_unchanged(project, run_id, accept=accept_changes)
    run, tasks = find_run(project, run_id)
    if run.kind != TASKFILE_RUN:
        raise NotResumableError(run_id)
    file = find_taskfile(run, taskfile)
    if file:
        cast = _cast(project, file, wiring.backends_of(project, wiring.settings(project)), run.default_agent).file
        file = keep_parts(cast, tasks)
    return Resumption(run=run, tasks=tasks, file=file)


def resumed_run(
    project: Project,
    config: Config,
    found: Resumption,
    *,
    max_concurrent: int | None = None,
    stagger_s: float = 0.0,
    retry_failed: bool = False,
) -> Run:
    """Takes a run up where it stands; nothing starts yet.

    Raises:
        BackendError: a task's agent is not configured any more.
        OverLimitError: nothing is left of its budget.
    """
    from aurora_cli.journal import attempts_of
    from aurora_cli.resuming import limit_of
    from aurora_spawner import Run
    from aurora_spawner.providers.gate_store import default_state_dir

    engine, backends = wiring.policies_of(project), wiring.backends_of(project, config)
    wiring.check_trusted(
        config, backends, [(agent, f"run {found.run.run_id}") for agent in sorted(found.open_agents)]
    )
    per_run_usd = limit_of(found.run)
    guard = wiring.guard_of(engine, config, backends, per_run_usd).using(found.agents)
    guard.settle_left(found.run.run_id, attempts_of(project, found.run.run_id), over=False)
    guard.check(found.open_agents, tasks=len(found.tasks))
    return Run.resume(
        project.runs_db,
        found.run.run_id,
        backends,
        tasks=found.file.tasks if found.file else None,
        retry_failed=retry_failed,
        max_concurrent=min(max_concurrent or found.run.max_concurrent, engine.caps.max_agents),
        start_rate_per_s=1 / stagger_s if stagger_s else None,
        recovery=recovery_of(project, config, background=found.run.default_timeout_s is None),
        prices=guard.prices,
        state_dir=default_state_dir(),
        checked=True,  # by `resumption`
        executor=guard.executor(resumes=found.run.run_id, spawned=sum(row.attempts for row in found.tasks)),
    )


def recovery_of(project: Project, config: Config, *, background: bool = False) -> RecoverySettings:
    """Reads what is done about agents that fail: `spawner.recovery` over the policies' `agent_recovery`.

    Args:
        background: nobody waits for such a run, so only its tasks and agents limit its time.

    Raises:
        ConfigError: a field of `spawner.recovery` cannot be meant, or an agent falls back to one that nobody knows.
    """
    from aurora_spawner.errors import RecoveryPolicyError
    from aurora_spawner.recovery.policy import RecoveryPolicy
    from aurora_spawner.recovery.settings import RecoverySettings

    limits = asdict(wiring.policies_of(project).recovery)
    if background:
        del limits["timeout_seconds"]
    try:
        policy = RecoveryPolicy.from_config({"agent_recovery": limits, "spawner": {"recovery": config.recovery}})
    except RecoveryPolicyError as error:
        source = config.origin("spawner.recovery")
        raise ConfigError(source, _line_of(source, error.field), error.field, error.problem) from error
    fallbacks = _fallbacks(config, wiring.backends_of(project, config))
    ask = ask_about_rest if is_attended() and not background else None
    return RecoverySettings(policy=policy, fallbacks=fallbacks, on_batch_held=ask)


def _fallbacks(config: Config, known: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Reads who stands in for whom; a known CLI that is not installed here is left out, since others may have it.

    Raises:
        ConfigError: a name that is no agent's.
    """
    from aurora_spawner.backends.profiles import PROFILES

    found = {}
    for name, backend in config.backends.items():
        for each in backend.fallback:
            if each not in known and each not in PROFILES:
                source, field = config.origin(f"backends.{name}"), f"backends.{name}.fallback"
                problem = f"there is no agent named {each!r}; known here: {', '.join(sorted(known))}"
                raise ConfigError(source, _line_of(source, field), field, problem)
        if standing_in := tuple(each for each in backend.fallback if each in known and each != name):
            found[name] = standing_in
    return found


def skipping(recovery: RecoverySettings) -> RecoverySettings:
    """The same for a run that nobody could take up again: what would be held and not asked about is skipped."""
    return recovery if recovery.on_batch_held else replace(recovery, on_batch_held=lambda _reason: False)


def _line_of(source: str, field: str) -> int | None:
    """Where a file has a field, or the section that it would be in."""
    from aurora_core.settings.yaml_source import read_yaml

    found = read_yaml(Path(source)) if Path(source).is_file() else None
    return found.line_of(tuple(field.split("."))) if found else None
