"""The orchestrator of a project's questions; with `tool` set, that agent is its model."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from aurora_policies import BudgetStoreError
from aurora_soar.answer_cache import AnswerCache
from aurora_soar.models.language_model import AgentModel
from aurora_soar.notices import Notice
from aurora_soar.orchestrator import SOAROrchestrator
from aurora_soar.registry import LOCAL_AGENT, Agent, AgentRegistry
from aurora_soar.resumption.record import parts_of
from aurora_soar.taskruns.agents import among, skipping
from aurora_soar.taskruns.ledger import open_ledger
from aurora_spawner import CliBackend
from aurora_spawner.control.lookup import attempts_of
from aurora_spawner.errors import UnknownRunError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aurora_core import Memory
    from aurora_policies.budget import BudgetStatus
    from aurora_soar.taskruns.agents import ProjectAgents
    from aurora_soar.taskruns.limits import RunLimits
    from aurora_spawner import Backend
    from aurora_spawner.attempts.executor import Executor
    from aurora_spawner.runs.run_options import GateOptions

__all__ = ["ModelParts", "build_orchestrator", "model_parts", "settle_parts"]

_DESCRIPTION: Final = (
    "A coding agent with a model: reads and searches the project's files, reasons about them and explains. It costs "
    "time and money; give it what extraction cannot do."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelParts:
    """The parts of an orchestrator that has an agent as its model.

    Attributes:
        registry: the agents that subgoals may go to.
        model: plans, and writes the answer.
        executor: builds what runs agents within budget and caps, given the run that is resumed, or None.
        gate: judges the agents' tool calls.
    """

    registry: AgentRegistry
    model: AgentModel
    executor: Callable[[str | None], Executor]
    gate: GateOptions


def build_orchestrator(
    agents: ProjectAgents,
    memory: Memory,
    shared: Memory | None,
    *,
    tool: str | None = None,
    fresh: bool = False,
    max_concurrent: int | None = None,
) -> SOAROrchestrator:
    """Builds the orchestrator that answers questions about a project.

    A model takes part only if the user has named an agent for it: an agent that was merely found would spend money
    unasked.

    Args:
        shared: a memory of answers that the user's projects share; None without consent.
        tool: the agent that is the model; the configured one if None.
        fresh: take no plan and no answer from the cache; new ones replace those that are there.
        max_concurrent: agents at once; the configured number if None, and never more than the policies allow.

    Raises:
        UnknownAgentError, UntrustedAgentError: the named agent is not there, or not trusted.
        OverLimitError: nothing is left of the budget for it.
    """
    recovery = replace(agents.recovery(), on_batch_held=None)
    parts = model_parts(agents, tool=tool, detached=True)
    registry = parts.registry if parts else AgentRegistry.local(agents.project.root)
    return SOAROrchestrator(
        project=agents.project,
        memory=memory,
        policies=agents.policies,
        registry=registry,
        max_concurrent=agents.max_concurrent(max_concurrent),
        recovery=skipping(among(registry.backends, recovery)),
        shared=shared,
        model=parts.model if parts else None,
        executor=parts.executor if parts else None,
        budget=partial(_budget_status, agents),
        gate=parts.gate if parts else None,
        tool=parts.model.name if parts else None,
        cache=AnswerCache.of(agents.project, fresh=fresh),
    )


def model_parts(agents: ProjectAgents, *, tool: str | None = None, detached: bool = False) -> ModelParts | None:
    """Builds what an agent that was named for it needs to be a model; None if none was; errors as above.

    Args:
        tool: the agent; the configured one if None.
        detached: whether agents outlive this process, so that a resume can adopt them.
    """
    where = f"tool ({agents.config.origin('tool')})" if tool is None else "the question"
    tool = tool or agents.config.tool
    if tool in (None, LOCAL_AGENT):
        return None
    recovery = replace(agents.recovery(), on_batch_held=None)
    agents.check_trusted([(tool, where)])
    backends = {name: _asked(agents.backends[name]) for name in agents.with_fallbacks(tool, where)}
    # Nobody watches the inbox of a question, which ends with this process.
    gate: GateOptions = {**agents.gate_options(agents.gate([tool])), "approval_limit_s": 0.0}
    limits = agents.limits()
    limits.check((tool,), tasks=1)
    registry = AgentRegistry.local(agents.project.root).joined_by(Agent(id=tool, description=_DESCRIPTION), backends)
    executor = partial(_executor, limits, agents.project.runs_db, detached=detached)
    model = AgentModel(
        name=tool,
        backends=registry.backends,
        project=agents.project,
        timeout_s=float(agents.policies.recovery.timeout_seconds),
        recovery=skipping(among(backends, recovery)),
        executor=executor,
        gate=gate,
    )
    return ModelParts(registry=registry, model=model, executor=executor, gate=gate)


async def settle_parts(agents: ProjectAgents, query_id: str) -> None:
    """Settles the reservations of those attempts of a question's runs that ended after its process was killed."""
    journal = agents.project.runs_db
    for run_id in parts_of(journal, query_id):
        with suppress(UnknownRunError):  # a clean-up has removed it
            await agents.limits().reconcile(run_id, attempts_of(journal, run_id), over=False)


def _executor(limits: RunLimits, journal: Path, resumes: str | None, *, detached: bool) -> Executor:
    spawned = len(attempts_of(journal, resumes)) if resumes is not None else 0
    return limits.executor(resumes=resumes, spawned=spawned, detached=detached)


def _asked(backend: Backend) -> Backend:
    """Returns the agent for a question: it has nothing to change, so only the user's word makes it permissive."""
    if isinstance(backend, CliBackend) and backend.permissive is None:
        return replace(backend, permissive=False)
    return backend


def _budget_status(agents: ProjectAgents) -> BudgetStatus | None:
    """Reads the status of the user's ledger; None, with a notice, if it cannot be read."""
    try:
        return open_ledger(agents.policies).status()
    except BudgetStoreError as error:
        agents.notify(Notice(message=f"the budget is unknown: {error}", warning=True))
        return None
