"""The conversation log: one Markdown file per question, with the whole execution in one JSON block.

Files are in `.aurora/logs/conversations/YYYY/MM/`, named `<two-keywords>-<date>[-n].md`. An unknown cost is null.
"""

from __future__ import annotations

import json
import re
from itertools import count
from typing import TYPE_CHECKING, Final

from aurora_core.private_files import create_private, private_folder, write_private
from aurora_soar.phases.bundle import BUNDLE_TOKENS, place_of
from aurora_soar.report.execution import Phase, PhaseTiming, usage_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aurora_core import Hit
    from aurora_soar.evidence.agent_outputs import AgentOutput
    from aurora_soar.models.language_model import Completion
    from aurora_soar.phases.background import Carried
    from aurora_soar.phases.bundle import Bundle
    from aurora_soar.phases.decompose import Decomposition
    from aurora_soar.report.execution import Execution
    from aurora_spawner.recovery.machine import TaskRecoveryState
    from aurora_spawner.tasks.usage import Usage

__all__ = ["log_document", "write_log"]

MAX_CONTENT: Final = 500
_ID_CHARS: Final = 200
"""The beginning of a log that holds its Query ID."""
_TRUNCATED: Final = "\n\n[... content truncated ...]"
_BUDGET: Final = (
    "period",
    "limit_usd",
    "consumed_usd",
    "remaining_usd",
    "percent_consumed",
    "at_soft_limit",
    "at_hard_limit",
    "total_entries",
)


def write_log(execution: Execution, folder: Path, *, again: bool = False) -> Path:
    """Writes the log of a finished execution to a new file; concurrent executions get files of their own.

    Args:
        folder: the folder of the logs; folders for year and month are created in it.
        again: an earlier process may have written the log of this question; then its file is replaced.

    Raises:
        OSError: the log could not be written.
    """
    started = execution.started_at
    target = folder / f"{started:%Y}" / f"{started:%m}"
    private_folder(target)
    stem = f"{_keywords(execution)}-{started:%Y-%m-%d}"
    content = _text(execution).encode("utf-8", errors="backslashreplace")
    for n in count(1):
        path = target / (f"{stem}.md" if n == 1 else f"{stem}-{n}.md")
        try:
            create_private(path, content)
        except FileExistsError:
            if again and _is_log_of(path, execution.query_id):
                write_private(path, content)
                return path
            continue
        return path
    raise AssertionError("unreachable: count() does not end")


def _is_log_of(path: Path, query_id: str) -> bool:
    """Returns True if a file is the log of a question, or the torn beginning of one."""
    with path.open(encoding="utf-8", errors="replace") as file:
        beginning = file.read(_ID_CHARS)
    return f"**Query ID**: {query_id}\n" in beginning


def _keywords(execution: Execution) -> str:
    words = [re.sub(r"[^a-z0-9]+", "", term.lower())[:24] for term in execution.question.terms]
    return "-".join([word for word in words if word][:2]) or "question"


def _text(execution: Execution) -> str:
    query = " ".join(execution.question.text.split())
    block = json.dumps(log_document(execution), indent=2, ensure_ascii=False)
    return (
        "# SOAR Conversation Log\n\n"
        f"**Query ID**: {execution.query_id}\n"
        f"**Timestamp**: {execution.started_at.isoformat()}\n"
        f"**User Query**: {query}\n\n---\n\n"
        "## Execution Summary\n\n"
        f"- **Duration**: {execution.duration_ms}ms\n"
        f"- **Overall Score**: {execution.confidence:.2f}\n"
        f"- **Cached**: {execution.recorded.cached or bool(execution.cached_from)}\n"
        f"- **Cost**: {'unknown' if (cost := _cost_usd(execution)) is None else f'${cost:.4f}'}\n"
        f"- **Tokens Used**: {_tokens(execution)['input']} input + {_tokens(execution)['output']} output\n\n"
        f"## Metadata\n\n```json\n{block}\n```\n"
    )


def log_document(execution: Execution) -> dict[str, object]:
    """Returns the whole execution as JSON data."""
    phases: dict[Phase, dict[str, object]] = {
        Phase.ASSESS: _assess(execution),
        Phase.RETRIEVE: _retrieve(execution),
        Phase.DECOMPOSE: _decompose(execution),
        Phase.VERIFY: _verify(execution),
        Phase.COLLECT: _collect(execution),
        Phase.SYNTHESIZE: _synthesize(execution),
        Phase.RECORD: _record(execution),
        Phase.RESPOND: {"verbosity": execution.verbosity.value, "formatted": True},
    }
    return {
        "query_id": execution.query_id,
        "query": execution.question.text,
        "session": _session(execution),
        "cached": bool(execution.cached_from),
        "cache_key": execution.cache_key or None,
        "cached_from": execution.cached_from or None,
        "interrupted": execution.interrupted,
        "total_duration_ms": execution.duration_ms,
        "total_cost_usd": _cost_usd(execution),
        "tokens_used": _tokens(execution),
        "budget_status": _budget(execution),
        "phases": {phase.value: {**data, **_timing(execution, phase)} for phase, data in phases.items()},
        "timestamp": execution.started_at.timestamp(),
    }


def _session(execution: Execution) -> dict[str, object]:
    """Returns the session with the user's words, and what was carried into the prompts of models."""
    carried = execution.carried
    return {
        "id": execution.session or execution.query_id,
        "asked": execution.asked or execution.question.text,
        "turns": _carried(carried.turns) if carried else None,
        "earlier_answers": _carried(carried.answers) if carried else None,
    }


def _carried(carried: Carried) -> dict[str, object]:
    return {
        "carried": list(carried.carried),
        "left_out": list(carried.left_out),
        "tokens": carried.tokens,
        "budget_tokens": carried.budget,
    }


def _cost_usd(execution: Execution) -> float | None:
    """Returns 0 if no model was asked; None if a model was asked and no cost was reported."""
    if not execution.model_asked:
        return 0.0
    return execution.usage.cost_usd if execution.usage else None


def _tokens(execution: Execution) -> dict[str, int]:
    return _tokens_of(execution.usage)


def _tokens_of(usage: Usage | None) -> dict[str, int]:
    if usage is None:
        return {"input": 0, "output": 0}
    read = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
    return {"input": read, "output": usage.output_tokens}


def _phase_tokens(calls: tuple[Completion, ...]) -> dict[str, int]:
    return {f"{kind}_tokens": count for kind, count in _tokens_of(usage_of(*calls)).items()}


def _timing(execution: Execution, phase: Phase) -> dict[str, object]:
    timing = execution.timings.get(phase, PhaseTiming())
    return {"_timing_ms": timing.duration_ms, "_error": timing.error}


def _span(execution: Execution, phase: Phase) -> dict[str, object]:
    timing = execution.timings.get(phase, PhaseTiming())
    ended = None if timing.started_at is None else timing.started_at + timing.duration_ms / 1e3
    return {"duration_ms": timing.duration_ms, "started_at": timing.started_at, "completed_at": ended}


def _budget(execution: Execution) -> dict[str, object]:
    """Returns the ledger's status; all fields are null without a ledger."""
    return {name: getattr(execution.budget, name, None) for name in _BUDGET}


def _assess(execution: Execution) -> dict[str, object]:
    a = execution.assessment
    return {
        "complexity": a.complexity.value,
        "confidence": a.confidence,
        "method": a.method,
        "reasoning": a.reasoning,
        "score": a.score,
        "intent": execution.question.intent.value,
    }


def _retrieve(execution: Execution) -> dict[str, object]:
    context = execution.context
    return {
        "code_chunks": [_chunk(hit) for hit in context.code],
        "reasoning_chunks": [_chunk(hit) for hit in context.reasoning],
        "total_retrieved": context.total,
        "chunks_retrieved": context.total,
        "high_quality_count": context.high_quality,
        "retrieval_time_ms": execution.timings[Phase.RETRIEVE].duration_ms,
        "budget": context.budget,
        "budget_used": len(context.code),
    }


def _chunk(hit: Hit) -> dict[str, object]:
    long = len(hit.content) > MAX_CONTENT
    return {
        "chunk_id": hit.chunk_id,
        "content": hit.content[:MAX_CONTENT] + _TRUNCATED if long else hit.content,
        "bm25_score": hit.bm25_score,
        "activation_score": hit.activation_score,
        "semantic_score": hit.semantic_score,
        "hybrid_score": hit.hybrid_score,
        "metadata": {
            "type": hit.kind.value,
            "name": hit.name,
            "file_path": hit.file,
            "line_start": hit.line_start,
            "line_end": hit.line_end,
            **_provenance(hit),
        },
    }


def _provenance(hit: Hit) -> dict[str, object]:
    """Returns the execution, the sources and the project that an earlier answer comes from."""
    if hit.reasoning is None:
        return {}
    return {
        "run_id": hit.reasoning.run_id,
        "sources": list(hit.reasoning.sources),
        "project": hit.reasoning.project,
        "created_at": hit.reasoning.created_at,
        "stale": hit.stale,
    }


def _decompose(execution: Execution) -> dict[str, object]:
    plan = execution.decomposition
    return {
        "decomposition": _plan(plan) if plan else None,
        "cached": execution.plan_cached or bool(execution.cached_from),
        "reused": execution.plan_reused or None,
        "query_hash": plan.query_hash if plan else None,
        "timing_ms": execution.timings.get(Phase.DECOMPOSE, PhaseTiming()).duration_ms,
        "subgoals_total": len(plan.subgoals) if plan else 0,
    }


def _plan(plan: Decomposition) -> dict[str, object]:
    return {
        "goal": plan.goal,
        "subgoals": [
            {
                "description": s.description,
                "ideal_agent": s.ideal_agent,
                "ideal_agent_desc": s.ideal_agent_desc,
                "assigned_agent": s.assigned_agent,
                "match_quality": s.match_quality.value,
                "source_file": s.source_file,
                "is_critical": s.is_critical,
                "depends_on": list(s.depends_on),
            }
            for s in plan.subgoals
        ],
        "execution_order": [
            {"phase": e.phase, "parallelizable": list(e.parallelizable), "sequential": list(e.sequential)}
            for e in plan.execution_order
        ],
        "expected_tools": list(plan.expected_tools),
    }


def _verify(execution: Execution) -> dict[str, object]:
    verification, plan = execution.verification, execution.decomposition
    subgoals = plan.subgoals if plan else ()
    return {
        "final_verdict": verification.verdict.value if verification else None,
        "score": verification.score if verification else None,
        "quality": dict(verification.quality) if verification else {},
        "agent_assignments": [{"index": i, "agent_id": s.assigned_agent} for i, s in enumerate(subgoals)],
        "issues": list(verification.issues) if verification else [],
        "adversarial": _adversarial(execution),
        "subgoals_detailed": [
            {
                "index": index,
                "description": s.description,
                "agent": s.assigned_agent,
                "is_critical": s.is_critical,
                "depends_on": list(s.depends_on),
                "is_spawn": s.ideal_agent != s.assigned_agent,
                "match_quality": s.match_quality.value,
                "ideal_agent": s.ideal_agent,
                "ideal_agent_desc": s.ideal_agent_desc,
            }
            for index, s in enumerate(subgoals)
        ],
    }


def _adversarial(execution: Execution) -> dict[str, object] | None:
    checked = execution.criticised
    return None if checked is None else {"by": checked.by, "findings": list(checked.findings), "note": checked.note}


def _replanned(execution: Execution) -> dict[str, object] | None:
    again = execution.replanned
    if again is None:
        return None
    new = [{"description": subgoal.description, "agent": subgoal.assigned_agent} for subgoal in again.new]
    return {"by": again.planned_by or "rules", "failed": list(again.failed), "new_subgoals": new}


def _collect(execution: Execution) -> dict[str, object]:
    outputs = execution.collected.outputs
    failed = [output for output in outputs if not output.success]
    recoveries = execution.collected.recoveries
    fallbacks = [task.agent for task in recoveries if task.fell_back]
    blocked = [task for task in recoveries if any(step.step == "open_circuit" for step in task.transitions)]
    blocked_agents = [task.agent_id for task in blocked]
    stalled = _failures(recoveries, "stalled")
    timed_out = _failures(recoveries, "deadline", "stalled", "api_timeout")
    limited = _failures(recoveries, "rate_limit", "overloaded")
    refused = _failures(recoveries, "authentication")
    return {
        "agent_outputs": [_output(output, spawned=execution.run_id is not None) for output in outputs],
        "execution_metadata": {
            "run_id": execution.run_id,
            "total_duration_ms": execution.collected.duration_ms,
            "total_subgoals": len(outputs),
            "failed_subgoals": len(failed),
            "fallback_count": len(fallbacks),
            "circuit_blocked": blocked_agents,
            "circuit_blocked_count": len(blocked),
            "replanned": _replanned(execution),
        },
        "context_bundles": [_bundle(each) for each in execution.collected.bundles],
        "user_interactions": [],
        "fallback_agents": fallbacks,
        "agents_executed": len(outputs) if execution.run_id else 0,
        "recovery_metrics": {
            "total_failures": len(failed),
            "early_terminations": len(stalled),
            "early_termination_details": [error for _agent, error in stalled],
            "circuit_breaker_blocks": len(blocked),
            "circuit_blocked_agents": blocked_agents,
            "circuit_blocked_details": [task.last_error or "" for task in blocked],
            "timeout_count": len(timed_out),
            "timeout_agents": [agent for agent, _error in timed_out],
            "rate_limit_count": len(limited),
            "rate_limit_agents": [agent for agent, _error in limited],
            "auth_failure_count": len(refused),
            "auth_failed_agents": [agent for agent, _error in refused],
            "fallback_used_count": len(fallbacks),
            "fallback_agents": fallbacks,
        },
    }


def _bundle(bundle: Bundle) -> dict[str, object]:
    return {
        "subgoal_index": bundle.subgoal_index,
        "tokens": bundle.tokens,
        "budget_tokens": BUNDLE_TOKENS,
        "chunks": [place_of(hit) for hit in bundle.chunks],
        "elsewhere": list(bundle.elsewhere),
        "neighbours": len(bundle.neighbours),
        "left_out": list(bundle.left_out),
    }


def _failures(recoveries: Iterable[TaskRecoveryState], *causes: str) -> list[tuple[str, str]]:
    """Returns agent and error of each attempt that failed for one of these causes."""
    found = []
    for task in recoveries:
        holder = task.agent_id
        for step in task.transitions:
            if step.cause in causes:
                found.append((holder, step.error or ""))
            holder = step.agent
    return found


def _output(output: AgentOutput, *, spawned: bool) -> dict[str, object]:
    return {
        "subgoal_index": output.subgoal_index,
        "agent_id": output.agent_id,
        "success": output.success,
        "summary": output.summary,
        "data": output.evidence.model_dump(mode="json") if output.evidence else {},
        "confidence": output.confidence,
        "execution_metadata": {
            "duration_ms": output.duration_ms,
            "exit_code": output.exit_code,
            "spawned": spawned,
            "termination_reason": output.termination_reason,
            "fallback": output.fallback,
            "original_agent": output.original_agent,
            "retry_count": output.retry_count,
            "heartbeat": {"event_count": 0, "elapsed_s": output.duration_ms / 1e3, "idle_s": None},
        },
        "error": output.error,
    }


def _synthesize(execution: Execution) -> dict[str, object]:
    s = execution.synthesis
    subgoals = execution.decomposition.subgoals if execution.decomposition else ()
    return {
        "answer": s.answer,
        "confidence": execution.confidence,
        "traceability": [
            {
                "agent": o.agent_id,
                "subgoal_id": o.subgoal_index,
                "subgoal_description": subgoals[o.subgoal_index].description if subgoals else execution.question.text,
            }
            for o in execution.collected.outputs
            if o.evidence and o.evidence.findings
        ],
        "sources": [{"file": source.file, "line": source.line} for source in s.sources],
        "metadata": {
            "retry_count": s.retries,
            "written_by": s.written_by,
            "conflicts": list(s.conflicts),
            "verification_score": s.score,
            "coherence": s.coherence,
            "completeness": s.completeness,
            "factuality": s.factuality,
            "subgoals_completed": s.subgoals_completed,
            "subgoals_partial": s.subgoals_partial,
            "subgoals_failed": s.subgoals_failed,
            "total_files_modified": 0,
            "user_interactions_count": 0,
        },
        "timing": {**_span(execution, Phase.SYNTHESIZE), **_phase_tokens(execution.answer_calls)},
    }


def _record(execution: Execution) -> dict[str, object]:
    r = execution.recorded
    return {
        "cached": r.cached,
        "reasoning_chunk_id": r.reasoning_chunk_id,
        "pattern_marked": r.pattern_marked,
        "activation_update": r.activation_update,
        "timing": _span(execution, Phase.RECORD),
    }
