"""Tool calls that were judged on the machines of workers: they get into the journal with the end of their attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_spawner.journal.approval_facts import ToolCallJudged
from aurora_spawner.runs.gate_server import call_words, stopped_words

if TYPE_CHECKING:
    from aurora_spawner.attempts.executor import AttemptEnd
    from aurora_spawner.runs.attempt import Attempt
    from aurora_spawner.runs.run_context import RunContext


def judged_facts(attempt: Attempt) -> tuple[ToolCallJudged, ...]:
    """Returns the facts of the calls of an attempt that were judged on its worker's machine."""
    return tuple(
        ToolCallJudged(
            agent=attempt.agent,
            tool=each.tool,
            subject=each.subject,
            action=each.action,
            allowed=each.allowed,
            rule=each.rule,
            reason=each.reason,
            answered_by=each.answered_by,
        )
        for each in attempt.end.judged
    )


def note_judged(run: RunContext, task_id: str, end: AttemptEnd) -> None:
    """Counts what a worker has judged; says what it has stopped, and what it has to say besides."""
    run.tasks.flight(task_id).judged_calls += end.judged_calls
    denied = [call_words(each.subject, each.rule or each.action) for each in end.judged if not each.allowed]
    if denied:
        run.notices.append(stopped_words(task_id, denied))
    known = frozenset(run.notices)  # what a worker's project lacks is the same for all tasks
    run.notices.extend(each for each in end.notices if each not in known)
    if end.judged_calls > len(end.judged):
        named, total = len(end.judged), end.judged_calls
        run.notices.append(f"task {task_id}: {total} tool calls were judged on its worker; the journal names {named}")
