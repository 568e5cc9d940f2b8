"""Plan of a task file's run: which agent does which task, within which limits."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aurora_soar.errors import MissingProgramError, UnknownAgentError
from aurora_soar.taskruns.backends import missing_program
from aurora_soar.taskruns.checks import untrusted_checks
from aurora_soar.taskruns.gate import RunGate
from aurora_soar.taskruns.isolation import IsolationPlan, WantedIsolation, plan_isolation
from aurora_soar.taskruns.personas_for_tasks import AssignedPersonas, assign_personas
from aurora_soar.taskruns.resolvers import find_resolver
from aurora_spawner import read_taskfile
from aurora_spawner.backends.profiles import PROFILES
from aurora_spawner.errors import TaskFileError
from aurora_spawner.gates.deliveries import DeliveryRequest
from aurora_spawner.runs.candidate_places import first_task_needing_worktrees, place_problem
from aurora_spawner.runs.scheduler import Limits, starting_tasks
from aurora_spawner.taskfiles.reading import task_file_bytes
from aurora_spawner.taskfiles.recipes import with_arguments
from aurora_spawner.tasks.candidates import attempted
from aurora_spawner.tasks.file_claims import foreseen_waits
from aurora_spawner.workspaces.isolation import MergeMode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from aurora_core.trust import Claim
    from aurora_policies.schema import SandboxMode
    from aurora_soar.personas import Roster
    from aurora_soar.taskruns.agents import ProjectAgents
    from aurora_soar.taskruns.limits import RunLimits
    from aurora_soar.taskruns.routing import AgentChoice
    from aurora_spawner import Backend, RecoverySettings, SpawnTask
    from aurora_spawner.gates.tool_calls import Verdict
    from aurora_spawner.runs.run_options import Overlaps
    from aurora_spawner.taskfiles.model import Order, TaskFile
    from aurora_spawner.tasks.file_claims import Wait

__all__ = ["SpawnPlan", "agents_of", "assigned_personas", "check_agents", "plan_taskfile", "plan_tasks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnPlan:
    """The run that a task file would have.

    Attributes:
        backends: all that tasks may name, by name.
        default_agent: does the tasks that name none.
        choice: how results decided about the default agent; None if they did not.
        timeout_s: of an attempt whose task and backend set none; None for no limit.
        policies: the file that the limits come from; None for the defaults.
        recovery: how failed agents are recovered; None for no recovery.
        personas: by task, the persona that its agent works as.
        generated: tasks whose persona no file defines.
        limits: keeps the run within budget and caps; None for no limits.
        content: of the file when its tasks were read.
        isolation: the place where its tasks work.
        untrusted_checks: the commands of the file, if the user does not trust them; then they do not run.
        gate: judges the tool calls of its agents.
        sandboxes: for each agent that can change something, if it is sandboxed, as a probe here has shown.
        overlaps: what tasks do that declare a file which another one works on: wait for its end, or start (allow).
        key: a name for the start: another start with it is the same run; None for none.
        from_file: its tasks come from a file; else `file` has one task that the user gave in a command.
    """

    file: TaskFile
    backends: Mapping[str, Backend]
    default_agent: str
    max_concurrent: int
    timeout_s: float | None
    policies: Path | None
    recovery: RecoverySettings | None = None
    personas: Mapping[str, str] = field(default_factory=dict)
    generated: frozenset[str] = frozenset()
    limits: RunLimits | None = None
    content: bytes = field(default=b"", repr=False)
    isolation: IsolationPlan = field(default_factory=IsolationPlan)
    untrusted_checks: Claim | None = None
    gate: RunGate = field(default_factory=RunGate)
    sandboxes: Mapping[str, str] = field(default_factory=dict)
    from_file: bool = True
    overlaps: Overlaps = "wait"
    key: str | None = None
    choice: AgentChoice | None = None

    def on_pool(self, pool: str) -> SpawnPlan:
        """Returns the plan for the machines of a pool, which see for themselves what sandbox holds there."""
        limits = replace(self.limits, pool=pool) if self.limits else None
        return replace(self, limits=limits, sandboxes={}, gate=self.gate.on_workers())

    @property
    def waits(self) -> tuple[Wait, ...]:
        """The tasks that will wait for another one because both declare a file."""
        tasks = self.file.tasks
        if self.overlaps == "allow" or not any(task.files for task in tasks):
            return ()
        limits = Limits(max_concurrent=self.max_concurrent, per_agent={})
        return tuple(foreseen_waits(tasks, starting_tasks(tasks, limits=limits, agent_of=self.agent_of)))

    def agent_of(self, task: SpawnTask) -> str:
        """Names the agent that does a task."""
        return task.agent or self.default_agent

    def timeout_of(self, task: SpawnTask) -> float | None:
        """Returns the limit of one attempt at a task, in seconds; None for no limit."""
        return task.timeout_s or self.backends[self.agent_of(task)].timeout_s or self.timeout_s

    def extended_timeout_of(self, task: SpawnTask) -> float | None:
        """Returns the longer limit of an attempt whose agent stays active, in seconds; None if it is not longer."""
        policy = self.recovery.policy.get_for_agent(self.agent_of(task)).timeout if self.recovery else None
        if policy is None or task.timeout_s or self.backends[self.agent_of(task)].timeout_s:
            return None
        return policy.max_timeout_s if policy.mode == "progressive" else None

    @property
    def expected_usd(self) -> float | None:
        """The estimated cost of one attempt at each task and of one review together; None if all of them are free."""
        if self.limits is None:
            return None
        tasks = attempted(self.file.tasks)
        attempts = [(self.agent_of(task), task.model) for task in tasks]
        reviewers = (task.reviewer for task in tasks if task.reviewer)
        return self.limits.expected_usd(
            [*attempts, *((each.agent or self.default_agent, each.model) for each in reviewers)]
        )

    @property
    def routed(self) -> AgentChoice | None:
        """The choice of the default agent by results, if a task or a review is left to it."""
        tasks = attempted(self.file.tasks)
        left = any(task.agent is None or (task.reviewer and task.reviewer.agent is None) for task in tasks)
        return self.choice if left else None

    @property
    def agents(self) -> tuple[str, ...]:
        """The agents of the open tasks, of their reviews, and of conflicts of their work, by name."""
        isolation = self.isolation.isolation
        resolver = {isolation.resolver} if isolation is not None and isolation.resolver is not None else set()
        own = {each for task in attempted(self.file.tasks) for each in agents_of(task, self.default_agent)}
        return tuple(sorted(own | resolver))

    @property
    def titles(self) -> dict[str, str]:
        """The titles of all tasks of the file, by id."""
        return {line.id: line.title for line in self.file.lines}


def plan_taskfile(
    agents: ProjectAgents,
    taskfile: Path,
    *,
    roster: Callable[[], Roster],
    order: Order | None = None,
    optional: bool = False,
    background: bool = False,
    match: bool = False,
    budget_usd: float | None = None,
    sandbox: SandboxMode | None = None,
    isolation: WantedIsolation | None = None,
    candidates: int | None = None,
    candidate_agents: tuple[str, ...] = (),
    arguments: Mapping[str, str] | None = None,
) -> SpawnPlan:
    """Reads a task file and finds the agents that its tasks name; nothing is started.

    Args:
        roster: finds the project's personas; called only if a task needs one.
        order: of its tasks, instead of the order that the form of the file has.
        optional: also run the tasks that are marked as optional.
        background: no user waits for the run, so only its tasks and agents limit its time.
        match: find a persona for tasks that name no agent.
        budget_usd: the most that the run may cost.
        sandbox: the use of a sandbox; the policies' own if that is stricter.
        isolation: where tasks work and where their work goes; None takes the configuration.
        candidates: how often each task runs that says nothing about candidates.
        candidate_agents: the agents of those candidates, in turn, of tasks that name no agent.
        arguments: the values of the file's `{{name}}`, by name.

    Raises:
        TaskFileError, GraphError: the file cannot be understood, its arguments are not those that are given, or
            the candidates of a task need worktrees and will have none; with the line.
        TaskError: there are to be too many candidates.
        UnknownAgentError: a task, or the default, names an agent that is not configured.
        UntrustedAgentError: a task names an agent of the project's own that the user does not trust.
        MissingProgramError: the program of an agent that a task names is not found, nor that of a fallback.
        ConfigError: a field of `spawner.recovery` is not valid.
        PriceFileError: the user's prices cannot be understood.
        WorkspaceError: worktrees are asked for, and cannot be made; or they cannot have what they are to have.
        PreparationError: what worktrees are to have is not valid.
    """
    content = task_file_bytes(taskfile)
    file = with_arguments(read_taskfile(taskfile, order=order, optional=optional), arguments or {})
    plan = plan_tasks(
        agents,
        file.with_candidates(candidates, candidate_agents),
        taskfile=taskfile,
        roster=roster,
        background=background,
        match=match,
        budget_usd=budget_usd,
        sandbox=sandbox,
        isolation=isolation,
    )
    untrusted = untrusted_checks(agents.project, taskfile, file.commands)
    return replace(plan, content=content, untrusted_checks=untrusted)


def plan_tasks(
    agents: ProjectAgents,
    file: TaskFile,
    *,
    taskfile: Path | None = None,
    roster: Callable[[], Roster],
    background: bool = False,
    match: bool = False,
    budget_usd: float | None = None,
    sandbox: SandboxMode | None = None,
    isolation: WantedIsolation | None = None,
) -> SpawnPlan:
    """Plans the run of tasks whose commands the user trusts; see `plan_taskfile`.

    Args:
        taskfile: the file that they come from; None if the user gave them in a command.
    """
    config = agents.config
    choice = agents.choice()
    default_agent = choice.agent if choice else agents.default_agent
    named = {task.agent or default_agent: _place(file, task) for task in attempted(file.tasks)}
    default_from = agents.default_from
    named |= {task.reviewer.agent: _place(file, task) for task in file.tasks if task.reviewer and task.reviewer.agent}
    agents.check_trusted({**named, default_agent: default_from}.items())
    assigned = assigned_personas(file, roster, agents.backends, default_agent, match=match)
    plan = SpawnPlan(
        file=assigned.file,
        backends=agents.backends,
        default_agent=default_agent,
        choice=choice,
        max_concurrent=agents.max_concurrent(),
        timeout_s=None if background else float(agents.policies.recovery.timeout_seconds),
        policies=agents.policies.source,
        recovery=agents.recovery(background=background),
        personas=assigned.personas,
        generated=assigned.generated,
        limits=agents.limits(per_run_usd=budget_usd, sandbox=sandbox, elsewhere=background),
        from_file=taskfile is not None,
    )
    check_agents(plan, default_from=default_from, personas=assigned.known)
    wanted = isolation or WantedIsolation(kind=config.isolation, merge=config.merge, conflicts=config.conflicts)
    origin = f"conflicts ({config.origin('conflicts')})" if wanted.conflicts == config.conflicts else "--conflicts"
    agents.check_trusted([(wanted.conflicts.removeprefix("@"), origin)])
    resolver = find_resolver(
        wanted.conflicts, backends=plan.backends, default_agent=default_agent, roster=roster, where=origin
    )
    placed = plan_isolation(
        agents.project.root,
        agents=plan.agents,
        backends=plan.backends,
        wanted=wanted,
        own_files=(taskfile,) if taskfile else (),
        preparation=agents.preparation,
        safety=agents.policies.policies.safety,
        resolver=resolver,
    )
    # Only a plan that knows its place knows who resolves conflicts.
    plan = replace(plan, isolation=placed)
    _check_places(plan)
    _check_programs(plan, agents)
    gate = agents.gate(plan.agents)
    return replace(
        plan,
        isolation=replace(placed, delivery=_delivery(agents, plan)),
        gate=gate,
        sandboxes=plan.limits.confinement.words(gate.words) if plan.limits else {},
    )


def _check_programs(plan: SpawnPlan, agents: ProjectAgents) -> None:
    """Refuses a plan whose tasks would find out one by one that their agent's program is not there.

    Raises:
        MissingProgramError: one is not found, nor that of an agent that it may fall back to.
    """
    preparation = plan.isolation.preparation
    if preparation is not None and "PATH" in preparation.env:
        return  # its folders may be made with the worktree
    tasks = attempted(plan.file.tasks)
    named = {agent: _place(plan.file, task) for task in tasks for agent in agents_of(task, plan.default_agent)}
    for agent, where in named.items():
        chain = agents.with_fallbacks(agent, where)
        missing = [missing_program(plan.backends[each], os.environ) for each in chain]
        if all(missing):
            raise MissingProgramError(agent, str(missing[0]), where)


def _delivery(agents: ProjectAgents, plan: SpawnPlan) -> Verdict | None:
    """Asks the merge gate about the delivery of the work that the plan's agents, resolving ones too, will do."""
    isolation = plan.isolation.isolation
    if isolation is None or isolation.target is None or isolation.merge is MergeMode.NEVER:
        return None
    used = tuple(sorted(plan.agents))
    return agents.merge_gate.judge(
        DeliveryRequest(target=isolation.target, repository=isolation.repository, agents=used)
    )


def _place(file: TaskFile, task: SpawnTask) -> str:
    """Returns file and line of a task, or of the one that it is a candidate of; the file alone if it has no line."""
    line = file.line_of(task.candidate_of or task.id or "")
    return f"{file.path}:{line}" if line else str(file.path)


def _check_places(plan: SpawnPlan) -> None:
    """Refuses candidates without worktrees.

    Raises:
        TaskFileError: A task has some that may write.
    """
    if plan.isolation.isolation is not None:
        return
    task = first_task_needing_worktrees(plan.file.tasks, backends=plan.backends, default_agent=plan.default_agent)
    if task is not None:
        line = plan.file.line_of(task.id or "")
        raise TaskFileError(plan.file.path, line, place_problem(task, plan.isolation.reason), field="candidates")


def agents_of(task: SpawnTask, default_agent: str) -> tuple[str, ...]:
    """Returns the agent of a task, and that of its review if it gets one."""
    agent = task.agent or default_agent
    return (agent, task.reviewer.agent or default_agent) if task.reviewer else (agent,)


def assigned_personas(
    file: TaskFile,
    roster: Callable[[], Roster],
    backends: Mapping[str, Backend],
    default_agent: str,
    *,
    match: bool = False,
) -> AssignedPersonas:
    """Assigns personas if a task names something that is no backend, or `match` is set; see `assign_personas`."""
    named = {line.task.agent for line in file.lines if line.task.agent}
    named |= {line.task.reviewer.agent for line in file.lines if line.task.reviewer and line.task.reviewer.agent}
    if named <= backends.keys() and not match:
        return AssignedPersonas(file=file)
    return assign_personas(file, roster(), backends=backends, default_agent=default_agent, match=match)


def check_agents(plan: SpawnPlan, *, default_from: str, personas: tuple[str, ...] = ()) -> None:
    """Refuses a plan with a task that no backend does, or with an unknown default even if no task needs it.

    A known CLI that is not installed is refused only if a task needs it.

    Args:
        default_from: the place that names the default agent, for the error.
        personas: names that a task could use beside those of backends, for the error.

    Raises:
        UnknownAgentError: a task, or the default, names an agent that is not among the backends.
    """
    if plan.default_agent not in {*plan.backends, *PROFILES}:
        raise UnknownAgentError(plan.default_agent, default_from, plan.backends.keys())
    for task in attempted(plan.file.tasks):
        if plan.agent_of(task) not in plan.backends:
            where = _place(plan.file, task) if task.agent else default_from
            raise UnknownAgentError(plan.agent_of(task), where, {*plan.backends, *personas})
        reviewer = task.reviewer.agent if task.reviewer else None
        if reviewer is not None and reviewer not in plan.backends:
            raise UnknownAgentError(reviewer, _place(plan.file, task), {*plan.backends, *personas})
