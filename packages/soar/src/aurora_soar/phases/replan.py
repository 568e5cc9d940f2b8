"""Phase 5 after a critical subgoal has failed for good: what is left is planned anew, once; what was found stays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aurora_soar.evidence.evidence import Aspect
from aurora_soar.final_failures import is_held_up
from aurora_soar.model_plans.planned import MAX_SUBGOALS
from aurora_soar.phases.decompose import Decomposition, MatchQuality, Subgoal, layers
from aurora_soar.phases.decompose_with_model import ask_for_plan
from aurora_soar.phases.prompts import replan_request
from aurora_soar.registry import LOCAL_AGENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aurora_soar.evidence.agent_outputs import AgentOutput
    from aurora_soar.models.language_model import Completion, LanguageModel
    from aurora_soar.phases.retrieve import RetrievedContext
    from aurora_soar.question.question import Question
    from aurora_soar.registry import AgentRegistry

__all__ = ["Replanned", "critical_failures", "replan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replanned:
    """The plan after a critical subgoal has failed.

    Attributes:
        decomposition: the subgoals that have outputs, then the new ones; what is given up keeps its failure.
        outputs: of the former, with their indexes in this plan.
        former: their indexes in the plan before.
        failed: the critical subgoals that failed, each with its agent and the reason.
        planned_by: the model whose plan it is; None if rules planned.
        calls: the model's answers when it was asked.
    """

    decomposition: Decomposition
    outputs: tuple[AgentOutput, ...]
    failed: tuple[str, ...]
    former: tuple[int, ...] = ()
    planned_by: str | None = None
    calls: tuple[Completion, ...] = ()

    @property
    def new(self) -> tuple[Subgoal, ...]:
        """The subgoals that are to be done; empty if nothing else can be tried."""
        return self.decomposition.subgoals[len(self.outputs) :]

    @property
    def interrupted(self) -> bool:
        """True if a signal ended the planning."""
        return any(call.interrupted for call in self.calls)


def critical_failures(decomposition: Decomposition, outputs: Sequence[AgentOutput]) -> tuple[AgentOutput, ...]:
    """Returns the outputs of critical subgoals whose agents failed for good.

    Those that never started are not among them, nor those that a limit, a provider or the user has held up.
    """
    failed = (output for output in outputs if not (output.success or output.skipped))
    for_good = (output for output in failed if not is_held_up(output.termination_reason))
    return tuple(output for output in for_good if decomposition.subgoals[output.subgoal_index].is_critical)


async def replan(
    question: Question,
    context: RetrievedContext,
    registry: AgentRegistry,
    model: LanguageModel | None,
    *,
    decomposition: Decomposition,
    outputs: Sequence[AgentOutput],
    on_line: Callable[[str], None],
) -> Replanned:
    """Plans anew what critical failures have left undone: by the model, else by rules.

    Args:
        outputs: of all subgoals, in their order.
        on_line: called with each failure, and with each subgoal of the new plan.
    """
    replanned = await _replanned(question, context, registry, model, decomposition=decomposition, outputs=outputs)
    for sentence in _told_of(replanned):
        on_line(sentence)
    return replanned


def _told_of(replanned: Replanned) -> Iterator[str]:
    yield from (f"a critical part failed: {sentence}" for sentence in replanned.failed)
    if not replanned.new:
        yield "nothing else can be tried for it"
        return
    yield f"planned again by {replanned.planned_by or 'rules'}; what was found is kept:"
    yield from (f"  {subgoal.description} ({subgoal.assigned_agent})" for subgoal in replanned.new)


async def _replanned(
    question: Question,
    context: RetrievedContext,
    registry: AgentRegistry,
    model: LanguageModel | None,
    *,
    decomposition: Decomposition,
    outputs: Sequence[AgentOutput],
) -> Replanned:
    failures = critical_failures(decomposition, outputs)
    skipped = frozenset(output.subgoal_index for output in outputs if output.skipped)
    failed = tuple(_sentence(decomposition, output) for output in failures)
    calls: tuple[Completion, ...] = ()
    if model is not None:
        request = replan_request(
            question, outputs, decomposition, context.code, registry, waiting=skipped, most=MAX_SUBGOALS
        )
        asked = await ask_for_plan(question, request, context, registry, model, title="replan")
        calls = asked.calls
        if asked.plan is not None:
            left = skipped | {output.subgoal_index for output in failures}
            kept = [output for output in outputs if output.subgoal_index not in left]
            joined = _joined(decomposition, kept, asked.plan.subgoals)
            return replace(joined, failed=failed, planned_by=model.name, calls=calls)
    return replace(_by_rules(decomposition, outputs, failures, registry), failed=failed, calls=calls)


def _sentence(decomposition: Decomposition, output: AgentOutput) -> str:
    subgoal = decomposition.subgoals[output.subgoal_index]
    return f"{subgoal.description} ({output.agent_id}): {output.error or 'no reason was given'}"


def _joined(decomposition: Decomposition, kept: Sequence[AgentOutput], new: Sequence[Subgoal]) -> Replanned:
    """Returns the plan of subgoals with outputs and new ones; the indexes in `new` count the new ones alone."""
    place = {output.subgoal_index: at for at, output in enumerate(kept)}
    former = tuple(
        replace(
            decomposition.subgoals[output.subgoal_index],
            depends_on=tuple(
                place[i] for i in decomposition.subgoals[output.subgoal_index].depends_on if place.get(i, at) < at
            ),
        )
        for at, output in enumerate(kept)
    )
    moved = tuple(replace(each, depends_on=tuple(i + len(kept) for i in each.depends_on)) for each in new)
    subgoals = (*former, *moved)
    outputs = tuple(replace(output, subgoal_index=at) for at, output in enumerate(kept))
    return Replanned(
        decomposition=replace(decomposition, subgoals=subgoals, execution_order=layers(subgoals)),
        outputs=outputs,
        failed=(),
        former=tuple(output.subgoal_index for output in kept),
    )


def _by_rules(
    decomposition: Decomposition,
    outputs: Sequence[AgentOutput],
    failures: Sequence[AgentOutput],
    registry: AgentRegistry,
) -> Replanned:
    """Gives each failed subgoal to an agent that has not failed; what none can do is given up, and not waited for."""
    tried = {name for f in failures for name in (f.agent_id, decomposition.subgoals[f.subgoal_index].assigned_agent)}
    other = next((name for name in registry.agents if name not in tried), None)
    again = {f.subgoal_index for f in failures} if other is not None else set()
    left = sorted(again | {output.subgoal_index for output in outputs if output.skipped})
    kept = [output for output in outputs if output.subgoal_index not in left]
    place = {index: at for at, index in enumerate(left)}
    new = tuple(_anew(decomposition.subgoals[i], other if i in again else None, place) for i in left)
    return _joined(decomposition, kept, new)


def _anew(subgoal: Subgoal, agent: str | None, place: dict[int, int]) -> Subgoal:
    """Returns a subgoal for another agent, or as it is, that waits for other new ones only."""
    depends_on = tuple(_known(subgoal, place))
    if agent is None:
        return replace(subgoal, depends_on=depends_on)
    return replace(
        subgoal,
        assigned_agent=agent,
        aspect=Aspect.DEFINITIONS if agent == LOCAL_AGENT else Aspect.REPORT,
        match_quality=MatchQuality.EXCELLENT if agent == subgoal.ideal_agent else MatchQuality.INSUFFICIENT,
        depends_on=depends_on,
    )


def _known(subgoal: Subgoal, place: dict[int, int]) -> Iterator[int]:
    return (place[index] for index in subgoal.depends_on if index in place)
