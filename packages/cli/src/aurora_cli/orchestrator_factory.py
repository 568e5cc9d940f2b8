"""What answers a question: the orchestrator, and behind `--tool` one of the user's agents as its model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from aurora_cli import run_wiring, wiring
from aurora_cli.errors import UnknownAgentError
from aurora_cli.output import note
from aurora_policies import BudgetStoreError
from aurora_soar import Agent, AgentModel, AgentRegistry, SOAROrchestrator

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from aurora_cli.money import Guard
    from aurora_core import Config, Memory, Project
    from aurora_policies import PoliciesEngine
    from aurora_policies.budget import BudgetStatus
    from aurora_spawner import Backend, RecoverySettings
    from aurora_spawner.attempts.executor import Executor

__all__ = ["orchestrator"]

_DESCRIPTION: Final = (
    "A coding agent with a model: reads and searches the project's files, reasons about them and explains. It costs "
    "time and money; give it what extraction cannot do."
)


def orchestrator(project: Project, memory: Memory, config: Config, shared: Memory | None) -> SOAROrchestrator:
    """Puts together what answers questions about a project.

    A model takes part only where the user has named an agent for it: one that was found would spend money unasked.

    Args:
        shared: see `shared_answers`.

    Raises:
        UnknownAgentError: the named agent is not there.
        OverLimitError: nothing is left of the budget for it.
    """
    local = AgentRegistry.local(project.root)
    engine = wiring.policies_of(project)
    recovery = replace(run_wiring.recovery_of(project, config), on_batch_held=None)
    thinking = None
    if config.tool not in (None, wiring.LOCAL_AGENT):
        backends = wiring.backends_of(project, config)
        wiring.check_trusted(config, backends, [(str(config.tool), f"tool ({config.origin('tool')})")])
        chain = _chain(str(config.tool), recovery.fallbacks, backends, f"tool ({config.origin('tool')})")
        guard = wiring.guard_of(engine, config, backends, None)
        among = run_wiring.skipping(_among({name: backends[name] for name in chain}, recovery))
        thinking = _think_with(
            str(config.tool), project=project, local=local, may_come_to=chain, guard=guard, recovery=among
        )
    registry = thinking.registry if thinking else local
    return SOAROrchestrator(
        project=project,
        memory=memory,
        policies=engine,
        registry=registry,
        max_concurrent=min(config.max_concurrent, engine.caps.max_agents),
        recovery=run_wiring.skipping(_among(registry.backends, recovery)),
        shared=shared,
        model=thinking.model if thinking else None,
        executor=thinking.executor if thinking else None,
        budget=partial(_budget_status, engine),
    )


def _chain(
    tool: str, fallbacks: Mapping[str, tuple[str, ...]], backends: Mapping[str, Backend], where: str
) -> tuple[str, ...]:
    """Names an agent and those that it may fall back to, from one to the next.

    Raises:
        UnknownAgentError: it is not there.
    """
    if tool not in backends:
        raise UnknownAgentError(tool, where, backends.keys())
    found = [tool]
    for name in found:
        found += [each for each in fallbacks.get(name, ()) if each in backends and each not in found]
    return tuple(found)


def _among(backends: Mapping[str, Backend], recovery: RecoverySettings) -> RecoverySettings:
    """The same for a run that has fewer agents than are configured: who is not there is not fallen back to."""
    fallbacks = {
        agent: tuple(name for name in names if name in backends)
        for agent, names in recovery.fallbacks.items()
        if agent in backends
    }
    return replace(recovery, fallbacks=fallbacks)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Thinking:
    """What a question is answered with.

    Attributes:
        registry: the agents that parts of it may go to.
        model: plans, and writes the answer.
        executor: makes what runs agents within budget and caps.
    """

    registry: AgentRegistry
    model: AgentModel
    executor: Callable[[], Executor]


def _think_with(
    tool: str,
    *,
    project: Project,
    local: AgentRegistry,
    may_come_to: Collection[str],
    guard: Guard,
    recovery: RecoverySettings,
) -> _Thinking:
    """Puts an agent to use as the model of a question.

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

    return _Thinking(
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
    )


def _budget_status(engine: PoliciesEngine) -> BudgetStatus | None:
    """Reads the status of the user's ledger; None, with a note, if it cannot be read."""
    from aurora_cli import money

    try:
        return money.ledger_of(engine).status()
    except BudgetStoreError as error:
        note(f"warning: the budget is unknown: {error}")
        return None
