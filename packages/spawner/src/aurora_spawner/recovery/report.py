"""The recovery report of a run, read from its journal."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aurora_spawner.journal.facts import AttemptStalled, BatchTripped, CallbackFailed, ProviderMoved
from aurora_spawner.journal.recovery_views import load_recoveries
from aurora_spawner.journal.sqlite_errors import translated
from aurora_spawner.journal.views import as_written, load_run, load_tasks
from aurora_spawner.rate_limits.gate import ProviderGate
from aurora_spawner.rate_limits.pause_notices import ProviderTimeline
from aurora_spawner.recovery.machine import TaskRecoveryState
from aurora_spawner.recovery.metrics import RecoverySummary
from aurora_spawner.recovery.restore import stored_breakers, stored_changes
from aurora_spawner.storage.stored_values import document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_spawner.journal.store import Journal
    from aurora_spawner.recovery.breaker import CircuitBreaker


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryReport:
    """The recovery of a run as the journal has it."""

    run_id: str
    tasks: tuple[TaskRecoveryState, ...]
    """The tasks that have started, in their order."""
    titles: Mapping[str, str]
    """The first line of each task."""
    summary: RecoverySummary
    breakers: tuple[CircuitBreaker, ...]
    """The breakers that this run changed last."""
    notices: tuple[str, ...]
    """Provider pauses (one line an episode), stalled attempts and events of the whole run, in order."""


def recovery_report(journal: Journal, run_id: str) -> RecoveryReport:
    """Returns the recovery report of a run.

    Raises:
        UnknownRunError: The journal has no such run.
    """
    run = load_run(journal, run_id)
    rows = {row.task_id: row for row in load_tasks(journal, run_id)}
    tasks = []
    for row in load_recoveries(journal, run_id):
        agent = rows[row.task_id].task.agent or run.default_agent
        with as_written(journal.path, f"run {run_id}, task {row.task_id}: its recovery"):
            changes = stored_changes(journal, run_id, row)
            tasks.append(TaskRecoveryState(task_id=row.task_id, agent_id=agent).replay(changes))
    return RecoveryReport(
        run_id=run_id,
        tasks=tuple(tasks),
        titles={task_id: row.task.headline for task_id, row in rows.items()},
        summary=RecoverySummary.of(tasks),
        breakers=tuple(breaker for by, breaker in stored_breakers(journal) if by == run_id),
        notices=tuple(_notices(journal, run_id)),
    )


def _notices(journal: Journal, run_id: str) -> list[str]:
    kinds = (ProviderMoved.kind, AttemptStalled.kind, BatchTripped.kind, CallbackFailed.kind)
    with translated(journal.path):
        rows = journal.connection.execute(
            "SELECT seq, kind, task_id, payload FROM events"
            " WHERE run_id = ? AND payload IS NOT NULL AND kind IN (?, ?, ?, ?) ORDER BY seq",
            (run_id, *kinds),
        ).fetchall()
    lines: dict[int, str] = {}
    timelines: defaultdict[str, ProviderTimeline] = defaultdict(lambda: ProviderTimeline(lines=lines))
    for place, (seq, kind, task_id, payload) in enumerate(rows):
        with as_written(journal.path, f"run {run_id}: event {seq} ({kind})"):
            said = document(payload)
            if kind == ProviderMoved.kind:
                gate = ProviderGate.from_dict(said["gate"])
                timelines[gate.provider].add(place, gate)
            else:
                lines[place] = _notice(kind, task_id, said)
    return [lines[place] for place in sorted(lines)]


def _notice(kind: str, task_id: str | None, said: dict[str, Any]) -> str:
    if kind == AttemptStalled.kind:
        return f"task {task_id}, attempt {said['number']}{' ended' if said['ended'] else ''}: {said['reason']}"
    if kind == BatchTripped.kind:
        return f"{said['reason']}; the rest was {said['action']}"
    return f"the callback {said['callback']} raised {said['error']}"
