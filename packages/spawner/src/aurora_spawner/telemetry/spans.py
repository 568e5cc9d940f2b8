"""Makes the trace of a run from its timeline: one span for the run, its tasks, attempts, checks and waits."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_spawner.control.timeline import SpanKind
from aurora_spawner.journal import approval_facts
from aurora_spawner.telemetry.conventions import provider_attribute, provider_of
from aurora_spawner.telemetry.phases import PLANNING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aurora_spawner.control.timeline import RunTimeline, Span, TaskTimeline
    from aurora_spawner.journal.views import EventRow, RunRow, TaskRow
    from aurora_spawner.telemetry.phases import TracedPhase

__all__ = ["TraceSpan", "Value", "phase_spans", "reason_without_quotes", "trace_id_of", "trace_of"]

Value = str | int | float | bool

_FAILED: Final = frozenset({"failed", "unmerged", "crashed"})
_NAMES: Final[Mapping[SpanKind, str]] = {
    SpanKind.CHECK: "check",
    SpanKind.PREPARATION: "prepare worktree",
    SpanKind.DEPENDENCY: "wait for dependencies",
    SpanKind.START: "wait for a slot",
    SpanKind.RETRY: "wait for a retry",
    SpanKind.APPROVAL: "wait for an answer",
    SpanKind.PAUSE: "paused",
    SpanKind.PROVIDER: "wait for the provider",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSpan:
    """A span of the trace.

    Attributes:
        id: 64 bits, the same each time for the same span of a run.
        parent: id of its parent; None for the run's.
        start: Unix time, as `end`.
        error: what failed; None if nothing did.
        calls_model: True for spans of agents, which call models elsewhere.
    """

    name: str
    id: int
    parent: int | None
    start: float
    end: float
    attributes: Mapping[str, Value] = field(default_factory=dict)
    error: str | None = None
    calls_model: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trace:
    """The run whose spans are made.

    Attributes:
        content: texts of prompts, titles and questions are part of the trace.
        latest: the newest names of the conventions are used.
    """

    run: RunRow
    content: bool
    latest: bool

    def id(self, *key: object) -> int:
        return _hashed(self.run, *key) & 0xFFFF_FFFF_FFFF_FFFF


def trace_id_of(run: RunRow) -> int:
    """Returns the trace's id, 128 bits, the same each time for the same run: sent twice, it is one trace."""
    return _hashed(run)


def trace_of(
    run: RunRow,
    timeline: RunTimeline,
    tasks: Sequence[TaskRow],
    events: Sequence[EventRow],
    *,
    parent: int | None = None,
    content: bool = False,
    latest: bool = False,
) -> list[TraceSpan]:
    """Returns the spans of a run, parents before their children.

    Args:
        events: of the run; tool calls that the gate judged are spans at the moment of its decision.
        parent: the span of another run that this one is a part of; None if it is a trace of its own.
        content: prompts, titles and questions are included.
        latest: use the newest names of the GenAI conventions.
    """
    trace = _Trace(run=run, content=content, latest=latest)
    rows = {row.task_id: row for row in tasks}
    root = TraceSpan(
        name=f"invoke_workflow {run.kind}",
        id=trace.id("run"),
        parent=parent,
        start=timeline.start,
        end=timeline.end,
        attributes={
            "gen_ai.operation.name": "invoke_workflow",
            "gen_ai.workflow.name": run.kind,
            "aurora.run.id": run.run_id,
            "aurora.run.state": timeline.state,
            "aurora.run.tasks": len(tasks),
        },
        error=timeline.state if timeline.state in _FAILED else None,
    )
    spans = [root, *_waits_of_run(trace, root, timeline)]
    for each in timeline.tasks:
        spans += _of_task(trace, root, each, rows[each.task_id], timeline.end)
    return [*spans, *_tool_calls(trace, events)]


def phase_spans(run: RunRow, phases: Sequence[TracedPhase]) -> Mapping[str, TraceSpan]:
    """Returns the span of each phase of a run, by its name."""
    trace = _Trace(run=run, content=False, latest=False)
    return {
        phase.name: TraceSpan(
            name=f"phase {phase.name}",
            id=trace.id("phase", phase.name),
            parent=trace.id("run"),
            start=phase.start,
            end=phase.end,
            attributes={
                "aurora.phase": phase.name,
                **({"gen_ai.operation.name": "plan"} if phase.name in PLANNING else {}),
            },
            error=phase.error,
        )
        for phase in phases
    }


def _waits_of_run(trace: _Trace, root: TraceSpan, timeline: RunTimeline) -> Iterator[TraceSpan]:
    for number, span in enumerate(timeline.spans):
        yield TraceSpan(
            name=_NAMES[span.kind],
            id=trace.id("run", span.kind, number),
            parent=root.id,
            start=span.start,
            end=span.end,
            attributes={"aurora.wait.reason": span.label if trace.content else reason_without_quotes(span)},
        )


def _of_task(trace: _Trace, root: TraceSpan, timeline: TaskTimeline, row: TaskRow, end: float) -> Iterator[TraceSpan]:
    starts = [span.start for span in timeline.spans]
    ends = [span.end for span in timeline.spans]
    task = TraceSpan(
        name=f"task {row.task_id}",
        id=trace.id("task", row.task_id),
        parent=root.id,
        start=min(starts, default=row.started_at or root.start),
        end=max([*ends, *([row.ended_at] if row.ended_at else [])], default=end),
        attributes=_task_attributes(trace, timeline, row),
        error=(row.result.termination_reason or "failed") if row.result and not row.result.success else None,
    )
    yield task
    attempts = [span for span in timeline.spans if span.kind is SpanKind.ATTEMPT]
    number = 0
    for place, span in enumerate(timeline.spans):
        number += span.kind in (SpanKind.ATTEMPT, SpanKind.REVIEW)
        last = bool(attempts) and span is attempts[-1]
        yield _child(trace, task, row, span, key=(place, number), last=last)


def _task_attributes(trace: _Trace, timeline: TaskTimeline, row: TaskRow) -> dict[str, Value]:
    found: dict[str, Value] = {
        "aurora.task.id": row.task_id,
        "aurora.task.state": timeline.state,
        "aurora.task.attempts": timeline.attempts,
        "gen_ai.agent.name": timeline.agent,
    }
    if row.result:
        found["aurora.task.verification"] = row.result.verification.level.value
        if row.result.work:
            found["aurora.work.branch"] = row.result.work.branch
    if trace.content:
        found["aurora.task.title"] = row.task.headline
        found["gen_ai.input.messages"] = row.task.prompt
        if row.result:
            found["gen_ai.output.messages"] = row.result.output
    return found


def _child(
    trace: _Trace, task: TraceSpan, row: TaskRow, span: Span, *, key: tuple[int, int], last: bool
) -> TraceSpan:
    place, number = key
    common = {"aurora.task.id": row.task_id}
    if span.kind in (SpanKind.ATTEMPT, SpanKind.REVIEW):
        agent = _agent_in(span)
        return TraceSpan(
            name=f"invoke_agent {agent}",
            id=trace.id("task", row.task_id, "attempt", number),
            parent=task.id,
            start=span.start,
            end=span.end,
            attributes={**common, **_agent_attributes(trace, agent, span, row, last=last)},
            error=(row.result.termination_reason or "failed" if last and row.result else "failed")
            if span.failed
            else None,
            calls_model=True,
        )
    reason = span.label if trace.content else reason_without_quotes(span)
    shown = {"aurora.wait.reason": reason} if span.kind.waits and reason else {}
    return TraceSpan(
        name=_NAMES[span.kind],
        id=trace.id("task", row.task_id, span.kind, place),
        parent=task.id,
        start=span.start,
        end=span.end,
        attributes={**common, **shown},
        error="failed" if span.failed else None,
    )


def reason_without_quotes(span: Span) -> str:
    """Returns the reason of a wait without words of an agent or a provider, which may be of a prompt, or a key."""
    if span.kind is SpanKind.APPROVAL:
        return ""
    return span.label.partition(": ")[0] if span.kind is SpanKind.PROVIDER else span.label


def _agent_in(span: Span) -> str:
    return span.label.partition("@")[2].partition(":")[0] or "unknown"


def _agent_attributes(trace: _Trace, agent: str, span: Span, row: TaskRow, *, last: bool) -> dict[str, Value]:
    found: dict[str, Value] = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": agent}
    if span.kind is SpanKind.REVIEW:
        found["aurora.attempt.role"] = "review"
    if provider := provider_of(agent):
        found[provider_attribute(latest=trace.latest)] = provider
    # The journal has the usage of a task, which is that of its last attempt where the agent tells it.
    if last and row.result:
        if row.result.model:
            found["gen_ai.response.model"] = row.result.model
        if row.result.session_id:
            found["gen_ai.conversation.id"] = row.result.session_id
        if usage := row.result.usage:
            found["gen_ai.usage.input_tokens"] = (
                usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
            )
            found["gen_ai.usage.output_tokens"] = usage.output_tokens
            found["gen_ai.usage.cache_read.input_tokens"] = usage.cache_read_tokens
            found["gen_ai.usage.cache_creation.input_tokens"] = usage.cache_write_tokens
            if usage.cost_usd is not None:
                found["aurora.cost.usd"] = usage.cost_usd
    return found


def _tool_calls(trace: _Trace, events: Sequence[EventRow]) -> Iterator[TraceSpan]:
    for event in events:
        if isinstance(event.fact, approval_facts.ToolCallJudged):
            call = event.fact
            attributes: dict[str, Value] = {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": call.tool,
                "gen_ai.agent.name": call.agent,
                "aurora.task.id": event.task_id or "",
                "aurora.gate.allowed": call.allowed,
                "aurora.gate.rule": call.rule,
            }
            if trace.content:
                attributes["gen_ai.tool.call.arguments"] = call.subject
            yield TraceSpan(
                name=f"execute_tool {call.tool}",
                id=trace.id("tool", event.seq),
                parent=trace.id("task", event.task_id),
                start=event.at,
                end=event.at,
                attributes=attributes,
                error=None if call.allowed else "denied",
            )


def _hashed(run: RunRow, *key: object) -> int:
    named = repr((run.run_id, run.created_at, *map(str, key))).encode()
    return int.from_bytes(hashlib.sha256(named).digest()[:16], "big") or 1
