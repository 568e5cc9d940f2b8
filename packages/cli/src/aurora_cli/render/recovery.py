"""Text and JSON of a run's recovery: counts, and one line per step of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aurora_cli.render.words import count, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aurora_spawner.recovery.machine import RecoveryStateTransition, TaskRecoveryState
    from aurora_spawner.recovery.report import RecoveryReport

__all__ = ["recovery_document", "recovery_lines"]


def recovery_lines(report: RecoveryReport) -> Iterator[str]:
    """Yields the counts, each task that needed recovery with its steps, then agents and providers."""
    summary = report.summary
    smooth = summary.succeeded - summary.recovered
    yield f"{smooth} succeeded at once, {summary.recovered} recovered, {summary.failed} failed"
    for task in report.tasks:
        if len(task.transitions) > 2 or task.state == "failed":
            yield f"{one_line(task.task_id)}  {one_line(report.titles.get(task.task_id, ''), 60)}"
            yield from _steps(task)
    for agent in summary.metrics.agents:
        part = summary.metrics.of_agent(agent)
        deferred = f", {part.deferred} deferred" if part.deferred else ""
        yield f"@{one_line(agent)}  {count(part.attempts, 'attempt')}, {part.failures} failed{deferred}"
    for breaker in report.breakers:
        if not breaker.clear:
            yield f"@{one_line(breaker.agent)}  circuit {breaker.state}, {count(len(breaker.failures), 'failure')}"
    for notice in report.notices:
        yield one_line(notice, 300)


def _steps(task: TaskRecoveryState) -> Iterator[str]:
    began = task.transitions[0].at
    for step in task.transitions:
        why = _why(step)
        yield f"  {step.at - began:8.1f} s  {step.to_state:<18}  @{one_line(step.agent)}{why}"


def _why(step: RecoveryStateTransition) -> str:
    kind = f" {step.cause}:" if step.cause else ""
    return f" {kind} {one_line(step.error, 120)}" if step.error else ""


def recovery_document(report: RecoveryReport) -> Mapping[str, Any]:
    """Returns a run's recovery as data for `--json`."""
    return {
        "run_id": report.run_id,
        "summary": report.summary.to_dict(),
        "tasks": [task.to_dict() for task in report.tasks],
        "breakers": [breaker.to_dict() for breaker in report.breakers],
        "notices": list(report.notices),
    }
