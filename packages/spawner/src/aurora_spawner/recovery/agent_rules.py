"""The rules for each agent of a run: its policy, its fallbacks, its provider, and its history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_spawner.recovery.fallbacks import fallback_chain, provider_of
from aurora_spawner.recovery.history import AgentHistory, adapted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_spawner.backends.base import Backend
    from aurora_spawner.recovery.policy import RecoveryPolicy
    from aurora_spawner.recovery.settings import RecoverySettings


class AgentRules:
    """Answers per agent; each answer is worked out once."""

    def __init__(
        self, settings: RecoverySettings, *, backends: Mapping[str, Backend], histories: Mapping[str, AgentHistory]
    ) -> None:
        self._settings = settings
        self._backends = backends
        self._histories = histories
        self._policies: dict[str, RecoveryPolicy] = {}
        self._chains: dict[str, tuple[str, ...]] = {}
        self._providers: dict[str, str] = {}

    @property
    def agents(self) -> tuple[str, ...]:
        """Every agent of the run."""
        return tuple(self._backends)

    def policy(self, agent: str) -> RecoveryPolicy:
        """Returns the policy of an agent, adapted to its history if the policy says so."""
        if agent not in self._policies:
            self._policies[agent] = adapted(self._settings.policy.get_for_agent(agent), self.history(agent))
        return self._policies[agent]

    def history(self, agent: str) -> AgentHistory:
        """Returns what the journal knows of an agent's earlier tasks."""
        return self._histories.get(agent) or AgentHistory(agent=agent)

    def chain(self, agent: str) -> tuple[str, ...]:
        """Returns the fallbacks of an agent, in order."""
        if agent not in self._chains:
            self._chains[agent] = fallback_chain(
                agent,
                self.policy(agent),
                backends=self._backends,
                configured=self._settings.fallbacks.get(agent, ()),
            )
        return self._chains[agent]

    def provider(self, agent: str) -> str:
        """Returns the account whose limits an agent meets."""
        if agent not in self._providers:
            self._providers[agent] = provider_of(self._backends[agent])
        return self._providers[agent]
