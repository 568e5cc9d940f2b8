"""The recovery of one run: asked by its coordinator before each attempt and after it.

It decides and remembers; what has to be journalled it hands over as facts, which the coordinator writes together with
its own, so that no attempt and its change of state can be torn apart.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final

from aurora_spawner.backends.sessions import SESSION_LOST
from aurora_spawner.classification.causes import CATEGORY_OF, THROTTLING, Cause
from aurora_spawner.classification.classifier import Classification, ErrorClassifier, FailureEvidence
from aurora_spawner.journal.facts import BreakerMoved, Fact, ProviderMoved, RecoveryTransitioned
from aurora_spawner.providers.gate import GateState
from aurora_spawner.providers.gate_store import ProviderStore
from aurora_spawner.providers.pause_notices import PauseWatch
from aurora_spawner.recovery.backoff import retry_wait_s
from aurora_spawner.recovery.fallbacks import fallback_chain, provider_of
from aurora_spawner.recovery.health import AgentHealth, health_of
from aurora_spawner.recovery.history import AgentHistory, adapted, hedge_delay_s
from aurora_spawner.recovery.machine import RecoveryStateMachine
from aurora_spawner.recovery.metrics import RecoveryMetrics
from aurora_spawner.recovery.run_breaker import Batch
from aurora_spawner.recovery.states import RecoveryState
from aurora_spawner.recovery.timeouts import TimeLimits, limits_of
from aurora_spawner.tasks.result import PROVIDER_LIMITED, PROVIDER_STOPPED
from aurora_spawner.tasks.run_events import TaskDeferred, TaskFellBack, TaskRestarted, TaskRetried

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aurora_spawner.attempts.executor import AttemptEnd
    from aurora_spawner.backends.base import Backend
    from aurora_spawner.providers.gate import ProviderGate
    from aurora_spawner.providers.pause_notices import PauseEvent
    from aurora_spawner.providers.signal import ProviderSignal
    from aurora_spawner.recovery.breaker import CircuitBreaker
    from aurora_spawner.recovery.machine import RecoveryStateTransition, TaskRecoveryState
    from aurora_spawner.recovery.policy import EarlyDetection, RecoveryPolicy
    from aurora_spawner.recovery.restore import RecoveryStanding
    from aurora_spawner.recovery.settings import RecoverySettings
    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.tasks.task import SpawnTask
    from aurora_spawner.tasks.usage_windows import UsageWindow

DEFERRAL_LIMIT: Final = 500
"""Attempts at one task that may end in a rate limit before the next one counts: with pauses that grow, days."""

Told = tuple["Callable[..., object]", tuple[object, ...]]
"""A callback of the policy and what it is given."""


class Entry(Enum):
    """What becomes of a task that has just taken a slot."""

    GO = "go"
    MOVED = "moved"
    """It is another agent's now, and has to be queued again."""
    FAILED = "failed"
    HELD = "held"
    """Its provider is paused, and nobody else can take the task: it waits without a slot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Patience:
    """How long an agent's provider is waited for, as it stands now."""

    limit_s: float | None
    """None without end."""
    limit: str = "max_provider_wait"
    """What sets the limit."""
    fallback: str = ""
    """Who takes over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """What follows an attempt that failed."""

    again_after_s: float | None
    """Wait before the task may start again, without a slot; None where it has failed for good."""
    event: TaskRetried | TaskRestarted | TaskFellBack | TaskDeferred | None = None
    """Told to the watcher; None where the task has failed for good."""
    error: str | None = None
    """What the task is told, where that is more than its own error."""


class RunRecovery:
    """Knows where every task of a run stands in the recovery machine, and what its agents and providers bear."""

    def __init__(
        self,
        settings: RecoverySettings,
        *,
        run_id: str = "",
        backends: Mapping[str, Backend],
        agent_of: Callable[[SpawnTask], str],
        standing: RecoveryStanding,
    ) -> None:
        self.settings = settings
        self.policy = settings.policy
        self._backends = backends
        self._first_agent = agent_of
        self._standing = standing
        self._clock = settings.clock
        self.machine = RecoveryStateMachine(settings.policy, clock=settings.clock, on_transition=self._changed)
        self.machine.adhoc = settings.adhoc
        for breaker in standing.breakers:
            self.machine.restore_breaker(breaker)
        self.store = ProviderStore(
            settings.state_dir, tolerant=True, holder=run_id, clock=settings.clock, chance=settings.chance
        )
        self.metrics = RecoveryMetrics()
        self.batch = Batch()
        self._classifier = ErrorClassifier()
        self._policies: dict[str, RecoveryPolicy] = {}
        self._chains: dict[str, tuple[str, ...]] = {}
        self._providers: dict[str, str] = {}
        self._facts: dict[str | None, list[Fact]] = defaultdict(list)
        self._due: dict[str, float] = {}
        self._hedges: dict[str, str] = {}
        """Tasks that a hedge has done, with its agent."""
        self.told: list[Told] = []
        """Callbacks that are to be called."""
        self.held: dict[str, float] = {}
        """Agents whose provider is paused: when to ask again, Unix time."""
        self._asked: set[str] = set()
        """Agents that this run's tasks have been for."""
        self._pauses = PauseWatch()
        self.notices: list[PauseEvent] = []
        """About providers, that are to be told."""

    def close(self) -> None:
        """Gives back what is held open."""
        self.store.close()

    # Before an attempt.

    def agent_of(self, task: SpawnTask) -> str:
        """Who has a task now."""
        state = self.machine.get_task_state(str(task.id))
        if state is None:
            return self._first_agent(task)
        return self._hedges.get(state.task_id, state.agent)

    def hedge_won(self, task: SpawnTask, agent: str) -> None:
        """The second attempt did the task; `succeeded` follows."""
        self._hedges[str(task.id)] = agent

    def admits(self, agent: str) -> bool:
        """Whether the agent's provider lets an attempt start now, or is not to be waited for: `enter` knows which."""
        self._asked.add(agent)
        provider = self._provider(agent)
        answer = self.store.ask(provider)
        if answer.wait_until is not None or provider in self._pauses:
            self._look(agent)
        if answer.wait_until is None or self._unavailable(agent):
            self.held.pop(agent, None)
            return True
        self.held[agent] = answer.wait_until
        return False

    def enter(self, task: SpawnTask) -> Entry:
        """A task has taken a slot: begin an attempt, or hand the task to somebody else."""
        state = self._state(task)
        if self._unavailable(state.agent) and not self._unavailable(state.agent, state.remaining):
            return Entry.HELD  # its agent has a fallback that this task has used up
        blocked = self._blocked(state)
        if blocked is not None:
            return self._around(state, *blocked)
        _begin(state)
        return Entry.GO

    def _blocked(self, state: TaskRecoveryState) -> tuple[str, Cause | None] | None:
        """Why the task's agent cannot be asked; takes the trial of a breaker that has one to give."""
        unavailable = self._unavailable(state.agent, state.remaining)
        if unavailable is not None:
            stopped = self.store.gate(self._provider(state.agent)).state is GateState.STOPPED
            return unavailable, Cause.AUTHENTICATION if stopped else Cause.RATE_LIMIT
        if state.state is RecoveryState.RETRY_PENDING:  # granted before; what opened the circuit may have been itself
            return None
        before = self.machine.breakers.get(state.agent)
        allowed = self.machine.check_circuit_breaker(state.agent)
        self._note_breaker(state.agent, before)
        if allowed:
            return None
        return f"agent {state.agent} is left alone after failures: its circuit is open", None

    def _unavailable(self, agent: str, remaining: tuple[str, ...] | None = None) -> str | None:
        """Why the agent's provider is not to be waited for: it is stopped, or asks for more patience than allowed.

        Args:
            remaining: Who may take over; None for the agent's own chain.
        """
        gate, now = self.store.gate(self._provider(agent)), self._clock()
        if gate.state is GateState.STOPPED:
            return gate.reason
        patience = self._patience(agent, remaining)
        if patience.limit_s is None or not gate.asks_too_much(now, patience.limit_s):
            return None
        return gate.out_of_patience(patience.limit_s, patience.limit)

    def _patience(self, agent: str, remaining: tuple[str, ...] | None = None) -> _Patience:
        """How long the agent's provider is waited for: shorter where somebody else stands ready meanwhile."""
        policy, gate = self._policy(agent), self.store.gate(self._provider(agent))
        usual = _Patience(limit_s=policy.max_provider_wait)
        if gate.window:
            usual = _Patience(limit_s=policy.max_window_wait, limit="max_window_wait")
        if policy.fallback_after is None or not (gate.window or gate.overloaded):
            return usual
        ready = next(filter(self._ready, self._chain(agent) if remaining is None else remaining), "")
        if not ready or (usual.limit_s is not None and usual.limit_s <= policy.fallback_after):
            return usual
        return _Patience(limit_s=policy.fallback_after, limit="fallback_after", fallback=ready)

    def _ready(self, agent: str) -> bool:
        """Whether an agent can take a task over at once."""
        return self._usable(agent) and not self.store.gate(self._provider(agent)).pauses(self._clock())

    def _around(self, state: TaskRecoveryState, error: str, cause: Cause | None) -> Entry:
        why = None if cause is None else Classification(category=CATEGORY_OF[cause], cause=cause, evidence="none")
        if state.state is RecoveryState.INITIAL:
            state.circuit_open(error, why, usable=self._usable)
            if not state.fell_back:
                state.give_up(error, why)
        else:
            state.next_agent(error, why, usable=self._usable)
        if state.is_terminal:
            self._tell(self._policy(state.agent_id).on_recovery_failed, state.agent_id, error)
            return Entry.FAILED
        self._tell(self._policy(state.agent_id).on_fallback, state.agent, error)
        return Entry.MOVED

    def _usable(self, agent: str) -> bool:
        """Whether an agent may be fallen back to, as far as can be seen without asking it."""
        gate, now = self.store.gate(self._provider(agent)), self._clock()
        closed = gate.state is GateState.STOPPED or (bool(gate.window) and gate.pauses(now))
        if closed or gate.asks_too_much(now, self._policy(agent).max_provider_wait):
            return False
        breaker = self.machine.breakers.get(agent)
        enabled = self._policy(agent).circuit_breaker_enabled
        return breaker is None or not enabled or breaker.would_allow(self._clock())

    def limits(self, task: SpawnTask, *, explicit_s: float | None, default_s: float | None) -> TimeLimits:
        """The time limits of the attempt that begins.

        Args:
            explicit_s: What the task or its agent asks for.
            default_s: The run's limit, where neither they nor the policy have one.
        """
        agent = self.agent_of(task)
        policy = self._policy(agent).timeout
        asked = explicit_s if policy is not None else explicit_s or default_s
        return limits_of(policy, explicit_s=asked, durations_s=self._history(agent).durations_s)

    def detection(self, task: SpawnTask) -> EarlyDetection:
        """How the attempt that begins is watched."""
        return self._policy(self.agent_of(task)).early_detection

    def hedge_after_s(self, task: SpawnTask) -> float | None:
        """When a second attempt begins beside the one that has begun; None for never."""
        agent = self.agent_of(task)
        return hedge_delay_s(self._policy(agent), self._history(agent), critical=task.critical)

    def hedge_agent(self, task: SpawnTask) -> str | None:
        """Who makes the second attempt."""
        state = self._state(task)
        return next(filter(self._usable, state.remaining), None)

    # After an attempt.

    def succeeded(self, task: SpawnTask, result: SpawnResult | None = None) -> None:
        """The attempt under way did its task, or the hedge beside it.

        Args:
            result: What came of it.
        """
        state = self._state(task)
        worker = self._hedges.pop(state.task_id, state.agent)
        state.succeed(worker)
        before = self.machine.breakers.get(worker)
        self.machine.record_success(worker)
        self._note_breaker(worker, before)
        self._gate_moved(worker, self.store.succeeded)
        self._take_windows(worker, result.windows if result else ())
        if self.store.gate(self._provider(worker)).window or self._provider(worker) in self._pauses:
            self._look(worker)
        self.batch = self.batch.settled(success=True)

    def failed(self, task: SpawnTask, end: AttemptEnd, result: SpawnResult) -> Next:
        """The attempt under way failed; what follows."""
        state = self._state(task)
        why = self._classify(end, result)
        error = result.error or "it failed"
        if why.throttled and state.deferrals < DEFERRAL_LIMIT:
            return self._throttled(state, end, why, error)
        if result.reported is not None and result.reported.code == SESSION_LOST:
            state.defer(why, error=error)
            restarted = TaskRestarted(task_id=state.task_id, reason="its session is gone; it begins anew")
            return Next(again_after_s=0.0, event=restarted)
        if why.stops_provider:
            error = self._refused(state.agent, error)
        else:
            self._gate_moved(state.agent, self.store.unanswered)
        self._take_windows(state.agent, result.windows)
        before = self.machine.breakers.get(state.agent)
        self.machine.record_failure(state.agent, why)
        self._note_breaker(state.agent, before)
        return replace(self._after(state, error, why), error=error)

    def _classify(self, end: AttemptEnd, result: SpawnResult) -> Classification:
        return self._classifier.classify(
            FailureEvidence(
                reason=end.reason,
                exit_code=end.exit_code,
                exec_errno=end.exec_errno,
                reported=result.reported,
                stderr=end.stderr,
                windows=result.windows,
                at=end.ended_at or self._clock(),
            )
        )

    def _throttled(self, state: TaskRecoveryState, end: AttemptEnd, why: Classification, error: str) -> Next:
        self._pause(state.agent, why, began=end.started_at or self._clock(), reason=_one_line(error))
        breaker = self.machine.breakers.get(state.agent)
        self.machine.record_failure(state.agent, why)
        self._note_breaker(state.agent, breaker)
        state.defer(why, error=error)
        return Next(again_after_s=0.0, event=TaskDeferred(task_id=state.task_id))

    def _pause(self, agent: str, why: Classification, *, began: float, reason: str) -> None:
        """The agent's provider is paused, for everybody."""
        provider = self._provider(agent)
        before = self.store.gate(provider)
        gate = self.store.limited(
            provider,
            began=began,
            retry_after_s=why.retry_after_s,
            reason=reason,
            trouble=_trouble(why),
            overloaded=why.cause is Cause.OVERLOADED,
            window=why.window,
        )
        self._note_gate(before, gate)
        self._look(agent)

    # While an attempt runs.

    def hear(self, agent: str, heard: ProviderSignal, *, began: float) -> bool:
        """Takes in what a running attempt tells of its provider; returns True if that changes what may start.

        Args:
            began: When the attempt started, Unix time.
        """
        provider = self._provider(agent)
        before = self.store.gate(provider)
        if heard.refused is not None:
            why = self._classifier.classify(FailureEvidence(reported=heard.refused, at=self._clock()))
            if why.throttled:
                self._pause(agent, why, began=began, reason=_one_line(heard.refused.text))
        elif heard.answered:
            self._gate_moved(agent, self.store.answered)
        self._take_windows(agent, heard.windows)
        if self.store.gate(provider) == before:
            return False
        self._look(agent)
        return True

    def _take_windows(self, agent: str, windows: tuple[UsageWindow, ...]) -> None:
        """Nearly full windows of an account let nothing more start."""
        if windows:
            provider = self._provider(agent)
            before = self.store.gate(provider)
            threshold = self._policy(agent).usage_threshold
            self._note_gate(before, self.store.told(provider, windows, threshold=threshold))

    def _refused(self, agent: str, error: str) -> str:
        """Stops the provider; returns what every task of it is told."""
        provider = self._provider(agent)
        message = f"provider {provider} refuses: {_one_line(error)}; sign in or set its key, then resume the run"
        before = self.store.gate(provider)
        self._note_gate(before, self.store.refused(provider, reason=message))
        return message

    def _after(self, state: TaskRecoveryState, error: str, why: Classification) -> Next:
        policy = state.policy
        wait_s = retry_wait_s(policy, state.retries + 1, chance=self.settings.chance())
        self._due[state.task_id] = self._clock() + wait_s
        agent = state.agent
        after = state.fail(error, why, usable=self._usable)
        self._due.pop(state.task_id, None)
        if after is RecoveryState.RETRY_PENDING:
            self._tell(policy.on_retry, agent, state.retries + 1, error)
            retried = TaskRetried(
                task_id=state.task_id, retry=state.retries + 1, retries=policy.retries, wait_s=wait_s, error=error
            )
            return Next(again_after_s=wait_s, event=retried)
        if after is RecoveryState.FALLBACK_PENDING:
            self._tell(policy.on_fallback, agent, error)
            fell_back = TaskFellBack(task_id=state.task_id, from_agent=agent, to_agent=state.agent, error=error)
            return Next(again_after_s=0.0, event=fell_back)
        self._tell(policy.on_recovery_failed, agent, error)
        return Next(again_after_s=None)

    def settled_as_failed(self) -> None:
        """A task has failed for good."""
        self.batch = self.batch.settled(success=False)

    def cut_off(self, task: SpawnTask) -> None:
        """The attempt under way was ended by the end of the run, or never began: it cost nothing."""
        state = self.machine.get_task_state(str(task.id))
        if state is None or not state.state.attempting:
            return
        state.defer()
        self._gate_moved(state.agent, self.store.unanswered)  # it may have been the probe
        before = self.machine.breakers.get(state.agent)
        if before is not None:
            self.machine.breakers[state.agent] = before.trial_ended()
            self._note_breaker(state.agent, before)

    def cancelled(self, task: SpawnTask, error: str) -> None:
        """The user ended the task."""
        state = self.machine.get_task_state(str(task.id))
        if state is not None and not state.is_terminal:
            state.give_up(error)

    def described(self, task: SpawnTask, result: SpawnResult) -> SpawnResult:
        """The result with what recovery knows of it."""
        state = self.machine.get_task_state(str(task.id))
        if state is None:
            return result
        fell_back = result.agent != state.agent_id
        return replace(
            result,
            fallback=fell_back,
            original_agent=state.agent_id if fell_back else None,
            retry_count=state.retries,
            termination_reason=_provider_reason(state) or result.termination_reason,
        )

    # What it knows.

    def take_facts(self, task_id: str | None) -> list[Fact]:
        """What has to be journalled about a task, or (None) about agents and providers; handed out once."""
        return self._facts.pop(task_id, [])

    def resume(self, tasks: Iterable[SpawnTask], *, attempted: set[str]) -> dict[str, float]:
        """Puts every unfinished task back where the journal has it.

        Args:
            attempted: Tasks with an attempt that may still run.

        Returns:
            Tasks that have to wait for their retry, with when (Unix time).
        """
        for provider in {self._provider(agent) for agent in self._backends}:
            self.store.asked_anew(provider)
            self.store.unanswered(provider)  # a probe that its coordinator did not live to make
        waits = {}
        for task in tasks:
            changes = self._standing.changes.get(str(task.id), ())
            if not changes and task.id not in attempted:
                continue
            state = self._state(task).replay(changes)
            self._asked.add(state.agent)
            for change in changes:
                self.metrics.record(change)
            if state.state.attempting and task.id not in attempted:
                state.defer(error="its coordinator ended")
            elif task.id in attempted and not state.state.attempting:  # begun by a coordinator without recovery
                _begin(state)
            elif state.state is RecoveryState.RETRY_PENDING and self._standing.due.get(str(task.id)):
                waits[str(task.id)] = self._standing.due[str(task.id)]
        return waits

    def health(self) -> list[AgentHealth]:
        """How every agent that the run's tasks are for is doing."""
        return [
            health_of(
                agent,
                self._clock(),
                breaker=self.machine.breakers.get(agent),
                gate=self.store.gate(self._provider(agent)),
                history=self._history(agent),
            )
            for agent in self._backends
            if agent in self._asked
        ]

    def waiting(self) -> list[dict[str, object]]:
        """Providers that make agents of this run wait, as JSON values; a pause that is over is none."""
        asked, now = {self._provider(agent) for agent in self._asked}, self._clock()
        return [
            {
                "provider": gate.provider,
                "state": str(gate.state),
                "until": gate.until or None,
                "reason": gate.reason,
                "window": gate.window,
            }
            for gate in self.store.gates()
            if gate.provider in asked and (gate.state is not GateState.PAUSED or gate.pauses(now))
        ]

    def _state(self, task: SpawnTask) -> TaskRecoveryState:
        task_id = str(task.id)
        state = self.machine.get_task_state(task_id)
        if state is None:
            agent = self._first_agent(task)
            state = self.machine.create_task_state(task_id, agent, fallbacks=self._chain(agent))
            state.policy = self._policy(agent)
        return state

    def _policy(self, agent: str) -> RecoveryPolicy:
        if agent not in self._policies:
            self._policies[agent] = adapted(self.policy.get_for_agent(agent), self._history(agent))
        return self._policies[agent]

    def _history(self, agent: str) -> AgentHistory:
        return self._standing.histories.get(agent) or AgentHistory(agent=agent)

    def _chain(self, agent: str) -> tuple[str, ...]:
        if agent not in self._chains:
            self._chains[agent] = fallback_chain(
                agent,
                self._policy(agent),
                backends=self._backends,
                configured=self.settings.fallbacks.get(agent, ()),
            )
        return self._chains[agent]

    def _provider(self, agent: str) -> str:
        if agent not in self._providers:
            self._providers[agent] = provider_of(self._backends[agent])
        return self._providers[agent]

    # What it tells.

    def _changed(self, change: RecoveryStateTransition) -> None:
        waits = not change.to_state.attempting and not change.to_state.terminal
        self._facts[change.task_id].append(
            RecoveryTransitioned(
                change=change.to_dict(),
                due=self._due.get(change.task_id) if change.to_state is RecoveryState.RETRY_PENDING else None,
                waits=waits,
            )
        )
        if self.policy.track_metrics:
            self.metrics.record(change)
        if self.settings.on_state_change is not None:
            watcher = self.settings.on_state_change
            told = (change.task_id, change.agent, change.from_state, change.to_state)
            self.told.append((watcher, told))

    def _tell(self, callback: Callable[..., object] | None, *given: object) -> None:
        if callback is not None:
            self.told.append((callback, given))

    def _note_breaker(self, agent: str, before: CircuitBreaker | None) -> None:
        after = self.machine.breakers.get(agent)
        if after is not None and after != before:
            self._facts[None].append(BreakerMoved(agent=agent, breaker=after.to_dict()))

    def _gate_moved(self, agent: str, move: Callable[[str], ProviderGate]) -> None:
        provider = self._provider(agent)
        before = self.store.gate(provider)
        self._note_gate(before, move(provider))

    def _look(self, agent: str) -> None:
        """Notes what people have not been told of the agent's provider."""
        gate, patience = self.store.gate(self._provider(agent)), self._patience(agent)
        notice = self._pauses.look(
            gate, self._clock(), patience.limit_s, limit=patience.limit, fallback=patience.fallback
        )
        if notice is not None:
            self.notices.append(notice)

    def _note_gate(self, before: ProviderGate, after: ProviderGate) -> None:
        if (before.state, before.since, before.window) != (after.state, after.since, after.window):
            self._facts[None].append(ProviderMoved(provider=after.provider, gate=after.to_dict()))


def _begin(state: TaskRecoveryState) -> None:
    """An attempt begins, whatever it is that the task waited for."""
    begin = {
        RecoveryState.INITIAL: state.start,
        RecoveryState.RETRY_PENDING: state.start_retry,
        RecoveryState.FALLBACK_PENDING: state.start_fallback,
        RecoveryState.CIRCUIT_OPEN: state.start_fallback,
    }
    begin[state.state]()


def _provider_reason(state: TaskRecoveryState) -> str | None:
    """Why a task has failed, where only its providers kept it from being done."""
    causes = state.left_for
    if state.state is not RecoveryState.FAILED or not causes:
        return None
    if causes <= {Cause.AUTHENTICATION}:
        return PROVIDER_STOPPED
    return PROVIDER_LIMITED if causes <= {Cause.AUTHENTICATION, *THROTTLING} else None


def _trouble(why: Classification) -> str:
    """What a provider does that is to be waited for, for people."""
    kind = "overloaded" if why.cause is Cause.OVERLOADED else "rate-limiting"
    return f"{kind} ({why.status})" if why.status else kind


def _one_line(error: str) -> str:
    return " ".join(error.split())[:300]
