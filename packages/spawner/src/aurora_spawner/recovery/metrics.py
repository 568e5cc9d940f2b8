"""What recovery did, counted by agent and by kind of failure, from the changes of state alone. Pure."""

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
    """One agent's part."""

    attempts: int = 0
    """That counted: neither deferred nor under way."""
    successes: int = 0
    failures: int = 0
    deferred: int = 0
    """Attempts that cost nothing."""

    @property
    def success_rate(self) -> float | None:
        """Share of attempts that succeeded; None without any."""
        return self.successes / self.attempts if self.attempts else None


@dataclass(slots=True)
class RecoveryMetrics:
    """Counts that grow with each change of state; `record` takes the changes of a task in their order."""

    attempts: Counter[str] = field(default_factory=Counter)
    """By agent; so are the next three."""
    successes: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    deferred: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    fallbacks: int = 0
    circuit_blocks: int = 0
    by_category: Counter[ErrorCategory] = field(default_factory=Counter)
    by_cause: Counter[Cause] = field(default_factory=Counter)
    recovery_times_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """From a task's first failure to its success, by the agent that did it in the end."""
    recovery_times_by_category_s: dict[ErrorCategory, list[float]] = field(default_factory=lambda: defaultdict(list))
    """The same by the kind of its first failure."""
    _holders: dict[str, str] = field(default_factory=dict, repr=False)
    _broke_at: dict[str, tuple[float, ErrorCategory]] = field(default_factory=dict, repr=False)

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
            self._broke_at.pop(change.task_id, None)

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
        self._broke_at.setdefault(change.task_id, (change.at, category))

    def _recovered(self, change: RecoveryStateTransition, worker: str) -> None:
        broke = self._broke_at.get(change.task_id)
        if broke is not None:
            took = max(0.0, change.at - broke[0])
            self.recovery_times_s[worker].append(took)
            self.recovery_times_by_category_s[broke[1]].append(took)

    def of_agent(self, agent: str) -> AgentMetrics:
        """One agent's part."""
        return AgentMetrics(
            attempts=self.attempts[agent],
            successes=self.successes[agent],
            failures=self.failures[agent],
            deferred=self.deferred[agent],
        )

    @property
    def agents(self) -> tuple[str, ...]:
        """All that attempted something, by name."""
        return tuple(sorted({*self.attempts, *self.deferred}))

    def to_dict(self) -> dict[str, Any]:
        """All counts as JSON values."""
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
    """What recovery did for one task."""

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
    """Of its last failure."""

    @classmethod
    def of(cls, task: TaskRecoveryState) -> RecoveryResult:
        """As the task stands now."""
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
    """What recovery did for a run."""

    tasks: Mapping[str, RecoveryResult]
    metrics: RecoveryMetrics

    @classmethod
    def of(cls, tasks: Iterable[TaskRecoveryState]) -> RecoverySummary:
        """Counts the tasks as they stand."""
        metrics, results = RecoveryMetrics(), {}
        for task in tasks:
            results[task.task_id] = RecoveryResult.of(task)
            for change in task.transitions:
                metrics.record(change)
        return cls(tasks=results, metrics=metrics)

    @property
    def succeeded(self) -> int:
        """Tasks that succeeded, recovered ones included."""
        return sum(task.state is RecoveryState.SUCCEEDED for task in self.tasks.values())

    @property
    def recovered(self) -> int:
        """Tasks that succeeded after something had failed."""
        return sum(task.recovered for task in self.tasks.values())

    @property
    def failed(self) -> int:
        """Tasks for which nothing helped."""
        return sum(task.state is RecoveryState.FAILED for task in self.tasks.values())

    def to_dict(self) -> dict[str, Any]:
        """Counts as JSON values."""
        return {
            "total": len(self.tasks),
            "succeeded": self.succeeded,
            "recovered": self.recovered,
            "failed": self.failed,
            **self.metrics.to_dict(),
        }
