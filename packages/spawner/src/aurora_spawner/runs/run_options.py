"""The options of a run: what its creator chooses, in one place."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, Self, TypedDict

from aurora_spawner.errors import SpawnerError
from aurora_spawner.journal.views import StoredOptions
from aurora_spawner.tasks.growth import DEFAULT_MAX_ADDED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aurora_spawner.attempts.executor import Executor
    from aurora_spawner.gates.deliveries import MergeGate
    from aurora_spawner.gates.tool_calls import ToolCallGate
    from aurora_spawner.recovery.policy import RecoveryPolicy
    from aurora_spawner.recovery.settings import RecoverySettings
    from aurora_spawner.sandbox.settings import Confining
    from aurora_spawner.spending.prices import PriceTable
    from aurora_spawner.tasks.diff_gate import DiffGate
    from aurora_spawner.tasks.growth import Expansion
    from aurora_spawner.tasks.lessons import LessonSource
    from aurora_spawner.workspaces.isolation import Isolation
    from aurora_spawner.workspaces.preparation import Preparation

Overlaps = Literal["wait", "allow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSource:
    """The task file that a run is made from."""

    taskfile: Path
    order: str | None = None
    """`file` or `parallel`, if its tasks run in another order than its form has."""
    optional: bool = False
    """Tasks that the file marks as optional run, too."""
    candidates: int | None = None
    """The number of candidates of tasks that say nothing about theirs."""
    candidate_agents: tuple[str, ...] = ()
    """The agents of the candidates of tasks that name no agent."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    """The values of the file's arguments, `{{name}}`."""
    key: str | None = None
    """A name for the start, so that another start with it is the same run."""

    @classmethod
    def of(cls, stored: StoredOptions) -> Self | None:
        """Returns the task file that the journal has of a run; None if it was made from none."""
        if stored.taskfile is None:
            return None
        return cls(
            taskfile=stored.taskfile,
            order=stored.order,
            optional=stored.optional,
            candidates=stored.candidates,
            candidate_agents=stored.candidate_agents,
            arguments=stored.arguments,
            key=stored.key,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The options of a run.

    The journal keeps `kind`, `source`, `limit_usd`, `sandbox`, `pool`, `isolation`, `overlaps`, `default_agent`,
    `chosen_because`, `cwd`, `spool`, `max_concurrent` and `default_timeout_s` for a resume; the rest a resume is
    given anew.

    Raises:
        SpawnerError: `max_concurrent` is less than 1.
    """

    default_agent: str
    """The agent of tasks that name none."""
    chosen_because: str | None = None
    """The reason for that agent, if one was chosen among several; who looks at the run sees it."""
    cwd: Path
    """The folder in which agents work."""
    spool: Path
    """The folder under which the run gets its own."""
    kind: str = "spawn"
    """The part of Aurora that asks for the run; its name begins with it."""
    source: TaskSource | None = None
    """The task file, for a resume; None if there is none."""
    limit_usd: float | None = None
    """The most that it may cost, for a resume; a `BudgetedExecutor` enforces it."""
    sandbox: str | None = None
    """The mode of the sandbox that the command asked for, for a resume; a `ConfiningExecutor` puts it up."""
    pool: str | None = None
    """The pool of workers that runs its attempts, for a resume; a `PoolExecutor` reaches it."""
    isolation: Isolation | None = None
    """The repository of which each task gets a worktree; None lets all tasks work in `cwd`."""
    overlaps: Overlaps = "wait"
    """A task that declares a file (`SpawnTask.files`) which another has claimed waits for its end; `allow` lets it
    start."""
    checks: tuple[str, ...] = ()
    """Shell commands that must pass on the work of each task that changed something, and again on the merged work
    before the target gets it; only in worktrees. A resume is given them anew: the journal of a stranger's project
    must not name programs to run."""
    run_task_checks: bool = True
    """False leaves out the checks that tasks themselves name: they come from somebody who is not trusted."""
    check_rounds: int = 2
    """The most rounds in which an agent fixes what checks have found, in the same session if it has one."""
    review_rounds: int = 2
    """The most times that a reviewer may send the work on a task back; the next time fails the task."""
    check_timeout_s: float = 1800.0
    """Time for all checks of one attempt's work."""
    check_protect: tuple[str, ...] = ()
    """Patterns of files that checks rest on, such as tests; a task that changes some is reported."""
    env_pass: tuple[str, ...] = ()
    """Names or patterns of variables that checks and set-up inherit beyond those of every agent. A resume is given
    them anew."""
    diff_gate: DiffGate | None = None
    """Judges the committed work of each task; only in worktrees. None takes all work. A resume is given it anew."""
    merge_gate: MergeGate | None = None
    """Judges the delivery of the finished work (`MergeMode.AUTO`); None delivers it. A resume is given it anew."""
    confining: Confining | None = None
    """The confinement of each agent, for the checks and set-up commands of its tasks and for the commands of a merge
    with its work; None runs them outside of any sandbox. Attempts are confined by `executor`. A resume is given it
    anew."""
    approval_limit_s: float | None = 3600.0
    """Time for a person's answer to a question of a gate; then it is no. 0 for no at once, None for no limit."""
    forecast_every_s: float | None = 2.0
    """Time between two looks for conflicts of running tasks; None never looks."""
    preparation: Preparation | None = None
    """The contents of each task's worktree besides its base commit; None for nothing. A resume is given it anew, as
    `checks`."""
    max_concurrent: int = 4
    agent_limits: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Attempts of an agent at once, if fewer than `max_concurrent`."""
    default_timeout_s: float | None = None
    """The time limit of attempts whose task and agent have none."""
    start_rate_per_s: float | None = None
    """Spaces the starts of tasks; None starts them as they come."""
    expand: Expansion | None = None
    """Called with each task that succeeded and its result. The tasks it returns join the run; what waits for the task
    waits for them, too."""
    max_added: int = DEFAULT_MAX_ADDED
    """Tasks that may join in all."""
    recovery: RecoverySettings | RecoveryPolicy | None = None
    """The treatment of failures; None leaves each task its first failure."""
    prices: PriceTable | None = None
    """For results of agents that report tokens and no money; None leaves their cost unknown."""
    state_dir: Path | None = None
    """The user's own folder. The journal's head is noted there, so that a journal that was cut or written anew is
    found; None notes it nowhere."""
    executor: Executor | None = None
    """Runs the attempts; processes of this machine if None."""
    environ: Mapping[str, str] | None = None
    """The environment that agents inherit; that of this process if None."""
    gate: ToolCallGate | None = None
    """Judges the tool calls of agents whose CLIs have hooks, before they happen; None lets the CLIs decide alone."""
    lessons: LessonSource | None = None
    """Has lessons of earlier work for agents that begin; None for none. A resume is given it anew."""

    def __post_init__(self) -> None:
        if self.max_concurrent < 1:
            raise SpawnerError(f"max_concurrent must be at least 1, not {self.max_concurrent}")
        for name in ("check_rounds", "review_rounds"):
            if getattr(self, name) < 0:
                raise SpawnerError(f"{name} must be at least 0, not {getattr(self, name)}")
        if not 0 < self.check_timeout_s < math.inf:
            raise SpawnerError(f"check_timeout_s must be a number of seconds above 0, not {self.check_timeout_s}")
        if self.approval_limit_s is not None and not 0 <= self.approval_limit_s < math.inf:
            raise SpawnerError(f"approval_limit_s must be a number of seconds, not {self.approval_limit_s}")
        for name in ("checks", "check_protect", "env_pass"):
            if isinstance(getattr(self, name), str):
                raise SpawnerError(f"{name} must be several texts, such as ({getattr(self, name)!a},)")

    @property
    def stored(self) -> StoredOptions | None:
        """The part of the options that the journal keeps for a resume alone; None if there is none."""
        kept = self.source is not None or self.limit_usd is not None or self.isolation is not None
        kept = kept or self.chosen_because is not None
        if not kept and self.sandbox is None and self.pool is None and self.overlaps == "wait":
            return None
        source = self.source
        return StoredOptions(
            taskfile=source.taskfile if source else None,
            limit_usd=self.limit_usd,
            order=source.order if source else None,
            optional=source.optional if source else False,
            candidates=source.candidates if source else None,
            candidate_agents=source.candidate_agents if source else (),
            arguments=dict(source.arguments) if source else {},
            key=source.key if source else None,
            isolation=self.isolation,
            sandbox=self.sandbox,
            pool=self.pool,
            overlaps=self.overlaps,
            chosen_because=self.chosen_because,
        )


class CheckOptions(TypedDict, total=False):
    """The options of a run that are about checks; each means the same as in `RunOptions`."""

    checks: tuple[str, ...]
    run_task_checks: bool
    check_rounds: int
    review_rounds: int
    check_timeout_s: float
    check_protect: tuple[str, ...]
    env_pass: tuple[str, ...]


class GateOptions(TypedDict, total=False):
    """The options of a run that are about gates; each means the same as in `RunOptions`."""

    gate: ToolCallGate | None
    diff_gate: DiffGate | None
    merge_gate: MergeGate | None
    approval_limit_s: float | None


class ResumeOptions(CheckOptions, GateOptions, total=False):
    """Options of a run that a resume is given anew; each means the same as in `RunOptions`, and has its default.

    `max_concurrent` is the exception: left out, it is what the run was created with.
    """

    forecast_every_s: float | None
    preparation: Preparation | None
    confining: Confining | None
    lessons: LessonSource | None
    max_concurrent: int
    agent_limits: Mapping[str, int]
    start_rate_per_s: float | None
    expand: Expansion | None
    max_added: int
    recovery: RecoverySettings | RecoveryPolicy | None
    prices: PriceTable | None
    state_dir: Path | None
    executor: Executor | None
    environ: Mapping[str, str] | None
