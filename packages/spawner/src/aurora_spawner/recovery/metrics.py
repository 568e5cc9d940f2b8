"""Metrics of recovery, counted by agent and by category of failure, from the changes of state alone. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aurora_spawner.classification.causes import Cause, ErrorCategory
from aurora_spawner.recovery.states import ATTEMPTING, RecoveryState, RecoveryStep

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aurora_spawner.recovery.machine import RecoveryStateTransition, TaskRecoveryState


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentMetrics:
    """The metrics of one agent."""

    attempts: int = 0
    """Ended attempts, without deferred ones."""
    successes: int = 0
    failures: int = 0
    deferred: int = 0
    """Attempts that do not count: rate limits, lost supervisors."""

    @property
    def success_rate(self) -> float | None:
        """Share of attempts that succeeded; None without attempts."""
        return self.successes / self.attempts if self.attempts else None


@dataclass(slots=True)
class RecoveryMetrics:
    """Counts that grow with each change of state; `record` takes the changes of a task in their order."""

    attempts: Counter[str] = field(default_factory=Counter)
    """Attempts by agent, as are the next three."""
    successes: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    deferred: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    fallbacks: int = 0
    circuit_blocks: int = 0
    by_category: Counter[ErrorCategory] = field(default_factory=Counter)
    by_cause: Counter[Cause] = field(default_factory=Counter)
    recovery_times_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds from a task's first failure to its success, by the agent that succeeded."""
    recovery_times_by_category_s: dict[ErrorCategory, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds from a task's first failure to its success, by the category of the failure."""
    _holders: dict[str, str] = field(default_factory=dict, repr=False)
    _failed_at: dict[str, tuple[float, ErrorCategory]] = field(default_factory=dict, repr=False)

    def record(self, change: RecoveryStateTransition) -> None:
        """Counts one change."""
        worker = self._holders.get(change.task_id, change.agent)
        if change.from_state in ATTEMPTING:
            self._end_attempt(change, worker)
        self.retries += change.step is RecoveryStep.RETRY
        self.fallbacks += change.step is RecoveryStep.FALL_BACK
        self.circuit_blocks += change.step is RecoveryStep.OPEN_CIRCUIT
        self._holders[change.task_id] = change.agent
        if change.to_state.terminal:
            self._holders.pop(change.task_id, None)
            self._failed_at.pop(change.task_id, None)

    def _end_attempt(self, change: RecoveryStateTransition, worker: str) -> None:
        if change.step is RecoveryStep.DEFER:
            self.deferred[worker] += 1
            return
        if change.step is RecoveryStep.SUCCEED:
            self.attempts[change.agent] += 1
            self.successes[change.agent] += 1
            self._recovered(change, change.agent)
            return
        self.attempts[worker] += 1
        category = change.category or ErrorCategory.UNKNOWN
        self.failures[worker] += 1
        self.by_category[category] += 1
        if change.cause is not None:
            self.by_cause[change.cause] += 1
        self._failed_at.setdefault(change.task_id, (change.at, category))

    def _recovered(self, change: RecoveryStateTransition, worker: str) -> None:
        failed = self._failed_at.get(change.task_id)
        if failed is not None:
            took = max(0.0, change.at - failed[0])
            self.recovery_times_s[worker].append(took)
            self.recovery_times_by_category_s[failed[1]].append(took)

    def of_agent(self, agent: str) -> AgentMetrics:
        """Returns the metrics of one agent."""
        return AgentMetrics(
            attempts=self.attempts[agent],
            successes=self.successes[agent],
            failures=self.failures[agent],
            deferred=self.deferred[agent],
        )

    @property
    def agents(self) -> tuple[str, ...]:
        """Agents with attempts, by name."""
        return tuple(sorted({*self.attempts, *self.deferred}))

    def to_dict(self) -> dict[str, Any]:
        """Returns all counts as JSON values."""
        return {
            "attempts": self.attempts.total(),
            "successes": self.successes.total(),
            "failures": self.failures.total(),
            "deferred": self.deferred.total(),
            "retries": self.retries,
            "fallbacks": self.fallbacks,
            "circuit_blocks": self.circuit_blocks,
            "by_category": {str(key): count for key, count in self.by_category.items()},
            "by_cause": {str(key): count for key, count in self.by_cause.items()},
            "by_agent": {agent: _agent_dict(self, agent) for agent in self.agents},
            "recovery_time_by_category_s": _means(self.recovery_times_by_category_s),
        }


def _agent_dict(metrics: RecoveryMetrics, agent: str) -> dict[str, Any]:
    part = metrics.of_agent(agent)
    times = metrics.recovery_times_s.get(agent, [])
    return {
        "attempts": part.attempts,
        "successes": part.successes,
        "failures": part.failures,
        "deferred": part.deferred,
        "success_rate": part.success_rate,
        "recovery_time_s": sum(times) / len(times) if times else None,
    }


def _means(times: Mapping[ErrorCategory, list[float]]) -> dict[str, float]:
    return {str(category): sum(values) / len(values) for category, values in times.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryResult:
    """The recovery of one task."""

    task_id: str
    state: RecoveryState
    agent: str
    original_agent: str
    path: tuple[RecoveryState, ...]
    retries: int
    deferrals: int
    recovered: bool
    elapsed_s: float
    error: str | None
    category: ErrorCategory | None
    """The category of its last failure."""

    @classmethod
    def of(cls, task: TaskRecoveryState) -> RecoveryResult:
        """Returns the present recovery of a task."""
        return cls(
            task_id=task.task_id,
            state=task.state,
            agent=task.agent,
            original_agent=task.agent_id,
            path=task.recovery_path,
            retries=task.retries,
            deferrals=task.deferrals,
            recovered=task.recovered,
            elapsed_s=task.elapsed_time,
            error=task.last_error,
            category=next((each.category for each in reversed(task.transitions) if each.category), None),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverySummary:
    """The recovery of a run."""

    tasks: Mapping[str, RecoveryResult]
    metrics: RecoveryMetrics

    @classmethod
    def of(cls, tasks: Iterable[TaskRecoveryState]) -> RecoverySummary:
        """Returns the summary of some tasks."""
        metrics, results = RecoveryMetrics(), {}
        for task in tasks:
            results[task.task_id] = RecoveryResult.of(task)
            for change in task.transitions:
                metrics.record(change)
        return cls(tasks=results, metrics=metrics)

    @property
    def succeeded(self) -> int:
        """Number of tasks that succeeded, recovered ones included."""
        return sum(task.state is RecoveryState.SUCCEEDED for task in self.tasks.values())

    @property
    def recovered(self) -> int:
        """Number of tasks that succeeded after a failure."""
        return sum(task.recovered for task in self.tasks.values())

    @property
    def failed(self) -> int:
        """Number of tasks that failed."""
        return sum(task.state is RecoveryState.FAILED for task in self.tasks.values())

    def to_dict(self) -> dict[str, Any]:
        """Returns the counts as JSON values."""
        return {
            "total": len(self.tasks),
            "succeeded": self.succeeded,
            "recovered": self.recovered,
            "failed": self.failed,
            **self.metrics.to_dict(),
        }
