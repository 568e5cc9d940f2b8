"""The recovery of a run as restored from the journal, for the coordinator that resumes the run."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_spawner.journal.recovery_views import (
    load_breakers,
    load_durations,
    load_failures,
    load_recoveries,
)
from aurora_spawner.journal.views import as_written
from aurora_spawner.recovery.breaker import CircuitBreaker
from aurora_spawner.recovery.history import AgentHistory
from aurora_spawner.recovery.machine import RecoveryStateTransition
from aurora_spawner.recovery.policy_parts import TimeoutMode
from aurora_spawner.recovery.states import ATTEMPTING, RecoveryStep

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from aurora_spawner.classification.causes import ErrorCategory
    from aurora_spawner.journal.recovery_views import RecoveryRow
    from aurora_spawner.journal.store import Journal
    from aurora_spawner.recovery.policy import RecoveryPolicy

NEWEST: Final = 2_000
"""The number of newest tasks, of all runs, that make up a history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredRecovery:
    """The recovery of a run as the journal has it."""

    changes: Mapping[str, Sequence[RecoveryStateTransition]]
    """The changes of each unsettled task."""
    due: Mapping[str, float]
    """The time at which each waiting retry may start, Unix time."""
    breakers: tuple[CircuitBreaker, ...]
    histories: Mapping[str, AgentHistory]
    """By agent; empty if no policy depends on histories."""


def restore_recovery(
    journal: Journal, run_id: str, policy: RecoveryPolicy, *, probation: bool = False, restarted: Collection[str] = ()
) -> RestoredRecovery:
    """Returns the recovery that a run resumes with.

    Args:
        probation: Puts agents on probation, as after `--retry-failed`: an open circuit is closed and opens again at
            the next failure. In a new run agents always are on probation.
        restarted: Tasks that start again without their earlier recovery.
    """
    rows = [row for row in load_recoveries(journal, run_id, open_only=True) if row.task_id not in restarted]
    return RestoredRecovery(
        changes={row.task_id: tuple(stored_changes(journal, run_id, row)) for row in rows},
        due={row.task_id: row.due for row in rows if row.due is not None},
        breakers=tuple(
            breaker if by == run_id and not probation else breaker.on_probation()
            for by, breaker in stored_breakers(journal)
        ),
        histories=load_histories(journal) if _needs_history(policy) else {},
    )


def stored_changes(journal: Journal, run_id: str, row: RecoveryRow) -> list[RecoveryStateTransition]:
    """Returns the changes of state of one task.

    Raises:
        JournalCorruptError: A stored change is malformed.
    """
    with as_written(journal.path, f"run {run_id}, task {row.task_id}: its recovery"):
        return [RecoveryStateTransition.from_dict(each) for each in row.changes]


def stored_breakers(journal: Journal) -> list[tuple[str, CircuitBreaker]]:
    """Returns the circuit breaker of every agent, with the run that changed it last.

    Raises:
        JournalCorruptError: A stored breaker is malformed.
    """
    with as_written(journal.path, "a circuit breaker"):
        return [(by, CircuitBreaker.from_dict(each)) for by, each in load_breakers(journal)]


def _needs_history(policy: RecoveryPolicy) -> bool:
    """Returns True if a policy, or one of its overrides, depends on the histories of agents."""
    policies = [policy, *(policy.get_for_agent(agent) for agent in policy.agent_overrides)]
    return any(
        each.adaptive
        or each.hedge_after is not None
        or (each.timeout is not None and each.timeout.mode is TimeoutMode.ADAPTIVE)
        for each in policies
    )


def load_histories(journal: Journal) -> dict[str, AgentHistory]:
    """Returns the history of every agent, from the newest tasks of all runs."""
    durations: dict[str, list[float]] = defaultdict(list)
    for agent, took in load_durations(journal, newest=NEWEST):
        durations[agent].append(took)
    failures: dict[str, Counter[ErrorCategory]] = defaultdict(Counter)
    for changes in load_failures(journal, newest=NEWEST):
        holder = ""
        with as_written(journal.path, "the recovery of tasks"):
            for change in map(RecoveryStateTransition.from_dict, changes):
                if change.from_state in ATTEMPTING and change.category and change.step is not RecoveryStep.DEFER:
                    failures[holder][change.category] += 1
                holder = change.agent
    return {
        agent: AgentHistory(agent=agent, durations_s=tuple(durations[agent]), failures=dict(failures[agent]))
        for agent in sorted({*durations, *failures})
    }
