"""The agents that a decomposition may be routed to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_spawner import CommandBackend
from aurora_spawner.supervision.interpreter import python_command

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aurora_spawner import Backend

__all__ = ["LOCAL_AGENT", "Agent", "AgentRegistry"]

LOCAL_AGENT: Final = "local"
_LOCAL_DESCRIPTION: Final = (
    "Answers from the project's own memory by extraction: definitions, signatures, documentation, callers and "
    "tests, each with file and line. Needs no model and changes nothing."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent that can be given a subgoal.

    Attributes:
        id: its name in decompositions, logs and task files.
        description: its strengths, in a sentence or two.
        source_file: the file that defines it; None for a built-in one.
    """

    id: str
    description: str
    source_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRegistry:
    """Agents by id, and the backend that runs each."""

    agents: Mapping[str, Agent]
    backends: Mapping[str, Backend]

    @classmethod
    def local(cls, project_root: Path) -> AgentRegistry:
        """Returns the registry of a machine without agents: the local agent alone."""
        command = python_command("aurora_soar.local_agent", "--project", str(project_root))
        return cls(
            agents={LOCAL_AGENT: Agent(id=LOCAL_AGENT, description=_LOCAL_DESCRIPTION)},
            backends={LOCAL_AGENT: CommandBackend(name=LOCAL_AGENT, command=command, instructible=False)},
        )

    def joined_by(self, agent: Agent, backends: Mapping[str, Backend]) -> AgentRegistry:
        """Returns the registry with one more agent for subgoals, named first.

        Args:
            backends: the agent's own, by its id, and those of its fallbacks.
        """
        return AgentRegistry(agents={agent.id: agent, **self.agents}, backends={**self.backends, **backends})

    def __contains__(self, agent_id: object) -> bool:
        return agent_id in self.agents
