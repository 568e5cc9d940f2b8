"""Record of one execution, phase by phase; the answer, its log and its JSON are made from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from aurora_spawner.tasks.usage import NOTHING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from aurora_policies.budget import BudgetStatus
    from aurora_soar.evidence.agent_outputs import AgentOutput
    from aurora_soar.models.language_model import Completion
    from aurora_soar.phases.assess import Assessment
    from aurora_soar.phases.background import Background
    from aurora_soar.phases.collect import Collected
    from aurora_soar.phases.criticise import Criticised
    from aurora_soar.phases.decompose import Decomposition
    from aurora_soar.phases.record import Recorded
    from aurora_soar.phases.replan import Replanned
    from aurora_soar.phases.retrieve import RetrievedContext
    from aurora_soar.phases.synthesize import Source, Synthesis
    from aurora_soar.phases.verify import Verification
    from aurora_soar.question.question import Question
    from aurora_spawner.tasks.usage import Usage

__all__ = ["Execution", "Phase", "PhaseTiming", "Verbosity", "usage_of"]


class Phase(StrEnum):
    """The eight phases, with their names in the conversation log."""

    ASSESS = "phase1_assess"
    RETRIEVE = "phase2_retrieve"
    DECOMPOSE = "phase3_decompose"
    VERIFY = "phase4_verify"
    COLLECT = "phase5_collect"
    SYNTHESIZE = "phase6_synthesize"
    RECORD = "phase7_record"
    RESPOND = "phase8_respond"


class Verbosity(StrEnum):
    """The level of detail of an answer."""

    QUIET = "quiet"  # the answer alone
    NORMAL = "normal"  # and a line with its scores
    VERBOSE = "verbose"  # and a line for each phase and agent
    JSON = "json"  # the conversation log's document


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTiming:
    """The time of a phase.

    Attributes:
        duration_ms: 0 for a phase that did not run.
        started_at: Unix time in seconds; None if it did not run.
        error: the exception that ended it; None on success.
    """

    duration_ms: float = 0.0
    started_at: float | None = None
    error: str | None = None


def usage_of(*asked: Completion | AgentOutput) -> Usage | None:
    """Returns the sum of all reported usage; None if none was reported."""
    reported = [each.usage for each in asked if each.usage is not None]
    return sum(reported, start=NOTHING) if reported else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """The results of phases 1 to 7 for one question.

    Attributes:
        query_id: `soar-<milliseconds>`, unique within the project.
        decomposition, verification: None if the question did not need the phase.
        timings: by phase, for each phase that ran.
        plan_calls: the model's completions for the plan, the rejected ones included.
        answer_calls: the model's completions for the answer, the rejected ones included.
        other_calls: its completions for the complexity, the check of the plan, and the plan after a failure.
        criticised: the adversarial check of the plan; None if the question did not need it.
        replanned: the plan after a critical failure; None if there was none.
        budget: status of the user's ledger after the work; None if there is no ledger or it cannot be read.
        verbosity: the level of detail of phase 8.
        asked: the user's words; the question names what they refer to in earlier turns.
        session: the session that it was asked in; None if it begins one of its own.
        carried: the earlier turns and answers that a model was shown.
        cache_key: the key of its plan and its answer; "" without a cache.
        cached_from: the execution that gave the answer, if it came from the cache; "" if not.
        plan_cached: True if the plan came from the cache.
        plan_reused: the execution whose answer took the place of a plan; "" if none did.
    """

    query_id: str
    question: Question
    started_at: datetime
    duration_ms: float
    budget: BudgetStatus | None
    verbosity: Verbosity
    assessment: Assessment
    context: RetrievedContext
    decomposition: Decomposition | None
    verification: Verification | None
    collected: Collected
    synthesis: Synthesis
    recorded: Recorded
    timings: Mapping[Phase, PhaseTiming]
    plan_calls: tuple[Completion, ...] = ()
    answer_calls: tuple[Completion, ...] = ()
    other_calls: tuple[Completion, ...] = ()
    criticised: Criticised | None = None
    replanned: Replanned | None = None
    asked: str = ""
    session: str | None = None
    carried: Background | None = None
    cache_key: str = ""
    cached_from: str = ""
    plan_cached: bool = False
    plan_reused: str = ""

    @property
    def calls(self) -> tuple[Completion, ...]:
        """All completions of the model."""
        return (*self.other_calls, *self.plan_calls, *self.answer_calls)

    @property
    def usage(self) -> Usage | None:
        """The sum of all usage that models reported; None if none was reported."""
        return usage_of(*self.calls, *self.collected.outputs)

    @property
    def model_asked(self) -> bool:
        """True if a model or an agent was asked that may have cost something."""
        return bool(self.calls) or any(output.words for output in self.collected.outputs)

    @property
    def answer(self) -> str:
        """The answer in Markdown."""
        return self.synthesis.answer

    @property
    def confidence(self) -> float:
        """The mean of the answer's coherence, completeness and factuality, 0 to 1."""
        return self.synthesis.confidence

    @property
    def sources(self) -> tuple[Source, ...]:
        """The places that the answer cites."""
        return self.synthesis.sources

    @property
    def interrupted(self) -> bool:
        """True if a signal ended an agent or a call of the model early."""
        return self.collected.interrupted or any(call.interrupted for call in self.calls)

    @property
    def run_id(self) -> str | None:
        """The id of the agents' run in the journal; None if no agent was needed."""
        return self.collected.run_id

    @property
    def ok(self) -> bool:
        """True if the answer has a source and no critical subgoal failed."""
        return bool(self.sources) and not self.interrupted and not self.failed_critical

    @property
    def failed_critical(self) -> tuple[int, ...]:
        """The indexes of the critical subgoals whose agent failed."""
        if self.decomposition is None:
            return ()
        return tuple(
            output.subgoal_index
            for output in self.collected.outputs
            if not output.success and self.decomposition.subgoals[output.subgoal_index].is_critical
        )
