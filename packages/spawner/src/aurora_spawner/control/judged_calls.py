"""The tool calls that the policies have judged in earlier runs, read again, to try other policies on them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_spawner.control.audit import existing_journal
from aurora_spawner.gates.stored_calls import call_from_json
from aurora_spawner.journal.approval_facts import ToolCallJudged
from aurora_spawner.journal.views import list_runs, load_events, load_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aurora_spawner.gates.tool_calls import ToolCall


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedCall:
    """A tool call of an agent, and what was said of it."""

    run_id: str
    task_id: str
    agent: str
    at: float
    """Unix time."""
    subject: str
    """The call in words, cut to a few hundred characters."""
    action: str
    """The answer of the policies then: allow, prompt or deny."""
    rule: str
    call: ToolCall | None
    """None if the journal has only a part of it."""


def judged_calls(journal: Path, run_id: str | None = None) -> Iterator[JudgedCall]:
    """Yields the tool calls that were judged in a run, or in all runs, the newest run first.

    Raises:
        UnknownRunError: The journal has no such run.
        JournalError: It cannot be read.
    """
    with existing_journal(journal) as store:
        if store is None:
            return
        for run in list_runs(store) if run_id is None else [load_run(store, run_id)]:
            for event in load_events(store, run.run_id):
                if isinstance(event.fact, ToolCallJudged):
                    yield _judged(run.run_id, event.task_id or "", event.at, event.fact)


def _judged(run_id: str, task_id: str, at: float, fact: ToolCallJudged) -> JudgedCall:
    call = None
    with suppress(ValueError):  # another version has written it
        call = fact.call and call_from_json(fact.call, task_id=task_id, agent=fact.agent, tool=fact.tool)
    return JudgedCall(
        run_id=run_id,
        task_id=task_id,
        agent=fact.agent,
        at=at,
        subject=fact.subject,
        action=fact.action,
        rule=fact.rule,
        call=call or None,
    )
