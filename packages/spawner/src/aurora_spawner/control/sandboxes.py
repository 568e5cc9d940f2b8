"""The sandboxes of a run's tasks, as the attempts themselves have found them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aurora_spawner.attempts.sandbox_finding import SandboxFinding
from aurora_spawner.control.lookup import open_journal
from aurora_spawner.journal.facts import AttemptEnded, AttemptStarted
from aurora_spawner.journal.views import as_written, load_events

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aurora_spawner.journal.views import EventRow

__all__ = ["TaskSandbox", "sandboxes_in", "sandboxes_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSandbox:
    """The sandbox of a task's last attempt, and what all of its attempts were denied."""

    finding: SandboxFinding
    denied: tuple[str, ...] = ()
    """Places outside of the sandbox whose change was denied, as the agent's output says."""


def sandboxes_of(journal: Path, run_id: str) -> dict[str, TaskSandbox]:
    """Returns the sandboxes of a run by task; a task whose attempts asked for none is left out.

    Raises:
        UnknownRunError: There is no journal.
        JournalError: It cannot be read.
    """
    with open_journal(journal, run_id) as opened:
        events = load_events(opened, run_id)
        with as_written(opened.path, f"run {run_id}: its sandboxes"):
            return sandboxes_in(events)


def sandboxes_in(events: Iterable[EventRow]) -> dict[str, TaskSandbox]:
    """Returns the sandboxes by task, from the events of a run, the oldest first."""
    found: dict[str, TaskSandbox] = {}
    for event in events:
        fact, task_id = event.fact, event.task_id or ""
        if isinstance(fact, AttemptStarted) and fact.sandbox is not None:
            earlier = found[task_id].denied if task_id in found else ()
            found[task_id] = TaskSandbox(finding=SandboxFinding.parse(json.dumps(fact.sandbox)), denied=earlier)
        elif isinstance(fact, AttemptEnded) and task_id in found:
            denied = (fact.record or {}).get("denied", ())
            both = dict.fromkeys((*found[task_id].denied, *map(str, denied)))
            found[task_id] = replace(found[task_id], denied=tuple(both))
    return found
