"""The settings by which a coordinator decides, as the journal keeps them for a replay."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from aurora_spawner.recovery.agent_rules import AgentRules
from aurora_spawner.recovery.fallbacks import fallback_chain
from aurora_spawner.recovery.policy import RecoveryStrategy
from aurora_spawner.storage.stored_values import StoredValueError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_spawner.backends.base import Backend
    from aurora_spawner.recovery.settings import RecoverySettings
    from aurora_spawner.runs.resume_state import Revision
    from aurora_spawner.runs.run_options import RunOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionSettings:
    """All that decides about a run beside its tasks and what happens to them."""

    max_concurrent: int
    agent_limits: Mapping[str, int]
    start_rate_per_s: float | None
    max_added: int
    retry_failed: bool
    tasks_given: bool
    """True if the tasks were given anew, as by a task file that may have been edited."""
    policy: Mapping[str, Any] | None
    """The recovery policy as `RecoveryPolicy.to_dict` has it; None for a run without recovery."""
    adhoc: tuple[str, ...]
    """Agents generated for the run."""
    providers: Mapping[str, str]
    """By agent, the account whose limits it meets; "" in a run without recovery."""
    chains: Mapping[str, tuple[str, ...]]
    """By agent, its fallbacks in order, whether or not its policy falls back; agents without any are left out."""

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        return {
            "max_concurrent": self.max_concurrent,
            "agent_limits": dict(self.agent_limits),
            "start_rate_per_s": self.start_rate_per_s,
            "max_added": self.max_added,
            "retry_failed": self.retry_failed,
            "tasks_given": self.tasks_given,
            "policy": None if self.policy is None else dict(self.policy),
            "adhoc": list(self.adhoc),
            "providers": dict(self.providers),
            "chains": {agent: list(chain) for agent, chain in self.chains.items()},
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Returns the settings that `to_json` stored.

        Raises:
            StoredValueError: A field is missing or malformed.
        """
        try:
            return cls(
                max_concurrent=int(stored["max_concurrent"]),
                agent_limits={str(agent): int(most) for agent, most in stored["agent_limits"].items()},
                start_rate_per_s=stored["start_rate_per_s"],
                max_added=int(stored["max_added"]),
                retry_failed=stored["retry_failed"] is True,
                tasks_given=stored["tasks_given"] is True,
                policy=stored["policy"],
                adhoc=tuple(map(str, stored["adhoc"])),
                providers={str(agent): str(provider) for agent, provider in stored["providers"].items()},
                chains={str(agent): tuple(map(str, chain)) for agent, chain in stored["chains"].items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StoredValueError(f"the settings of a coordinator are malformed: {error!r}") from error


def settings_of_decisions(
    options: RunOptions, *, backends: Mapping[str, Backend], recovery: RecoverySettings | None, revision: Revision
) -> DecisionSettings:
    """Returns the settings of a run that is about to be executed."""
    rules = None if recovery is None else AgentRules(recovery, backends=backends, histories={})
    chains = {} if recovery is None else {agent: _chain(agent, recovery, backends) for agent in backends}
    return DecisionSettings(
        max_concurrent=options.max_concurrent,
        agent_limits=options.agent_limits,
        start_rate_per_s=options.start_rate_per_s,
        max_added=options.max_added,
        retry_failed=revision.retry_failed,
        tasks_given=revision.tasks is not None,
        policy=None if recovery is None else recovery.policy.to_dict(),
        adhoc=() if recovery is None else tuple(sorted(recovery.adhoc)),
        providers={agent: "" if rules is None else rules.provider(agent) for agent in backends},
        chains={agent: chain for agent, chain in chains.items() if chain},
    )


def _chain(agent: str, recovery: RecoverySettings, backends: Mapping[str, Backend]) -> tuple[str, ...]:
    policy = replace(recovery.policy.get_for_agent(agent), strategy=RecoveryStrategy.RETRY_THEN_FALLBACK)
    return fallback_chain(agent, policy, backends=backends, configured=recovery.fallbacks.get(agent, ()))
