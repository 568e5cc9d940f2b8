"""The model behind `aur soar --tool NAME`: one of the user's agents plans, looks, and writes the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_soar import Agent, AgentModel, AgentRegistry

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from aurora_cli.money import Guard
    from aurora_core import Project
    from aurora_spawner import RecoverySettings
    from aurora_spawner.executor import Executor

__all__ = ["Thinking", "think_with"]

_DESCRIPTION: Final = (
    "A coding agent with a model: reads and searches the project's files, reasons about them and explains. It costs "
    "time and money; give it what extraction cannot do."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking:
    """What a question is answered with.

    Attributes:
        registry: the agents that parts of it may go to.
        model: plans, and writes the answer.
        executor: makes what runs agents within budget and caps.
        spent: what the month has cost so far, and in how many entries.
    """

    registry: AgentRegistry
    model: AgentModel
    executor: Callable[[], Executor]
    spent: Callable[[], tuple[float, int]]


def think_with(
    tool: str,
    *,
    project: Project,
    local: AgentRegistry,
    may_come_to: Collection[str],
    guard: Guard,
    recovery: RecoverySettings,
) -> Thinking:
    """Put an agent to use as the model of a question.

    Args:
        tool: its name, one of the guard's backends.
        may_come_to: it and its fallbacks.

    Raises:
        OverLimitError: nothing is left of the budget for it.
    """
    guard.check((tool,), tasks=1)
    backends = {name: guard.backends[name] for name in may_come_to}
    registry = local.joined_by(Agent(id=tool, description=_DESCRIPTION), backends)

    def executor() -> Executor:
        return guard.executor(outlive=False)

    return Thinking(
        registry=registry,
        model=AgentModel(
            name=tool,
            backends=registry.backends,
            project=project,
            timeout_s=float(guard.engine.recovery.timeout_seconds),
            recovery=recovery,
            executor=executor,
        ),
        executor=executor,
        spent=guard.spent,
    )
