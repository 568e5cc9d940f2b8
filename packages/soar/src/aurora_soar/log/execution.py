"""One execution, phase by phase; the answer, its log and its JSON are views of it."""

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
    from aurora_soar.phases.collect import Collected
    from aurora_soar.phases.decompose import Decomposition
    from aurora_soar.phases.record import Recorded
    from aurora_soar.phases.retrieve import RetrievedContext
    from aurora_soar.phases.synthesize import Source, Synthesis
    from aurora_soar.phases.verify import Verification
    from aurora_soar.question.question import Question
    from aurora_spawner.tasks.usage import Usage

__all__ = ["Execution", "Phase", "PhaseTiming", "Verbosity", "usage_of"]


class Phase(StrEnum):
    """The eight phases, named as the conversation log names them."""

    ASSESS = "phase1_assess"
    RETRIEVE = "phase2_retrieve"
    DECOMPOSE = "phase3_decompose"
    VERIFY = "phase4_verify"
    COLLECT = "phase5_collect"
    SYNTHESIZE = "phase6_synthesize"
    RECORD = "phase7_record"
    RESPOND = "phase8_respond"


class Verbosity(StrEnum):
    """How much is told."""

    QUIET = "quiet"  # the answer alone
    NORMAL = "normal"  # and a line of what it is worth
    VERBOSE = "verbose"  # and what each phase and agent did
    JSON = "json"  # the conversation log's document


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTiming:
    """When a phase ran.

    Attributes:
        duration_ms: 0 for a phase that the question did not need.
        started_at: Unix time in seconds; None when it did not run.
        error: what it ended with, None when nothing went wrong.
    """

    duration_ms: float = 0.0
    started_at: float | None = None
    error: str | None = None


def usage_of(*asked: Completion | AgentOutput) -> Usage | None:
    """What these used together, of those that told; None where none did."""
    told = [each.usage for each in asked if each.usage is not None]
    return sum(told, start=NOTHING) if told else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """Everything that phases 1 to 7 made of one question.

    Attributes:
        query_id: `soar-<milliseconds>`, unique within the project.
        decomposition, verification, collected: None where a simple question did not need the phase.
        timings: one for each phase that ran.
        plan_calls: what the model answered when it planned, the answers that could not be used too.
        answer_calls: the same of the answer.
        budget: how the user's ledger stands once the work is done; None where nobody keeps one, or it cannot be read.
        verbosity: the form in which phase 8 is to answer.
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

    @property
    def usage(self) -> Usage | None:
        """What models used, of all that told; None where no model was asked, or none told."""
        return usage_of(*self.plan_calls, *self.collected.outputs, *self.answer_calls)

    @property
    def model_asked(self) -> bool:
        """Whether anything was asked that may have cost something."""
        return bool(self.plan_calls or self.answer_calls) or any(output.words for output in self.collected.outputs)

    @property
    def answer(self) -> str:
        """The answer in Markdown."""
        return self.synthesis.answer

    @property
    def confidence(self) -> float:
        """Mean of the answer's coherence, completeness and factuality, 0 to 1."""
        return self.synthesis.score

    @property
    def sources(self) -> tuple[Source, ...]:
        """Every place that the answer cites."""
        return self.synthesis.sources

    @property
    def interrupted(self) -> bool:
        """Whether a signal ended the agents before their work was done."""
        return self.collected.interrupted

    @property
    def run_id(self) -> str | None:
        """The agents' run in the journal; None when none had to be run."""
        return self.collected.run_id

    @property
    def ok(self) -> bool:
        """Whether the question got an answer with a source, and no critical subgoal failed."""
        return bool(self.sources) and not self.interrupted and not self.failed_critical

    @property
    def failed_critical(self) -> tuple[int, ...]:
        """Indexes of the critical subgoals whose agent did not succeed."""
        if self.decomposition is None:
            return ()
        return tuple(
            output.subgoal_index
            for output in self.collected.outputs
            if not output.success and self.decomposition.subgoals[output.subgoal_index].is_critical
        )
