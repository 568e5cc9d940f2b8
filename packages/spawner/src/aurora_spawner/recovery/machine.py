"""The recovery of one task, and of all tasks of a run: every change of state goes through the table in states.py."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Self

from aurora_spawner.classification.causes import THROTTLING, Cause, ErrorCategory
from aurora_spawner.errors import SpawnerError
from aurora_spawner.recovery.breaker import CircuitBreaker
from aurora_spawner.recovery.policy import RecoveryPolicy
from aurora_spawner.recovery.states import RecoveryState, RecoveryStep, advance
from aurora_spawner.storage.stored_values import read_fields
from aurora_spawner.tasks.result import PROVIDER_LIMITED, PROVIDER_STOPPED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aurora_spawner.classification.classifier import Classification

MODEL_AGENT = "model"
"""The agent name of a direct call of a model."""
LOCAL_AGENT = "local"
"""The name of the agent that needs no model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryStateTransition:
    """A change of a task's recovery state."""

    task_id: str
    from_state: RecoveryState
    to_state: RecoveryState
    step: RecoveryStep
    at: float
    """Unix time."""
    agent: str
    """The agent of the task after the change."""
    error: str | None = None
    category: ErrorCategory | None = None
    cause: Cause | None = None

    def to_dict(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: str(value) if name in _WORDS and value is not None else value for name, value in values.items()}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Returns the change that `to_dict` stored.

        Raises:
            StoredValueError: A field is missing or malformed.
        """
        return cls(**read_fields(cls, stored, {kind.__name__: kind for kind in _WORDS.values()}))


_WORDS: Mapping[str, type] = {
    "from_state": RecoveryState,
    "to_state": RecoveryState,
    "step": RecoveryStep,
    "category": ErrorCategory,
    "cause": Cause,
}


_LEAVING = (RecoveryStep.AWAIT_FALLBACK, RecoveryStep.OPEN_CIRCUIT, RecoveryStep.GIVE_UP)


def _always(_agent: str) -> bool:
    return True


@dataclass(slots=True, kw_only=True)
class TaskRecoveryState:
    """The recovery of one task: its state, its path, and the next steps that its policy allows.

    Every method that changes the state raises IllegalTransitionError if the table has no such change.
    """

    task_id: str
    agent_id: str
    """The first agent."""
    policy: RecoveryPolicy = field(default_factory=RecoveryPolicy)
    fallbacks: tuple[str, ...] = ()
    """The agents to fall back to, in order."""
    clock: Callable[[], float] = field(default=time.time, repr=False)
    on_transition: Callable[[RecoveryStateTransition], None] | None = field(default=None, repr=False)
    state: RecoveryState = RecoveryState.INITIAL
    agent: str = ""
    """The present agent."""
    retries: int = 0
    """Retries started so far, on the first agent; counted from the changes."""
    deferrals: int = 0
    """Attempts that do not count: rate limits, lost supervisors."""
    transitions: list[RecoveryStateTransition] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.agent = self.agent or self.agent_id

    # Changes of state.

    def start(self) -> None:
        """Starts the first attempt."""
        self._take(RecoveryStep.START)

    def succeed(self, agent: str | None = None) -> None:
        """Records the success of the present attempt, or of the hedge by `agent`."""
        self._take(RecoveryStep.SUCCEED, agent=agent)

    def fail(
        self, error: str, why: Classification | None = None, *, usable: Callable[[str], bool] = _always
    ) -> RecoveryState:
        """Records the failure of the present attempt, and takes the next step of the policy.

        Args:
            why: The classification of the failure; a permanent one is not retried.
            usable: Returns True if an agent may be fallen back to now.

        Returns:
            RETRY_PENDING, FALLBACK_PENDING or FAILED.
        """
        retry_allowed = self.state is not RecoveryState.FALLBACK_EXECUTING and self.retries < self.policy.retries
        if retry_allowed and (why is None or why.category is not ErrorCategory.PERMANENT):
            return self._take(RecoveryStep.AWAIT_RETRY, error=error, why=why)
        return self.next_agent(error, why, usable=usable)

    def next_agent(
        self, error: str, why: Classification | None = None, *, usable: Callable[[str], bool] = _always
    ) -> RecoveryState:
        """Passes the task to the next usable agent of the chain, or records that it has failed."""
        agent = next(filter(usable, self.remaining), None)
        if agent is None:
            return self.give_up(error, why)
        return self._take(RecoveryStep.AWAIT_FALLBACK, agent=agent, error=error, why=why)

    def start_retry(self) -> None:
        """Starts a retry on the same agent."""
        self._take(RecoveryStep.RETRY)

    def start_fallback(self) -> None:
        """Starts an attempt of the fallback agent.

        Raises:
            SpawnerError: The circuit is open and no fallback is left; call `give_up`.
        """
        if self.state is RecoveryState.CIRCUIT_OPEN and not self.fell_back:
            raise SpawnerError(f"task {self.task_id} has no agent left to fall back to")
        self._take(RecoveryStep.FALL_BACK)

    def circuit_open(
        self, error: str = "", why: Classification | None = None, *, usable: Callable[[str], bool] = _always
    ) -> None:
        """Records that the agent's circuit is open, and passes the task to the next usable agent, if any."""
        error = error or f"the circuit of agent {self.agent} is open"
        agent = next(filter(usable, self.remaining), None)
        self._take(RecoveryStep.OPEN_CIRCUIT, agent=agent, error=error, why=why)

    def defer(self, why: Classification | None = None, *, error: str | None = None) -> None:
        """Undoes the start of the present attempt, which does not count."""
        self._take(RecoveryStep.DEFER, error=error, why=why)

    def give_up(self, error: str, why: Classification | None = None) -> RecoveryState:
        """Records that the task has failed: no step is left."""
        return self._take(RecoveryStep.GIVE_UP, error=error, why=why)

    def _take(
        self,
        step: RecoveryStep,
        *,
        agent: str | None = None,
        error: str | None = None,
        why: Classification | None = None,
    ) -> RecoveryState:
        transition = RecoveryStateTransition(
            task_id=self.task_id,
            from_state=self.state,
            to_state=advance(self.state, step),
            step=step,
            at=self.clock(),
            agent=agent or self.agent,
            error=error,
            category=why.category if why else None,
            cause=why.cause if why else None,
        )
        self._apply(transition)
        if self.on_transition is not None:
            self.on_transition(transition)
        return self.state

    def _apply(self, change: RecoveryStateTransition) -> None:
        """Changes the state and the counts; changes nothing if the table refuses the step.

        Raises:
            IllegalTransitionError: The table has no such change.
        """
        before, self.state = self.state, advance(self.state, change.step)
        self.agent = change.agent
        if change.step is RecoveryStep.RETRY:
            self.retries += 1
        elif change.step is RecoveryStep.DEFER:
            self.deferrals += 1
            self.retries -= before is RecoveryState.RETRYING
        self.transitions.append(change)

    def replay(self, transitions: Iterable[RecoveryStateTransition]) -> Self:
        """Applies stored changes; returns this object.

        Raises:
            IllegalTransitionError: A change does not follow from the one before by the table.
        """
        for each in transitions:
            self._apply(each)
        return self

    # The present state.

    @property
    def is_terminal(self) -> bool:
        """True if it succeeded or failed."""
        return self.state.terminal

    @property
    def remaining(self) -> tuple[str, ...]:
        """Agents of the chain after the present one."""
        if self.agent not in self.fallbacks:
            return self.fallbacks
        return self.fallbacks[self.fallbacks.index(self.agent) + 1 :]

    @property
    def fell_back(self) -> bool:
        """True if another agent than the first has the task."""
        return self.agent != self.agent_id

    @property
    def recovered(self) -> bool:
        """True if it succeeded after a failure."""
        failed = (RecoveryStep.AWAIT_RETRY, RecoveryStep.AWAIT_FALLBACK, RecoveryStep.OPEN_CIRCUIT)
        return self.state is RecoveryState.SUCCEEDED and any(each.step in failed for each in self.transitions)

    @property
    def elapsed_time(self) -> float:
        """Seconds from its first change to its last, or to now if it is not done."""
        if not self.transitions:
            return 0.0
        end = self.transitions[-1].at if self.is_terminal else self.clock()
        return max(0.0, end - self.transitions[0].at)

    @property
    def provider_reason(self) -> str | None:
        """Reason of its failure, if only its providers kept it from being done."""
        causes = {each.cause for each in self.transitions if each.step in _LEAVING}
        if self.state is not RecoveryState.FAILED or not causes:
            return None
        if causes <= {Cause.AUTHENTICATION}:
            return PROVIDER_STOPPED
        return PROVIDER_LIMITED if causes <= {Cause.AUTHENTICATION, *THROTTLING} else None

    @property
    def recovery_path(self) -> tuple[RecoveryState, ...]:
        """States that it went through, the present one last."""
        return (RecoveryState.INITIAL, *(each.to_state for each in self.transitions))

    @property
    def last_error(self) -> str | None:
        """Error of its last failure."""
        return next((each.error for each in reversed(self.transitions) if each.error), None)

    def to_dict(self) -> dict[str, Any]:
        """Returns the recovery with its changes as JSON values."""
        return {
            "task_id": self.task_id,
            "agent_id": self.agent_id,
            "agent": self.agent,
            "state": str(self.state),
            "recovery_path": [str(state) for state in self.recovery_path],
            "retries": self.retries,
            "deferrals": self.deferrals,
            "fallback": self.fell_back,
            "recovered": self.recovered,
            "elapsed_time": self.elapsed_time,
            "error": self.last_error if self.state is not RecoveryState.SUCCEEDED else None,
            "transitions": [each.to_dict() for each in self.transitions],
        }


class RecoveryStateMachine:
    """The recovery states of a run's tasks, and the circuit breakers of its agents.

    Args:
        clock: Unix time.
        on_transition: Called with every change of every task.
    """

    def __init__(
        self,
        policy: RecoveryPolicy | None = None,
        *,
        clock: Callable[[], float] = time.time,
        on_transition: Callable[[RecoveryStateTransition], None] | None = None,
    ) -> None:
        self.policy = policy or RecoveryPolicy()
        self._clock = clock
        self._on_transition = on_transition
        self._tasks: dict[str, TaskRecoveryState] = {}
        self.breakers: dict[str, CircuitBreaker] = {}
        self.adhoc: frozenset[str] = frozenset()
        """Agents generated for this run; their breakers have a higher threshold."""

    def create_task_state(
        self, task_id: str, agent_id: str, *, fallbacks: tuple[str, ...] | None = None
    ) -> TaskRecoveryState:
        """Adds the state of a task.

        Args:
            fallbacks: The agents to fall back to, in order; None for a model, if the policy falls back to one.

        Raises:
            SpawnerError: The task has a state already.
        """
        if task_id in self._tasks:
            raise SpawnerError(f"the recovery of task {task_id} has started already")
        policy = self.policy.get_for_agent(agent_id)
        if fallbacks is None:
            fallbacks = (MODEL_AGENT,) if policy.fallback_to_llm else ()
        state = TaskRecoveryState(
            task_id=task_id,
            agent_id=agent_id,
            policy=policy,
            fallbacks=fallbacks if policy.strategy.falls_back else (),
            clock=self._clock,
            on_transition=self._on_transition,
        )
        self._tasks[task_id] = state
        return state

    def get_task_state(self, task_id: str) -> TaskRecoveryState | None:
        """Returns the state of a task; None if it has none."""
        return self._tasks.get(task_id)

    def check_circuit_breaker(self, agent_id: str) -> bool:
        """Returns True if an attempt of the agent may start; an open breaker grants one trial after its rest."""
        if not self.policy.get_for_agent(agent_id).circuit_breaker_enabled:
            return True
        breaker = self.breakers.get(agent_id)
        if breaker is None:
            return True
        allowed, after = breaker.ask(self._clock())
        self.breakers[agent_id] = after
        return allowed

    def record_success(self, agent_id: str) -> bool:
        """Records a success of the agent; returns True if that changed its breaker."""
        before = self.breakers.get(agent_id)
        if before is None or before.clear:
            return False
        self.breakers[agent_id] = before.succeeded()
        return True

    def record_failure(self, agent_id: str, why: Classification | None = None) -> bool:
        """Records a failure; returns True if that changed the agent's breaker. Failures of others do not count."""
        policy = self.policy.get_for_agent(agent_id)
        if not policy.circuit_breaker_enabled:
            return False
        before = self.breakers.get(agent_id)
        if why is not None and not why.blames_agent:
            if before is not None:
                self.breakers[agent_id] = before.trial_ended()
            return self.breakers.get(agent_id) != before
        breaker = before or CircuitBreaker(agent=agent_id, policy=policy.breaker, adhoc=agent_id in self.adhoc)
        permanent = why is not None and why.category is ErrorCategory.PERMANENT
        self.breakers[agent_id] = breaker.failed(self._clock(), permanent=permanent)
        return True

    def restore_breaker(self, breaker: CircuitBreaker) -> None:
        """Restores a breaker of an earlier coordinator, under the present policy."""
        policy = self.policy.get_for_agent(breaker.agent).breaker
        self.breakers[breaker.agent] = replace(breaker, policy=policy, adhoc=breaker.agent in self.adhoc)

    def get_summary(self) -> dict[str, Any]:
        """Returns the number of tasks in each state, and every task, as JSON values.

        `succeeded` counts all that succeeded, `recovered` those of them that succeeded after a failure.
        """
        states = Counter(str(task.state) for task in self._tasks.values())
        return {
            "total": len(self._tasks),
            "succeeded": states["succeeded"],
            "recovered": sum(task.recovered for task in self._tasks.values()),
            "failed": states["failed"],
            "in_progress": len(self._tasks) - states["succeeded"] - states["failed"],
            "states": dict(states),
            "tasks": {task_id: task.to_dict() for task_id, task in self._tasks.items()},
            "breakers": {agent: breaker.to_dict() for agent, breaker in self.breakers.items()},
        }

    def clear(self) -> None:
        """Removes all tasks and breakers."""
        self._tasks.clear()
        self.breakers.clear()
