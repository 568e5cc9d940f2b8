"""The table of phases: the steps of a question, each a function of what is the same for all and of what was found."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from aurora_core import StoreError
from aurora_soar.evidence.citations import CitationChecker
from aurora_soar.local_agent.lookup import look_up
from aurora_soar.phase_conditions import (
    cached,
    collected,
    no_faults,
    not_cached,
    not_collectable,
    not_critical,
    not_plannable,
    nothing_new,
    nothing_to_replan,
    planning_interrupted,
)
from aurora_soar.phase_runner import Findings, Step
from aurora_soar.phase_values import Assessed, Context, Responded, Retrieved, Synthesized
from aurora_soar.phases.assess import Complexity, assess
from aurora_soar.phases.assess_with_model import assess_with_model
from aurora_soar.phases.background import Background
from aurora_soar.phases.collect import Collected, CollectLimits, collect
from aurora_soar.phases.criticise import Criticised, criticise
from aurora_soar.phases.decompose import decompose
from aurora_soar.phases.decompose_with_model import Planned, plan_with_model
from aurora_soar.phases.record import NOT_RECORDED, Recorded
from aurora_soar.phases.record import record as record_answer
from aurora_soar.phases.replan import Replanned, replan
from aurora_soar.phases.retrieve import retrieve
from aurora_soar.phases.synthesize import synthesize
from aurora_soar.phases.synthesize_with_model import AnswerContext, answer_with_model
from aurora_soar.phases.verify import Verification, verify
from aurora_soar.question.focus import Focus
from aurora_soar.question.presence import find_presence
from aurora_soar.question.question import read_question
from aurora_soar.recall import Recalled, keep_plan, recall, recall_plan
from aurora_soar.report.execution import Execution, Phase
from aurora_soar.report.respond import render

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aurora_soar.evidence.agent_outputs import AgentOutput
    from aurora_soar.phases.bundle import Bundle
    from aurora_soar.phases.decompose import Decomposition

__all__ = ["FIRST_PHASES", "PHASES", "SIMPLE_PHASES"]


def _recall(context: Context, _found: Findings) -> Recalled:
    """Looks the question up in the cache; what is found there rests on exactly what is there now."""
    if context.cache is None:
        return Recalled()
    recalled = recall(context.cache, context.key, context.memory.root)
    if recalled.note:
        context.timer.emit(Phase.ASSESS, "progress", recalled.note)
    return recalled


async def _assess(context: Context, found: Findings) -> Assessed:
    """Judges the question by its words, and by the model where they are not clear; a cached answer needs none."""
    question = read_question(context.query)
    assessment = assess(question)
    if context.model is None or cached(found):
        return Assessed(question=question, assessment=assessment)
    judged, calls = await assess_with_model(question, assessment, context.model)
    return Assessed(question=question, assessment=judged, calls=calls)


def _retrieve(context: Context, found: Findings) -> Retrieved:
    assessed = found.of(Assessed)
    focus = Focus.of(context.memory, assessed.question.terms)
    retrieved = retrieve(
        context.memory, assessed.question, focus, assessed.assessment.complexity, shared=context.shared
    )
    presence = find_presence(context.memory, assessed.question, focus)
    carried = Background.of(context.turns, retrieved.similar)
    return Retrieved(focus=focus, presence=presence, context=retrieved, carried=carried)


async def _decompose(context: Context, found: Findings) -> Planned:
    """Plans with the model if there is one, else by rules, as does an earlier answer that can be used again."""
    question, retrieved = found.of(Assessed).question, found.of(Retrieved)
    critical = found.of(Assessed).assessment.complexity is Complexity.CRITICAL
    if context.model is None:
        return Planned(decomposition=decompose(question, retrieved.context, context.registry))
    if (pattern := None if critical else retrieved.context.pattern) is not None and pattern.reasoning is not None:
        before = pattern.reasoning.run_id
        note = f"no plan is asked for: {before} has answered this, and what it cites is as it was"
        context.timer.emit(Phase.DECOMPOSE, "progress", note)
        plan = decompose(question, retrieved.context, context.registry)
        return Planned(decomposition=plan, note=note, reused=before)
    key = found.of(Recalled).key
    cache = context.cache_for(key)
    # Of a question that is resumed, the plan in the cache may be its own, whose cost its own record has.
    if cache is not None and not context.record.resumed and (known := recall_plan(cache, key)) is not None:
        return known
    background = retrieved.carried.text
    planned = await plan_with_model(
        question, retrieved.context, context.registry, context.model, background=background
    )
    if note := planned.note or (keep_plan(cache, key, planned) if cache is not None else ""):
        context.timer.emit(Phase.DECOMPOSE, "progress", note)
    return planned


def _verify(context: Context, found: Findings) -> Verification:
    retrieved = found.of(Retrieved)
    return verify(found.of(Planned).decomposition, retrieved.focus, retrieved.context, context.registry)


async def _criticise(context: Context, found: Findings) -> Criticised:
    """Has the plan of a critical request attacked by the model; without one it says that nobody did."""
    return await criticise(
        found.of(Assessed).question,
        found.of(Planned).decomposition,
        found.of(Retrieved).context,
        context.model,
        on_line=partial(context.timer.emit, Phase.VERIFY, "progress"),
    )


async def _plan_again(context: Context, found: Findings) -> Planned:
    """Plans again without the faults that were found; the former plan stands if that gives none."""
    question, retrieved, former = found.of(Assessed).question, found.of(Retrieved), found.of(Planned)
    assert context.model is not None
    planned = await plan_with_model(
        question,
        retrieved.context,
        context.registry,
        context.model,
        faults=found.of(Criticised).findings,
        background=retrieved.carried.text,
    )
    key = found.of(Recalled).key
    cache = context.cache_for(key)  # the plan with the faults must not come out of it again
    if note := planned.note or (keep_plan(cache, key, planned) if cache is not None else ""):
        context.timer.emit(Phase.VERIFY, "progress", note)
    return replace(planned if planned.planned_by else former, calls=(*former.calls, *planned.calls))


def _verify_again(context: Context, found: Findings) -> Verification:
    return _verify(context, found)


async def _collect(context: Context, found: Findings) -> Collected:
    return await _run_agents(context, found, found.of(Planned).decomposition, (), part="subgoals")


async def _replan(context: Context, found: Findings) -> Replanned:
    """Plans anew, once, what a critical failure has left undone."""
    return await replan(
        found.of(Assessed).question,
        found.of(Retrieved).context,
        context.registry,
        context.model,
        decomposition=found.of(Planned).decomposition,
        outputs=found.of(Collected).outputs,
        on_line=partial(context.timer.emit, Phase.COLLECT, "progress"),
    )


async def _collect_again(context: Context, found: Findings) -> Collected:
    """Runs what was planned anew; what the first agents found stays."""
    first, replanned = found.of(Collected), found.of(Replanned)
    if replanned.interrupted:
        return replace(first, interrupted=True)
    known, plan = replanned.outputs, replanned.decomposition
    again = await _run_agents(context, found, plan, known, part="subgoals again")
    return replace(
        again,
        duration_ms=first.duration_ms + again.duration_ms,
        recoveries=(*first.recoveries, *again.recoveries),
        bundles=(*_bundles_in(replanned, first.bundles), *again.bundles),
    )


def _bundles_in(replanned: Replanned, bundles: Sequence[Bundle]) -> Iterator[Bundle]:
    """Yields the bundles of the subgoals that stay, with their indexes in the plan that was made anew."""
    place = {former: at for at, former in enumerate(replanned.former)}
    return (replace(each, subgoal_index=place[each.subgoal_index]) for each in bundles if each.subgoal_index in place)


async def _run_agents(
    context: Context, found: Findings, decomposition: Decomposition, known: tuple[AgentOutput, ...], *, part: str
) -> Collected:
    retrieved = found.of(Retrieved)
    timeout_s = float(context.policies.recovery.timeout_seconds)
    return await collect(
        found.of(Assessed).question,
        decomposition,
        retrieved.focus,
        project=context.project,
        registry=context.registry,
        limits=CollectLimits(max_concurrent=context.max_concurrent, timeout_s=timeout_s),
        recovery=context.recovery,
        executor=context.executor,
        gate=context.gate,
        places=retrieved.context.code,
        memory=context.memory,
        on_line=partial(context.timer.emit, Phase.COLLECT, "progress"),
        record=context.record,
        part=part,
        known=known,
    )


def _collect_cached(_context: Context, _found: Findings) -> Collected:
    """Collects nothing: the cached answer needs no agent."""
    return Collected(outputs=(), run_id=None, duration_ms=0.0, interrupted=False)


def _synthesize_cached(_context: Context, found: Findings) -> Synthesized:
    """Returns the cached answer."""
    answer = found.of(Recalled).answer
    assert answer is not None, "the step is left out without one"
    return Synthesized(synthesis=answer.synthesis)


def _look_up(context: Context, found: Findings) -> Collected:
    """Answers from the memory directly, without agents; with nothing if the planning was interrupted."""
    if planning_interrupted(found):
        return Collected(outputs=(), run_id=None, duration_ms=0.0, interrupted=True)
    outputs = look_up(context.memory, found.of(Assessed).question)
    took = sum(output.duration_ms for output in outputs)
    return Collected(outputs=outputs, run_id=None, duration_ms=took, interrupted=False)


async def _synthesize(context: Context, found: Findings) -> Synthesized:
    """Writes with the model if there is one; the findings stand as they are if its answer cannot be used."""
    question, retrieved, collected = found.of(Assessed).question, found.of(Retrieved), found.of(Collected)
    citations = CitationChecker(context.project.root)
    extracted = synthesize(question, retrieved.focus, collected.outputs, citations, retrieved.presence)
    if context.model is None or collected.interrupted:
        return Synthesized(synthesis=extracted)
    material = AnswerContext(
        question=question,
        focus=retrieved.focus,
        outputs=collected.outputs,
        retrieved=retrieved.context,
        citations=citations,
        root=context.project.root,
        extracted=extracted,
        background=retrieved.carried.text,
    )
    written = await answer_with_model(material, context.model)
    if written.synthesis.written_by is None:
        reason = written.errors[-1]
        message = f"{context.model.name} gave no usable answer ({reason}); the findings stand as they are"
        context.timer.emit(Phase.SYNTHESIZE, "progress", message)
    return Synthesized(synthesis=written.synthesis, calls=written.calls)


def _record(context: Context, found: Findings) -> Recorded:
    """Records the answer, unless it was interrupted: a part of an answer must not pass for one later."""
    question, written = found.of(Assessed).question, found.of(Synthesized)
    synthesis = written.synthesis
    if found.of(Collected).interrupted or written.interrupted:
        return NOT_RECORDED
    try:
        if found.of(Recalled).answer is None:
            return record_answer(context.memory, question, synthesis, context.query_id, shared=context.shared)
        context.memory.record_access(synthesis.chunk_ids)  # the answer was recorded when it was given
    except StoreError as error:  # it was found all the same
        context.timer.emit(Phase.RECORD, "progress", f"the answer was not recorded: {error}")
    return NOT_RECORDED


def _plan_of(found: Findings) -> Decomposition | None:
    """Returns the plan that the answer rests on, the last one of several."""
    for last in (found.get(Replanned), found.get(Planned), found.of(Recalled).answer):
        if last is not None:
            return last.decomposition
    return None


def _respond(context: Context, found: Findings) -> Responded:
    assessed, planned, synthesized = found.of(Assessed), found.get(Planned), found.of(Synthesized)
    criticised, replanned = found.get(Criticised), found.get(Replanned)
    recalled = found.of(Recalled)
    others = (assessed, *(each for each in (criticised, replanned) if each is not None))
    execution = Execution(
        query_id=context.query_id,
        question=assessed.question,
        started_at=context.timer.started_at,
        duration_ms=context.timer.elapsed_ms,
        budget=context.budget() if context.budget else None,
        verbosity=context.verbosity,
        assessment=assessed.assessment,
        context=found.of(Retrieved).context,
        decomposition=_plan_of(found),
        verification=found.get(Verification),
        collected=found.of(Collected),
        synthesis=synthesized.synthesis,
        recorded=found.of(Recorded),
        plan_calls=planned.calls if planned else (),
        answer_calls=synthesized.calls,
        other_calls=tuple(call for each in others for call in each.calls),
        criticised=criticised,
        replanned=replanned,
        timings=context.timer.timings,
        asked=context.asked,
        session=context.conversation.id if context.conversation else None,
        carried=found.of(Retrieved).carried,
        cache_key=recalled.key,
        cached_from=recalled.answer.query_id if recalled.answer else "",
        plan_cached=planned is not None and planned.cached,
        plan_reused=planned.reused if planned else "",
    )
    return Responded(execution=execution, response=render(execution, context.verbosity))


_check: Final = partial(Step, None, part_of=Phase.VERIFY)
_recovery: Final = partial(Step, None, part_of=Phase.COLLECT)
FIRST_PHASES: Final[tuple[Step[Context], ...]] = (
    Step(None, _recall, (), Recalled),
    Step(Phase.ASSESS, _assess, (Recalled,), Assessed),
)
"""The phases that tell whether a question is simple."""
_START: Final[tuple[Step[Context], ...]] = (
    Step(Phase.RETRIEVE, _retrieve, (Assessed,), Retrieved),
    Step(None, _collect_cached, (), Collected, unless=not_cached),
)
_AGENTS: Final[tuple[Step[Context], ...]] = (
    Step(Phase.DECOMPOSE, _decompose, (Assessed, Retrieved, Recalled), Planned, unless=not_plannable),
    Step(Phase.VERIFY, _verify, (Planned, Retrieved), Verification, unless=not_plannable),
    _check(_criticise, (Assessed, Retrieved, Planned), Criticised, unless=not_critical),
    _check(_plan_again, (Assessed, Retrieved, Recalled, Planned, Criticised), Planned, unless=no_faults),
    _check(_verify_again, (Planned, Retrieved), Verification, unless=no_faults),
    Step(Phase.COLLECT, _collect, (Assessed, Retrieved, Planned), Collected, unless=not_collectable),
    _recovery(_replan, (Assessed, Retrieved, Planned, Collected), Replanned, unless=nothing_to_replan),
    _recovery(_collect_again, (Assessed, Retrieved, Collected, Replanned), Collected, unless=nothing_new),
)
_END: Final[tuple[Step[Context], ...]] = (
    Step(None, _look_up, (Assessed,), Collected, may_take=(Planned, Criticised), unless=collected),
    Step(Phase.SYNTHESIZE, _synthesize, (Assessed, Retrieved, Collected), Synthesized, unless=cached),
    Step(None, _synthesize_cached, (Recalled,), Synthesized, unless=not_cached),
    Step(Phase.RECORD, _record, (Assessed, Recalled, Collected, Synthesized), Recorded),
    Step(
        Phase.RESPOND,
        _respond,
        (Assessed, Retrieved, Recalled, Collected, Synthesized, Recorded),
        Responded,
        may_take=(Planned, Verification, Criticised, Replanned),
        kept=False,
    ),
)
PHASES: Final = (*FIRST_PHASES, *_START, *_AGENTS, *_END)
"""Name, function, types in, type out. An unsound plan skips the agents: the memory answers directly."""
SIMPLE_PHASES: Final = (*FIRST_PHASES, *_START, *_END)
"""The phases of a simple question."""
