"""The recovery of one run: its coordinator asks before each attempt and after it, and carries out the decision.

Recovery decides and remembers. Facts, callbacks and events wait in its outbox until the coordinator takes them: an
attempt and its change of state are written together.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.backends.sessions import SESSION_LOST
from aurora_spawner.classification.causes import CATEGORY_OF, Cause, ErrorCategory
from aurora_spawner.classification.classifier import Classification, ErrorClassifier, FailureEvidence
from aurora_spawner.journal.facts import BreakerMoved, RecoveryTransitioned
from aurora_spawner.rate_limits.gate import GateState
from aurora_spawner.recovery import actions
from aurora_spawner.recovery.actions import BatchTrip, Fallback, GiveUp, MoveTo, Retry, Start, Wait
from aurora_spawner.recovery.agent_rules import AgentRules
from aurora_spawner.recovery.backoff import retry_wait_s
from aurora_spawner.recovery.health import AgentHealth, health_of
from aurora_spawner.recovery.history import hedge_delay_s
from aurora_spawner.recovery.machine import RecoveryStateMachine
from aurora_spawner.recovery.metrics import RecoveryMetrics
from aurora_spawner.recovery.outbox import Outbox
from aurora_spawner.recovery.provider_patience import ProviderPatience
from aurora_spawner.recovery.run_breaker import RunBreaker
from aurora_spawner.recovery.states import RecoveryState
from aurora_spawner.recovery.timeouts import limits_of
from aurora_spawner.tasks.result import CHECK_FAILED, RESULT_REFUSED, TaskState
from aurora_spawner.tasks.run_events import TaskDeferred, TaskFellBack, TaskRestarted, TaskRetried

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aurora_spawner.attempts.executor import AttemptEnd
    from aurora_spawner.backends.base import Backend
    from aurora_spawner.rate_limits.provider_signal import ProviderSignal
    from aurora_spawner.recovery.actions import AfterAttempt, BeforeAttempt
    from aurora_spawner.recovery.breaker import CircuitBreaker
    from aurora_spawner.recovery.machine import RecoveryStateTransition, TaskRecoveryState
    from aurora_spawner.recovery.policy_parts import EarlyDetection
    from aurora_spawner.recovery.restore import RestoredRecovery
    from aurora_spawner.recovery.settings import RecoverySettings
    from aurora_spawner.recovery.timeouts import TimeLimits
    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.tasks.task import SpawnTask

DEFERRAL_LIMIT: Final = 500
"""Attempts at one task that may end in a rate limit before the next one counts: with pauses that grow, days."""
_OF_THE_WORK: Final = (CHECK_FAILED, RESULT_REFUSED)
"""Codes of failures that were found in what an agent did, after it had done its part."""
HELD_S: Final = 15.0
"""Seconds after which a task that alone waits for a paused provider asks again."""


class RunRecovery:
    """Knows each task's place in the recovery machine, and what the run's agents and providers bear."""

    def __init__(
        self,
        settings: RecoverySettings,
        *,
        run_id: str = "",
        backends: Mapping[str, Backend],
        agent_of: Callable[[SpawnTask], str],
        restored: RestoredRecovery,
        rules: AgentRules | None = None,
        classify: Callable[[AttemptEnd, SpawnResult], Classification] | None = None,
    ) -> None:
        """Makes the recovery of one execution.

        Args:
            rules: Of each agent; None if they follow from settings and backends.
            classify: Classifies a failed attempt; None for its evidence.
        """
        self._settings = settings
        self._policy = settings.policy
        self._first_agent = agent_of
        self._restored = restored
        self._clock = settings.clock
        self.outbox = Outbox()
        self.machine = RecoveryStateMachine(settings.policy, clock=settings.clock, on_transition=self._changed)
        self.machine.adhoc = settings.adhoc
        for breaker in restored.breakers:
            self.machine.restore_breaker(breaker)
        self._rules = rules or AgentRules(settings, backends=backends, histories=restored.histories)
        self.providers = ProviderPatience(
            settings, run_id=run_id, rules=self._rules, outbox=self.outbox, usable=self._usable
        )
        self._metrics = RecoveryMetrics()
        self._classifier = ErrorClassifier()
        self._classify = classify or self._by_evidence
        self._due: float | None = None
        """Earliest start of the retry that is being decided, Unix time."""
        self._batch = RunBreaker()
        self._closed = False

    def close(self) -> None:
        """Closes what is held open."""
        self._closed = True
        self.providers.close()

    # Before an attempt.

    def agent_of(self, task: SpawnTask) -> str:
        """Returns the agent that has a task now."""
        state = self.machine.get_task_state(str(task.id))
        return self._first_agent(task) if state is None else state.agent

    def admits(self, agent: str) -> bool:
        """Returns True if a task of the agent may take a slot; `before` then knows what becomes of it."""
        return self.providers.admits(agent)

    def held(self) -> dict[str, float]:
        """Returns the agents whose provider is paused, each with the seconds until it is asked again."""
        now = self._clock()
        return {agent: until - now for agent, until in self.providers.held.items()}

    def release(self, agent: str) -> None:
        """Forgets that an agent's provider was paused; the next task of the agent finds out if it still is."""
        self.providers.held.pop(agent, None)

    def before(self, task: SpawnTask) -> BeforeAttempt:
        """Decides what becomes of a task that has taken a slot."""
        state = self._state(task)
        unavailable = self.providers.unavailable
        if unavailable(state.agent) and not unavailable(state.agent, state.remaining):
            return Wait(after_s=HELD_S)  # its agent has a fallback that this task has used up
        blocked = self._blocked(state)
        if blocked is not None:
            return self._around(state, *blocked)
        _begin(state)
        return Start()

    def _blocked(self, state: TaskRecoveryState) -> tuple[str, Cause | None] | None:
        """Returns why the task's agent cannot be asked; takes the trial of a breaker that has one to give."""
        unavailable = self.providers.unavailable(state.agent, state.remaining)
        if unavailable is not None:
            stopped = self.providers.gate(state.agent).state is GateState.STOPPED
            return unavailable, Cause.AUTHENTICATION if stopped else Cause.RATE_LIMIT
        if state.state is RecoveryState.RETRY_PENDING:  # granted before; what opened the circuit may have been itself
            return None
        before = self.machine.breakers.get(state.agent)
        allowed = self.machine.check_circuit_breaker(state.agent)
        self._add_breaker(state.agent, before)
        if allowed:
            return None
        return f"agent {state.agent} is left alone after failures: its circuit is open", None

    def _around(self, state: TaskRecoveryState, error: str, cause: Cause | None) -> MoveTo | GiveUp:
        """Decides for a task whose agent cannot be asked."""
        why = None if cause is None else Classification(category=CATEGORY_OF[cause], cause=cause, evidence="none")
        if state.state is RecoveryState.INITIAL:
            state.circuit_open(error, why, usable=self._usable)
            if not state.fell_back:
                state.give_up(error, why)
        else:
            state.next_agent(error, why, usable=self._usable)
        policy = self._rules.policy(state.agent_id)
        if state.is_terminal:
            self.outbox.add_call(policy.on_recovery_failed, state.agent_id, error)
            return GiveUp(error=state.last_error or "it failed")
        self.outbox.add_call(policy.on_fallback, state.agent, error)
        return MoveTo(agent=state.agent)

    def _usable(self, agent: str) -> bool:
        """Returns True if an agent may be fallen back to, as far as can be seen without asking it."""
        if not self.providers.usable(agent):
            return False
        breaker = self.machine.breakers.get(agent)
        enabled = self._rules.policy(agent).circuit_breaker_enabled
        return breaker is None or not enabled or breaker.would_allow(self._clock())

    # While an attempt runs.

    def limits(self, task: SpawnTask, *, explicit_s: float | None, default_s: float | None) -> TimeLimits:
        """Returns the time limits of the next attempt.

        Args:
            explicit_s: The limit that the task or its agent asks for.
            default_s: The run's limit, if neither they nor the policy have one.
        """
        agent = self.agent_of(task)
        policy = self._rules.policy(agent).timeout
        asked = explicit_s if policy is not None else explicit_s or default_s
        return limits_of(policy, explicit_s=asked, durations_s=self._rules.history(agent).durations_s)

    def detection(self, task: SpawnTask) -> EarlyDetection:
        """Returns the rules by which the attempt under way counts as stalled."""
        return self._rules.policy(self.agent_of(task)).early_detection

    def hedge_after_s(self, task: SpawnTask) -> float | None:
        """Returns the age at which an attempt gets a second one beside it, in seconds; None for never."""
        agent = self.agent_of(task)
        return hedge_delay_s(self._rules.policy(agent), self._rules.history(agent), critical=task.critical)

    def hedge_agent(self, task: SpawnTask) -> str | None:
        """Returns the agent that makes the second attempt; None if there is none."""
        return next(filter(self._usable, self._state(task).remaining), None)

    def listener(self, agent: str) -> Callable[[ProviderSignal], bool] | None:
        """Returns the function for the reports on its provider of an attempt that starts now; None to ignore them.

        The function returns True if a report changes what may start.
        """
        began = self._clock()
        return lambda heard: self.providers.hear(agent, heard, began=began)

    # After an attempt.

    def after(
        self, task: SpawnTask, end: AttemptEnd, result: SpawnResult, *, cancelled: bool = False
    ) -> AfterAttempt:
        """Decides what follows an attempt.

        Args:
            cancelled: A user has asked for the task's end.
        """
        if result.success:
            self._succeeded(task, result)
            return actions.Final()
        if cancelled:
            self._cancelled(task, result)
            return actions.Final()
        return self._failed(self._state(task), end, result)

    def unavailable(self, agent: str) -> str | None:
        """Returns why an agent's provider is not waited for; None if it can be asked."""
        return self.providers.unavailable(agent)

    def after_review(self, agent: str, end: AttemptEnd, result: SpawnResult, *, failures: int) -> float | None:
        """Takes in the end of a reviewer, which is no attempt at the task.

        Args:
            failures: Those of the reviewer before this one.

        Returns:
            The seconds after which a reviewer that has failed may be asked again: None if that is of no use, 0 if its
            provider is to be waited for, which costs no retry.
        """
        if result.success:
            self.providers.succeeded(agent, result.windows)
            return 0.0
        why, error = self._classify(end, result), result.error or "it failed"
        if why.throttled:
            self.providers.pause(agent, why, began=end.started_at or self._clock(), reason=error)
            return 0.0  # its provider then holds it
        if why.stops_provider:
            self.providers.stop(agent, error)
            return None
        self.providers.unanswered(agent)
        policy = self._rules.policy(agent)
        if why.category is ErrorCategory.PERMANENT or failures >= policy.retries:
            return None
        return max(0.001, retry_wait_s(policy, failures + 1, chance=self._settings.chance()))

    def _succeeded(self, task: SpawnTask, result: SpawnResult) -> None:
        """The agent of the result did the task: the task's own, or that of its hedge."""
        worker = result.agent
        self._state(task).succeed(worker)
        before = self.machine.breakers.get(worker)
        self.machine.record_success(worker)
        self._add_breaker(worker, before)
        self.providers.succeeded(worker, result.windows)

    def _failed(self, state: TaskRecoveryState, end: AttemptEnd, result: SpawnResult) -> AfterAttempt:
        why = self._classify(end, result)
        error = result.error or "it failed"
        if result.reported is not None and result.reported.code in _OF_THE_WORK:
            self.providers.succeeded(state.agent, result.windows)  # the agent did its part and its provider answered
            return self._next(state, error, why)
        if why.throttled and state.deferrals < DEFERRAL_LIMIT:
            return self._throttled(state, end, why, error)
        if result.reported is not None and result.reported.code == SESSION_LOST:
            state.defer(why, error=error)
            restarted = TaskRestarted(task_id=state.task_id, reason="its session is gone; it starts over")
            return Retry(after_s=0.0, event=restarted)
        if why.stops_provider:
            error = self.providers.stop(state.agent, error)
        else:
            self.providers.unanswered(state.agent)
        self.providers.take_windows(state.agent, result.windows)
        self._count_failure(state.agent, why)
        return self._next(state, error, why)

    def _by_evidence(self, end: AttemptEnd, result: SpawnResult) -> Classification:
        return self._classifier.classify(
            FailureEvidence(
                reason=end.reason,
                exit_code=end.exit_code,
                exec_errno=end.exec_errno,
                reported=result.reported,
                stderr=end.stderr,
                exceeded=end.exceeded,
                windows=result.windows,
                at=end.ended_at or self._clock(),
            )
        )

    def _throttled(self, state: TaskRecoveryState, end: AttemptEnd, why: Classification, error: str) -> Retry:
        self.providers.pause(state.agent, why, began=end.started_at or self._clock(), reason=error)
        self._count_failure(state.agent, why)
        state.defer(why, error=error)
        return Retry(after_s=0.0, event=TaskDeferred(task_id=state.task_id))

    def _count_failure(self, agent: str, why: Classification) -> None:
        before = self.machine.breakers.get(agent)
        self.machine.record_failure(agent, why)
        self._add_breaker(agent, before)

    def _next(self, state: TaskRecoveryState, error: str, why: Classification) -> AfterAttempt:
        """Decides by the policy, once the failure was counted."""
        policy, agent = state.policy, state.agent
        wait_s = retry_wait_s(policy, state.retries + 1, chance=self._settings.chance())
        self._due = self._clock() + wait_s
        after = state.fail(error, why, usable=self._usable)
        if after is RecoveryState.RETRY_PENDING:
            self.outbox.add_call(policy.on_retry, agent, state.retries + 1, error)
            retried = TaskRetried(
                task_id=state.task_id, retry=state.retries + 1, retries=policy.retries, wait_s=wait_s, error=error
            )
            return Retry(after_s=wait_s, event=retried)
        if after is RecoveryState.FALLBACK_PENDING:
            self.outbox.add_call(policy.on_fallback, agent, error)
            fell_back = TaskFellBack(task_id=state.task_id, from_agent=agent, to_agent=state.agent, error=error)
            return Fallback(agent=state.agent, event=fell_back)
        self.outbox.add_call(policy.on_recovery_failed, agent, error)
        return actions.Final(error=error)

    def settled(self, task: SpawnTask, result: SpawnResult) -> SpawnResult:
        """Takes in the final result of a task; returns it with what recovery knows of it."""
        if result.state is TaskState.CANCELLED:
            self._cancelled(task, result)
        elif task.candidate_of is None:
            self._batch = self._batch.counting(result)
        state = self.machine.get_task_state(str(task.id))
        if state is None:
            return result
        fell_back = result.agent != state.agent_id
        return replace(
            result,
            fallback=fell_back,
            original_agent=state.agent_id if fell_back else None,
            retry_count=state.retries,
            termination_reason=state.provider_reason or result.termination_reason,
        )

    def cut_off(self, task: SpawnTask) -> None:
        """Takes in that the attempt under way was ended by the end of the run, or never began: it cost nothing."""
        state = self.machine.get_task_state(str(task.id))
        if state is None or not state.state.attempting:
            return
        state.defer()
        self.providers.unanswered(state.agent)  # it may have been the probe
        before = self.machine.breakers.get(state.agent)
        if before is not None:
            self.machine.breakers[state.agent] = before.trial_ended()
            self._add_breaker(state.agent, before)

    def _cancelled(self, task: SpawnTask, result: SpawnResult) -> None:
        state = self.machine.get_task_state(str(task.id))
        if state is not None and not state.is_terminal:
            state.give_up(result.error or "cancelled")

    # The breaker of the whole run.

    def batch_trip(self) -> BatchTrip | None:
        """Decides about the rest of the run; None if too little has failed to hold it."""
        if not self._batch.tripped(self._policy):
            return None
        return BatchTrip(
            reason=self._batch.describe(self._policy),
            action=self._policy.on_batch_failure,
            question=self._settings.on_batch_held,
        )

    def forgive_batch(self) -> None:
        """Counts the run's failures from zero."""
        self._batch = RunBreaker()

    # Its beginning, and its account.

    def resume(self, tasks: Iterable[SpawnTask], *, attempted: set[str]) -> dict[str, float]:
        """Puts every unfinished task back where the journal has it.

        Args:
            attempted: Tasks with an attempt that may still run.

        Returns:
            Tasks that have to wait for their retry, each with the seconds that are left.
        """
        self.providers.restart()
        waits = {}
        for task in tasks:
            changes = self._restored.changes.get(str(task.id), ())
            if not changes and task.id not in attempted:
                continue
            state = self._state(task).replay(changes)
            self.providers.asked.add(state.agent)
            for change in changes:
                self._metrics.record(change)
            if state.state.attempting and task.id not in attempted:
                state.defer(error="its coordinator ended")
            elif task.id in attempted and not state.state.attempting:  # begun by a coordinator without recovery
                _begin(state)
            elif state.state is RecoveryState.RETRY_PENDING and (due := self._restored.due.get(str(task.id))):
                waits[str(task.id)] = max(0.0, due - self._clock())
        return waits

    def health(self) -> list[AgentHealth]:
        """Returns the health of every agent that the run's tasks are for."""
        return [
            health_of(
                agent,
                self._clock(),
                breaker=self.machine.breakers.get(agent),
                gate=self.providers.gate(agent),
                history=self._rules.history(agent),
            )
            for agent in self._rules.agents
            if agent in self.providers.asked
        ]

    def status(self, waiting_for: Mapping[str, str]) -> dict[str, Any]:
        """Returns as JSON values: providers that are waited for, the health of agents, and what the caller adds.

        Args:
            waiting_for: By task, what a quiet attempt waits for.
        """
        if self._closed:
            return {}
        return {
            "providers": self.providers.waiting(),
            "waiting_for": dict(waiting_for),
            "health": [each.to_dict() for each in self.health()],
        }

    @property
    def metrics(self) -> dict[str, Any] | None:
        """The counts of the run's recovery as JSON values; None if the policy does not track them."""
        return self._metrics.to_dict() if self._policy.track_metrics else None

    @property
    def trouble(self) -> str | None:
        """The reason why provider limits could not be kept for other runs; None if they could."""
        return self.providers.store.trouble

    def _state(self, task: SpawnTask) -> TaskRecoveryState:
        task_id = str(task.id)
        state = self.machine.get_task_state(task_id)
        if state is None:
            agent = self._first_agent(task)
            state = self.machine.create_task_state(task_id, agent, fallbacks=self._rules.chain(agent))
            state.policy = self._rules.policy(agent)
        return state

    def _changed(self, change: RecoveryStateTransition) -> None:
        """Notes a change of a task's state in the outbox."""
        fact = RecoveryTransitioned(
            change=change.to_dict(),
            due=self._due if change.to_state is RecoveryState.RETRY_PENDING else None,
            waits=not change.to_state.attempting and not change.to_state.terminal,
        )
        self._due = None
        self.outbox.add_fact(change.task_id, fact)
        if self._policy.track_metrics:
            self._metrics.record(change)
        watcher = self._settings.on_state_change
        self.outbox.add_call(watcher, change.task_id, change.agent, change.from_state, change.to_state)

    def _add_breaker(self, agent: str, before: CircuitBreaker | None) -> None:
        """Notes a breaker in the outbox if it has changed."""
        after = self.machine.breakers.get(agent)
        if after is not None and after != before:
            self.outbox.add_fact(None, BreakerMoved(agent=agent, breaker=after.to_dict()))


def _begin(state: TaskRecoveryState) -> None:
    """Starts an attempt, whatever the task has waited for."""
    begin = {
        RecoveryState.INITIAL: state.start,
        RecoveryState.RETRY_PENDING: state.start_retry,
        RecoveryState.FALLBACK_PENDING: state.start_fallback,
        RecoveryState.CIRCUIT_OPEN: state.start_fallback,
    }
    begin[state.state]()
