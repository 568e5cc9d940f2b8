"""Phase 8: the answer in the requested form."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from aurora_soar.phases.confidence import level_of
from aurora_soar.report.conversation_log import log_document
from aurora_soar.report.execution import Verbosity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aurora_soar.report.execution import Execution

__all__ = ["render"]

MAX_EARLIER: Final = 3
SHOWN: Final = 12
"""Characters of a cache key that are shown."""
_INTERRUPTED: Final = "Interrupted: this rests on what was found until then.\n\n"


def render(execution: Execution, verbosity: Verbosity) -> str:
    """Returns the text to show, which ends with a newline."""
    match verbosity:
        case Verbosity.JSON:
            return json.dumps(log_document(execution), indent=2, ensure_ascii=False) + "\n"
        case Verbosity.QUIET:
            return _answer(execution)
        case Verbosity.NORMAL:
            return f"{_answer(execution)}\n---\n{_scores(execution)}\n{_earlier(execution)}"
        case Verbosity.VERBOSE:
            text = f"{_details_of(execution)}\n---\n{_scores(execution)}\n{_earlier(execution)}"
            return f"{text}\n" + "\n".join(_details(execution)) + "\n"


def _answer(execution: Execution) -> str:
    return f"{_INTERRUPTED if execution.interrupted else ''}{execution.answer}"


def _details_of(execution: Execution) -> str:
    return f"{_INTERRUPTED if execution.interrupted else ''}{execution.synthesis.details}"


def _scores(execution: Execution) -> str:
    s = execution.synthesis
    sources = f"{len(execution.sources)} sources"
    return (
        f"Confidence: {level_of(execution.confidence).value}, {execution.confidence:.2f} "
        f"(coherence {s.coherence:.2f}, completeness {s.completeness:.2f}, factuality {s.factuality:.2f}) · "
        f"{sources} · {_agents(execution)} · "
        f"{_cost(execution)}"
    )


def _cost(execution: Execution) -> str:
    """Returns tokens and cost of the models; a cost that no agent reported is unknown, never zero."""
    if not execution.model_asked:
        return "no model, $0.00"
    usage = execution.usage
    if usage is None:
        return "tokens and cost unknown"
    cost = "cost unknown" if usage.cost_usd is None else f"${usage.cost_usd:.4f}"
    read = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
    return f"{read:,} + {usage.output_tokens:,} tokens, {cost}"


def _earlier(execution: Execution) -> str:
    """Returns what the question was taken as, and a line for each similar one that was answered before."""
    taken = execution.asked and execution.asked.strip() != execution.question.text
    lines = [f"Taken as: {execution.question.text}\n"] if taken else []
    for hit in execution.context.reasoning[:MAX_EARLIER]:
        if hit.reasoning is not None and hit.reasoning.created_at is not None:
            day = datetime.fromtimestamp(hit.reasoning.created_at, UTC)
            where = f", in {hit.reasoning.project}" if hit.reasoning.project else ""
            changed = "; the code that it cites has changed since" if hit.stale else ""
            lines.append(f"Answered before: {hit.name} ({hit.reasoning.run_id}, {day:%Y-%m-%d}{where}{changed})\n")
    return "".join(lines)


def _agents(execution: Execution) -> str:
    if execution.cached_from:
        return f"cached ({execution.cached_from})"
    if execution.run_id is None:
        return "answered directly"
    return f"{len(execution.collected.outputs)} agents in {execution.collected.duration_ms / 1e3:.1f} s"


def _details(execution: Execution) -> Iterator[str]:
    assessment = execution.assessment
    yield f"assess: {assessment.complexity.value} ({assessment.reasoning}; confidence {assessment.confidence:.2f})"
    yield from _cache_lines(execution)
    context = execution.context
    yield f"retrieve: {context.total} of {context.budget} chunks, {context.high_quality} of high quality"
    for index, subgoal in enumerate(execution.decomposition.subgoals if execution.decomposition else ()):
        after = f", after {', '.join(str(i + 1) for i in subgoal.depends_on)}" if subgoal.depends_on else ""
        yield f"subgoal {index + 1}: {subgoal.description} (Agent: {subgoal.assigned_agent}{after})"
    if execution.verification:
        yield f"verify: {execution.verification.verdict.value} {execution.verification.score:.2f}"
    if execution.criticised:
        yield from (f"fault of the first plan: {sentence}" for sentence in execution.criticised.findings)
        yield from filter(None, [execution.criticised.note])
    if execution.replanned:
        yield f"planned again by {execution.replanned.planned_by or 'rules'}, because a critical part failed"
    for output in execution.collected.outputs:
        found = len(output.evidence.findings) if output.evidence else 0
        outcome = output.error or f"{found} findings"
        yield f"agent {output.subgoal_index + 1}: {outcome} ({output.duration_ms / 1e3:.2f} s)"
    for conflict in execution.synthesis.conflicts:
        yield f"conflict: {conflict}"
    for phase, timing in execution.timings.items():
        yield f"{phase.value}: {timing.duration_ms:.1f} ms"


def _cache_lines(execution: Execution) -> Iterator[str]:
    """Yields a line about the cache, and one for what was carried from earlier questions."""
    if execution.cache_key:
        key = execution.cache_key[:SHOWN]
        plan = ", plan only" if execution.plan_cached else ""
        yes = f"yes, of {execution.cached_from}" if execution.cached_from else f"{'yes' if plan else 'no'}{plan}"
        yield f"cached: {yes}, key {key}"
    if execution.carried is None:
        return
    for what, carried in (("earlier turns", execution.carried.turns), ("earlier answers", execution.carried.answers)):
        if carried.carried:
            left_out = f"; left out: {', '.join(carried.left_out)}" if carried.left_out else ""
            yield f"{what}: {len(carried.carried)} carried, {carried.tokens} of {carried.budget} tokens{left_out}"
    if execution.plan_reused:
        yield f"plan: none was asked for, {execution.plan_reused} takes its place"
