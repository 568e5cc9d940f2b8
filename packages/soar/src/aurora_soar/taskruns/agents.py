"""A project's agents and the rules for them: which there are, the default, fallbacks, recovery and limits."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from aurora_core import ConfigError
from aurora_soar.errors import UnknownAgentError, UntrustedAgentError
from aurora_soar.notices import Notice, Notify, log_notice
from aurora_soar.registry import LOCAL_AGENT, AgentRegistry
from aurora_soar.taskruns.backends import configured_agents, found_agents, line_of, tool_command
from aurora_soar.taskruns.gate import RunGate, find_gate
from aurora_soar.taskruns.limits import RunLimits, user_prices
from aurora_soar.taskruns.merge_gate import PolicyMergeGate
from aurora_spawner import RecoverySettings
from aurora_spawner.backends.cli import installed_kinds
from aurora_spawner.backends.profiles import PROFILES
from aurora_spawner.errors import RecoveryPolicyError
from aurora_spawner.recovery.policy import RecoveryPolicy
from aurora_spawner.workspaces.preparation import Preparation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aurora_core import Config, Project
    from aurora_policies import PoliciesEngine
    from aurora_policies.schema import SandboxMode
    from aurora_soar.lessons.of_project import ProjectLessons
    from aurora_soar.taskruns.routing import AgentChoice
    from aurora_spawner import Backend
    from aurora_spawner.recovery.settings import BatchQuestion
    from aurora_spawner.runs.run_options import CheckOptions, GateOptions

__all__ = ["ProjectAgents", "among", "find_backends", "skipping"]


def find_backends(project: Project, config: Config, find_key: Callable[[str], str]) -> dict[str, Backend]:
    """Builds the agents that tasks may name: the configured ones, the CLIs found on PATH, and the local one.

    Args:
        find_key: returns a key's value by its name; called when an agent needs it.
    """
    return {
        **AgentRegistry.local(project.root).backends,
        **found_agents(os.environ, config.env_pass, tool_command(config)),
        **configured_agents(config, find_key),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectAgents:
    """The agents of one project, and the rules that hold for them.

    Attributes:
        backends: all that tasks may name, by name.
        on_batch_held: answers if too many tasks of a run fail; None leaves the rest of the run held, for a resume.
        notify: receives notices about limits.
        preparation: reads what worktrees of tasks contain besides their base commit.
    """

    project: Project
    config: Config
    policies: PoliciesEngine
    backends: Mapping[str, Backend]
    on_batch_held: BatchQuestion | None = None
    notify: Notify = log_notice
    preparation: Callable[[], Preparation] = Preparation

    @property
    def default_agent(self) -> str:
        """The agent for tasks that name none: by results, or as named, else the first CLI, else the local one.

        If a project asks for agents that the user does not trust, no other agent of theirs replaces it unasked.
        """
        choice = self.choice()
        if choice is not None:
            return choice.agent
        if self.config.untrusted:
            return self.config.tool or LOCAL_AGENT
        return self.config.tool or next(iter(installed_kinds(os.environ)), LOCAL_AGENT)

    @property
    def default_from(self) -> str:
        """The place that decides about the default agent, for errors."""
        key = "routing" if self.config.routing else "tool"
        return f"{key} ({self.config.origin(key)})"

    def choice(self) -> AgentChoice | None:
        """Chooses the default agent by the results in this project's journal, as `routing` asks; None without it.

        Raises:
            ConfigError: it names what is no agent.
        """
        routing = self.config.routing
        if routing is None:
            return None
        from aurora_soar.taskruns.standings import choose_by_results  # few projects route

        return choose_by_results(
            self.config, routing, self.backends, journal=self.project.runs_db, policies=self.policies
        )

    def max_concurrent(self, wanted: int | None = None) -> int:
        """Returns how many agents run at once: as wanted or configured, within the cap of the policies."""
        return min(wanted or self.config.max_concurrent, self.policies.caps.max_agents)

    def check_options(self, *, run_task_checks: bool) -> CheckOptions:
        """Returns the options of a run that are about checks.

        Args:
            run_task_checks: the user trusts the commands that its tasks name.
        """
        return {
            "checks": self.config.check,
            "run_task_checks": run_task_checks,
            "check_rounds": self.config.check_rounds,
            "review_rounds": self.config.review_rounds,
            "check_timeout_s": self.config.check_timeout_s,
            "check_protect": self.config.check_protect,
            "env_pass": self.config.env_pass,
        }

    def lessons(self) -> ProjectLessons | None:
        """Returns the lessons of the project; None without the user's consent."""
        if not self.config.lessons:
            return None
        from aurora_soar.lessons.of_project import ProjectLessons
        from aurora_soar.lessons.store import LessonStore

        store = LessonStore.of(self.project.root, os.environ)
        if store is None:
            return None
        return ProjectLessons(store=store, root=self.project.root, checks=self.config.check, notify=self.notify)

    @property
    def merge_gate(self) -> PolicyMergeGate:
        """The gate that finished work has to pass before it reaches its target."""
        return PolicyMergeGate(policies=self.policies)

    def gate(self, agents: Iterable[str]) -> RunGate:
        """Builds the policy gate of a run, which the agents that it may fall back to pass, too.

        Args:
            agents: those that its tasks name.
        """
        found = find_gate(self.policies, self.backends, self._reached(agents))
        if found.problem:
            self.notify(Notice(message=f"agents run without the policy gate: {found.problem}", warning=True))
        return found

    def gate_options(self, gate: RunGate) -> GateOptions:
        """Returns the options of a run for gates: who judges calls and work, and how long a person may take."""
        from aurora_soar.taskruns.diff_gate import PolicyDiffGate  # with the reader of shell; only runs need it

        return {
            "gate": gate.gate,
            "diff_gate": PolicyDiffGate(policies=self.policies),
            "merge_gate": self.merge_gate,
            "approval_limit_s": self.policies.policies.approvals.limit_seconds,
        }

    def check_trusted(self, agents: Iterable[tuple[str, str]]) -> None:
        """Refuses agents of the project's own that the user does not trust; the user's own of that name may run.

        Args:
            agents: the name of each, and the place that names it.

        Raises:
            UntrustedAgentError: one of them is not trusted.
        """
        untrusted = {claim.name for claim in self.config.untrusted}
        for agent, where in agents:
            if f"backends.{agent}" in untrusted and agent not in self.backends:
                raise UntrustedAgentError(agent, where)

    def with_fallbacks(self, agent: str, where: str) -> tuple[str, ...]:
        """Names an agent and those that it may fall back to, directly or through another.

        Args:
            where: the place that names the agent, for the error.

        Raises:
            UnknownAgentError: there is no agent of that name.
        """
        if agent not in self.backends:
            raise UnknownAgentError(agent, where, self.backends.keys())
        return tuple(self._reached([agent]))

    def limits(
        self,
        *,
        per_run_usd: float | None = None,
        sandbox: SandboxMode | None = None,
        pool: str | None = None,
        elsewhere: bool = False,
    ) -> RunLimits:
        """Builds the limits of one run: budget, caps, and what confines its agents.

        Args:
            sandbox: the mode that was asked for in this run.
            pool: the pool of workers that runs the attempts.
            elsewhere: another process executes the run, and sends what `notify:` asks for.

        Raises:
            PriceFileError: the user's prices cannot be understood.
        """
        routing = self.config.routing
        return RunLimits(
            policies=self.policies,
            backends=self.backends,
            may_use=frozenset({*self.config.backends, *(routing.among if routing else [self.default_agent])}),
            prices=user_prices(os.environ),
            per_run_usd=per_run_usd,
            sandbox=sandbox,
            pool=pool,
            pools=self.config.pools,
            folder=self.project.root,
            notify=self._notify_here if elsewhere else self.notify,
        )

    def _notify_here(self, notice: Notice) -> None:
        self.notify(replace(notice, budget=False))

    def recovery(self, *, background: bool = False) -> RecoverySettings:
        """Reads how failed agents are recovered: `spawner.recovery` over the policies' `agent_recovery`.

        Args:
            background: no user waits for the run, so only its tasks and agents limit its time, and none is asked.

        Raises:
            ConfigError: a field of `spawner.recovery` is not valid, or an agent falls back to an unknown one.
        """
        limits = asdict(self.policies.recovery)
        if background:
            del limits["timeout_seconds"]
        try:
            policy = RecoveryPolicy.from_config(
                {"agent_recovery": limits, "spawner": {"recovery": self.config.recovery}}
            )
        except RecoveryPolicyError as error:
            source = self.config.origin("spawner.recovery")
            raise ConfigError(source, line_of(source, error.field), error.field, error.problem) from error
        ask = None if background else self.on_batch_held
        return RecoverySettings(policy=policy, fallbacks=self._fallbacks(), on_batch_held=ask)

    def _reached(self, agents: Iterable[str]) -> list[str]:
        """Returns agents, and those that they may fall back to, directly or through another.

        Raises:
            ConfigError: a name that no agent has.
        """
        chains, found = self._fallbacks(), list(dict.fromkeys(agents))
        for name in found:
            found += [each for each in chains.get(name, ()) if each not in found]
        return found

    def _fallbacks(self) -> dict[str, tuple[str, ...]]:
        """Reads the fallbacks of each agent; a known CLI that is not installed here is left out.

        Raises:
            ConfigError: a name that no agent has.
        """
        known, found = self.backends, {}
        for name, backend in self.config.backends.items():
            for each in backend.fallback:
                if each not in known and each not in PROFILES:
                    source, field = self.config.origin(f"backends.{name}"), f"backends.{name}.fallback"
                    problem = f"there is no agent named {each!r}; known here: {', '.join(sorted(known))}"
                    raise ConfigError(source, line_of(source, field), field, problem)
            if fallbacks := tuple(each for each in backend.fallback if each in known and each != name):
                found[name] = fallbacks
        return found


def skipping(recovery: RecoverySettings) -> RecoverySettings:
    """Returns the settings for a run that cannot be resumed: what would be held without an answer is skipped."""
    return recovery if recovery.on_batch_held else replace(recovery, on_batch_held=lambda _reason: False)


def among(backends: Mapping[str, Backend], recovery: RecoverySettings) -> RecoverySettings:
    """Returns the settings for a run with fewer agents than are configured: no fallback to an absent one."""
    fallbacks = {
        agent: tuple(name for name in names if name in backends)
        for agent, names in recovery.fallbacks.items()
        if agent in backends
    }
    return replace(recovery, fallbacks=fallbacks)
