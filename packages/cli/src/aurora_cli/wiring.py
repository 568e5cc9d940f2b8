"""The one module that builds real objects: project, configuration, memory, policies, agents."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aurora_cli import trusting
from aurora_cli.asking import ask_about_rest, is_attended
from aurora_cli.errors import NoProjectError, NotResumableError, UnknownAgentError, UntrustedAgentError
from aurora_cli.output import note
from aurora_core import (
    AuroraCoreError,
    ConfigError,
    Memory,
    Part,
    Project,
    linked_worktree_above,
    load_config,
    shared_answers_folder,
)
from aurora_core.private_files import private_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from aurora_cli.casting import Casting
    from aurora_cli.money import Guard
    from aurora_cli.resuming import Resumption
    from aurora_cli.spawning import SpawnPlan
    from aurora_core import Claim, Config, IndexProgress, IndexReport
    from aurora_core.semantic import Embedder
    from aurora_policies import PoliciesEngine
    from aurora_policies.budget import Ledger
    from aurora_soar.keys import KeyStore
    from aurora_soar.personas import Match, Persona, Roster
    from aurora_spawner import Backend, Run, TaskFile
    from aurora_spawner.recovery.settings import RecoverySettings
    from aurora_spawner.taskfiles.model import Order

__all__ = [
    "LOCAL_AGENT",
    "backends_of",
    "check_trusted",
    "claims_of",
    "guard_of",
    "key_store",
    "ledger_of",
    "match_of",
    "new_run",
    "open_memory",
    "persona_named",
    "policies_of",
    "project_at",
    "project_or_prospect",
    "prospect",
    "rebuild_memory",
    "recovery_of",
    "resumed_run",
    "resumption",
    "roster_of",
    "set_own_limits",
    "set_up",
    "settings",
    "shadowed_personas",
    "shared_answers",
    "skipping",
    "spawn_plan",
]

LOCAL_AGENT: Final = "local"
"""The agent that needs no model; as soar's registry names it."""


def project_at(start: Path) -> Project:
    """Find the project that a folder belongs to.

    Raises:
        NoProjectError: there is none.
    """
    project = Project.find(start)
    if project is None:
        raise NoProjectError(start, worktree=linked_worktree_above(start))
    return project


def prospect(folder: Path) -> Project:
    """Return the project that a folder is or would be, whatever lies above it; nothing is made."""
    return Project(root=folder)


def project_or_prospect(start: Path) -> Project:
    """Find the project that a folder belongs to, or the one that it would be; nothing is made."""
    return Project.find(start) or Project.prospect(start)


def set_up(project: Project) -> Project:
    """Make a prospect a project, and say so; one that is there stays as it is."""
    if project.aurora_dir.exists():
        return Project.init(project.root)
    note(f"setting up a project in {project.root} (.aurora/)")
    made = Project.init(project.root)
    trusting.remember_made(made)
    return made


def settings(project: Project, *, tool: str | None = None, max_concurrent: int | None = None) -> Config:
    """Read the configuration; options of the command line that were given come before everything else.

    What the user does not trust of a project is left aside, here and wherever else its files are read, and said once.
    """
    given = {"tool": tool, "spawner.max_concurrent": max_concurrent}
    overrides = {key: value for key, value in given.items() if value is not None}
    config = load_config(project, environ=os.environ, overrides=overrides)
    if config.left_aside:
        _tell_left_aside(project)
    return config


def _tell_left_aside(project: Project) -> None:
    trusting.tell_left_aside(project, lambda: _found_roster(project))


def open_memory(project: Project, config: Config) -> Memory:
    """Open the project's memory; the caller closes it."""
    return Memory.open(project.root, exclude=config.exclude, activation=config.activation, embedder=_embedder(config))


def _embedder(config: Config) -> Embedder | None:
    if config.semantic_model is None:
        return None
    from aurora_core.semantic import Model2VecEmbedder

    return Model2VecEmbedder(config.semantic_model)


@contextmanager
def shared_answers(config: Config) -> Iterator[Memory | None]:
    """Open the memory that the user's projects share answers in, while the block runs; None without consent."""
    folder = shared_answers_folder(os.environ) if config.share_answers else None
    if folder is None:
        yield None
        return
    private_folder(folder)
    with Memory.open(folder) as shared:
        yield shared


def rebuild_memory(project: Project, config: Config, on_progress: Callable[[IndexProgress], None]) -> IndexReport:
    """Make the project's memory again from its files, whatever state it is in."""
    return Memory.rebuild(project.root, exclude=config.exclude, on_progress=on_progress)


def policies_of(project: Project) -> PoliciesEngine:
    """Read the project's policies, or the defaults where it has none."""
    from aurora_policies import PoliciesEngine

    engine = PoliciesEngine.load(project.policies_file)
    loosened = trusting.loosened_by(engine)
    if trusting.own_store().trusts(project, Part.POLICIES, trusting.policy_claims(loosened)):
        return engine
    _tell_left_aside(project)
    return engine.without(loosened)


def roster_of(project: Project, *, refresh: bool = False) -> Roster:
    """Find the personas of a project and of its user; what was read is kept where the project is set up."""
    roster = _found_roster(project, refresh=refresh)
    if trusting.own_store().trusts(project, Part.PERSONAS, trusting.persona_claims(project, roster)):
        return roster
    _tell_left_aside(project)
    return roster.without_models_of_project()


def claims_of(project: Project) -> tuple[Claim, ...]:
    """Gather everything in a project that needs the user's trust, trusted or not."""
    return trusting.all_claims(project, _found_roster(project))


def _found_roster(project: Project, *, refresh: bool = False) -> Roster:
    from aurora_soar.personas import CACHE_NAME, load_roster

    cache = project.aurora_dir / CACHE_NAME if project.aurora_dir.is_dir() else None
    return load_roster(project.root, Path.home(), cache=cache, now=time.time(), refresh=refresh)


def persona_named(roster: Roster, name: str) -> Persona:
    """Look a persona up.

    Raises:
        UnknownAgentError: there is none of that name.
    """
    found = roster.get(name)
    if found is None:
        raise UnknownAgentError(name.removeprefix("@"), "aur agents show", roster.by_id)
    return found


def shadowed_personas(project: Project, roster: Roster) -> list[str]:
    """Lists personas that tasks cannot name, because a backend has their name."""
    try:
        backends = backends_of(project, settings(project))
    except AuroraCoreError:
        return []  # the commands that need the configuration say what is wrong with it
    return [name for name in roster.by_id if name in backends]


def match_of(roster: Roster, work: str) -> Match:
    """Find the persona for a piece of work."""
    from aurora_soar.personas import Matcher

    return Matcher(roster).match(work)


def _cast(
    project: Project, file: TaskFile, backends: Mapping[str, Backend], default_agent: str, *, match: bool = False
) -> Casting:
    """Give tasks that name a persona to the default agent; a backend of the same name comes first."""
    from aurora_cli.casting import Casting, cast_file

    named = {line.task.agent for line in file.lines if line.task.agent}
    if named <= backends.keys() and not match:
        return Casting(file=file)
    return cast_file(file, roster_of(project), backends=backends, default_agent=default_agent, match=match)


def ledger_of(project: Project) -> Ledger:
    """Open the user's ledger, with the limits that hold in a project."""
    from aurora_cli import money

    return money.ledger_of(policies_of(project))


def set_own_limits(
    project: Project, *, amounts: Mapping[str, float | None], warn_at: float | None, on_limit: str | None
) -> Ledger:
    """Change the user's own limits; returns the ledger with those that hold now.

    Args:
        amounts: by name of the limit; None takes it away.
    """
    from aurora_policies import HardLimitAction
    from aurora_policies.budget import OwnLimits

    ledger = ledger_of(project)
    own = OwnLimits(**{**asdict(ledger.own_limits()), **amounts})
    if warn_at is not None:
        own = replace(own, warn_at_percent=warn_at)
    if on_limit is not None:
        own = replace(own, hard_action=HardLimitAction(on_limit))
    ledger.set_own_limits(own)
    return ledger_of(project)


def key_store(project: Project) -> KeyStore:
    """Build what finds the user's keys, from a project's `.env` among other places where the user trusts it."""
    from aurora_soar.keys import KeyStore, system_ring

    trusted = trusting.own_store().trusts(project, Part.KEYS, trusting.key_claims(project))
    if not trusted:
        _tell_left_aside(project)

    return KeyStore(
        ring=system_ring(),
        env_file=project.root / ".env" if trusted else None,
        environ=os.environ,
        names_file=Path.home() / ".aurora" / "key_names.json",
    )


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
    """Read a task file and find the agents that its tasks name.

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

    engine = policies_of(project)
    backends = backends_of(project, config)
    default_agent = _default_agent(config)
    file = read_taskfile(taskfile, order=order, optional=optional)
    named = {task.agent or default_agent: f"{file.path}:{file.line_of(task.id or '')}" for task in file.tasks}
    check_trusted(config, backends, {**named, default_agent: f"tool ({config.origin('tool')})"}.items())
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
        guard=guard_of(engine, config, backends, per_run_usd),
        known=casting.known,
    )


def guard_of(
    engine: PoliciesEngine, config: Config, backends: Mapping[str, Backend], per_run_usd: float | None
) -> Guard:
    """Build what keeps a run within budget and caps.

    Raises:
        PriceFileError: the user's prices cannot be understood.
    """
    from aurora_cli.money import Guard, own_prices

    return Guard(
        engine=engine,
        backends=backends,
        may_use=frozenset({*config.backends, _default_agent(config)}),
        prices=own_prices(os.environ),
        per_run_usd=per_run_usd,
    )


def _default_agent(config: Config) -> str:
    """Name the agent for tasks that name none: the chosen one, else the first CLI on PATH, else the local one.

    Where a project asks for agents that the user does not trust, no other one of theirs stands in unasked.
    """
    from aurora_spawner.backends.cli import installed_kinds

    if config.left_aside:
        return config.tool or LOCAL_AGENT
    return config.tool or next(iter(installed_kinds(os.environ)), LOCAL_AGENT)


def backends_of(project: Project, config: Config) -> Mapping[str, Backend]:
    """Build the agents that tasks may name: the configured ones, the CLIs found on PATH, and the local one."""
    from aurora_cli.backends import configured_agents, found_agents
    from aurora_soar import AgentRegistry

    local = AgentRegistry.local(project.root).backends
    keys = key_store(project) if any(backend.key for backend in config.backends.values()) else None

    def find_key(name: str) -> str:
        return (keys or key_store(project)).find(name).value

    return {**local, **found_agents(os.environ, config.env_pass), **configured_agents(config, find_key)}


def check_trusted(config: Config, backends: Mapping[str, Backend], agents: Iterable[tuple[str, str]]) -> None:
    """Refuse agents that a project brings along and the user does not trust.

    Args:
        backends: what there is without them; the user's own agent of that name is used.
        agents: the name of each, and what names it.

    Raises:
        UntrustedAgentError: one of them is left aside.
    """
    aside = {claim.name for claim in config.left_aside}
    for agent, where in agents:
        if f"backends.{agent}" in aside and agent not in backends:
            raise UntrustedAgentError(agent, where)


def recovery_of(project: Project, config: Config, *, background: bool = False) -> RecoverySettings:
    """Read what is done about agents that fail: `spawner.recovery` over the policies' `agent_recovery`.

    Args:
        background: nobody waits for such a run, so only its tasks and agents limit its time.

    Raises:
        ConfigError: a field of `spawner.recovery` cannot be meant, or an agent falls back to one that nobody knows.
    """
    from aurora_spawner.recovery.errors import RecoveryPolicyError
    from aurora_spawner.recovery.policy import RecoveryPolicy
    from aurora_spawner.recovery.settings import RecoverySettings

    limits = asdict(policies_of(project).recovery)
    if background:
        del limits["timeout_seconds"]
    try:
        policy = RecoveryPolicy.from_config({"agent_recovery": limits, "spawner": {"recovery": config.recovery}})
    except RecoveryPolicyError as error:
        source = config.origin("spawner.recovery")
        raise ConfigError(source, _line_of(source, error.field), error.field, error.problem) from error
    fallbacks = _fallbacks(config, backends_of(project, config))
    ask = ask_about_rest if is_attended() and not background else None
    return RecoverySettings(policy=policy, fallbacks=fallbacks, on_batch_held=ask)


def _fallbacks(config: Config, known: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Read who stands in for whom; a known CLI that is not installed here is left out, since others may have it.

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
    from aurora_core.yaml_source import read_yaml

    found = read_yaml(Path(source)) if Path(source).is_file() else None
    return found.line_of(tuple(field.split("."))) if found else None


def new_run(project: Project, plan: SpawnPlan, *, stagger_s: float = 0.0, keep_in: Path | None = None) -> Run:
    """Write a run of the plan's tasks into a journal; nothing starts yet.

    Args:
        stagger_s: time between two starts; 0 for none.
        keep_in: the folder of journal and outputs; the project's if None.
    """
    from aurora_cli.journal import TASKFILE_RUN, warn_of_lost
    from aurora_spawner import Run, RunOptions
    from aurora_spawner.recovery.provider_store import default_state_dir

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
    """Find a run that was begun, and its task file as it is now.

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
        cast = _cast(project, file, backends_of(project, settings(project)), run.default_agent).file
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
    """Take a run up where it stands; nothing starts yet.

    Raises:
        BackendError: a task's agent is not configured any more.
        OverLimitError: nothing is left of its budget.
    """
    from aurora_cli.journal import attempts_of
    from aurora_cli.resuming import limit_of
    from aurora_spawner import Run
    from aurora_spawner.recovery.provider_store import default_state_dir

    engine, backends = policies_of(project), backends_of(project, config)
    check_trusted(config, backends, [(agent, f"run {found.run.run_id}") for agent in sorted(found.open_agents)])
    per_run_usd = limit_of(found.run)
    guard = guard_of(engine, config, backends, per_run_usd).using(found.agents)
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
        executor=guard.executor(resumes=found.run.run_id, spawned=sum(row.attempts for row in found.tasks)),
    )
