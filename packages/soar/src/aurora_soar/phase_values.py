"""Values of the table of phases: the context of an execution, and what steps give that join several results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_soar.answer_cache import key_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_core import Project
    from aurora_policies import PoliciesEngine
    from aurora_policies.budget import BudgetStatus
    from aurora_soar.answer_cache import AnswerCache
    from aurora_soar.memory_port import SoarMemory
    from aurora_soar.models.language_model import Completion, LanguageModel
    from aurora_soar.phase_runner import PhaseTimer
    from aurora_soar.phases.assess import Assessment
    from aurora_soar.phases.background import Background
    from aurora_soar.phases.retrieve import RetrievedContext
    from aurora_soar.phases.synthesize import Synthesis
    from aurora_soar.question.focus import Focus
    from aurora_soar.question.presence import Presence
    from aurora_soar.question.question import Question
    from aurora_soar.registry import AgentRegistry
    from aurora_soar.report.execution import Execution, Verbosity
    from aurora_soar.resumption.record import Unrecorded
    from aurora_soar.sessions import Conversation, Turn
    from aurora_spawner import RecoverySettings
    from aurora_spawner.attempts.executor import Executor
    from aurora_spawner.runs.run_options import GateOptions

__all__ = ["Assessed", "Context", "Responded", "Retrieved", "Synthesized"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Everything that is the same for all phases of one execution; see `SOAROrchestrator` for the parts."""

    query: str
    verbosity: Verbosity
    timer: PhaseTimer
    project: Project
    memory: SoarMemory
    policies: PoliciesEngine
    registry: AgentRegistry
    max_concurrent: int
    recovery: RecoverySettings
    shared: SoarMemory | None
    model: LanguageModel | None
    executor: Callable[[str | None], Executor]
    budget: Callable[[], BudgetStatus | None] | None
    gate: GateOptions
    record: Unrecorded
    conversation: Conversation | None
    asked: str
    cache: AnswerCache | None

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The earlier turns of the session."""
        return self.conversation.turns if self.conversation else ()

    @property
    def key(self) -> str:
        """The key of the question in the cache, as things are now."""
        return key_of(
            self.query,
            index=self.memory.state(),
            model=self.model.name if self.model else None,
            registry=self.registry,
            policies=self.policies,
            turns=self.turns,
        )

    def cache_for(self, key: str) -> AnswerCache | None:
        """Returns the cache for what this execution makes under a key.

        None if there is no cache, or if the question is resumed and what it rests on has changed since the key was
        made: then neither the old key nor the new one names what all of it rests on.
        """
        return self.cache if not self.record.resumed or self.key == key else None

    @property
    def query_id(self) -> str:
        """The execution's name: `soar-` and its start in milliseconds."""
        return self.record.query_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessed:
    """The result of phase 1.

    Attributes:
        calls: the model's answers if the rules were not sure.
    """

    question: Question
    assessment: Assessment
    calls: tuple[Completion, ...] = ()

    @property
    def interrupted(self) -> bool:
        """True if a signal ended a call of the model."""
        return any(call.interrupted for call in self.calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieved:
    """The result of phase 2."""

    focus: Focus
    presence: Presence
    context: RetrievedContext
    carried: Background


@dataclass(frozen=True, slots=True, kw_only=True)
class Synthesized:
    """The result of phase 6.

    Attributes:
        calls: the model's answers when it was asked to write.
    """

    synthesis: Synthesis
    calls: tuple[Completion, ...] = ()

    @property
    def interrupted(self) -> bool:
        """True if a signal ended a call of the model."""
        return any(call.interrupted for call in self.calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Responded:
    """The result of phase 8."""

    execution: Execution
    response: str
