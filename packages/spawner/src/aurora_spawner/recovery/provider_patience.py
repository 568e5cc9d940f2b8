"""The patience of a run with the providers of its agents, and its reports on their limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aurora_spawner.classification.causes import Cause
from aurora_spawner.classification.classifier import ErrorClassifier, FailureEvidence
from aurora_spawner.journal.facts import ProviderMoved
from aurora_spawner.rate_limits.gate import GateState
from aurora_spawner.rate_limits.gate_store import ProviderStore
from aurora_spawner.rate_limits.pause_notices import PauseNotifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_spawner.classification.classifier import Classification
    from aurora_spawner.rate_limits.gate import ProviderGate
    from aurora_spawner.rate_limits.provider_signal import ProviderSignal
    from aurora_spawner.recovery.agent_rules import AgentRules
    from aurora_spawner.recovery.outbox import Outbox
    from aurora_spawner.recovery.settings import RecoverySettings
    from aurora_spawner.tasks.usage_windows import UsageWindow


_GateKey = tuple[GateState, float, str]
"""The part of a gate that tells one state from the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Patience:
    """The present limit on waiting for an agent's provider."""

    limit_s: float | None
    """None without end."""
    limit: str = "max_provider_wait"
    """The name of the limit in the policy."""
    fallback: str = ""
    """The agent that takes over."""


class ProviderPatience:
    """Asks and moves the gates of a run's providers.

    Args:
        usable: Returns True if an agent may be fallen back to, for its provider and its circuit breaker.
    """

    def __init__(
        self,
        settings: RecoverySettings,
        *,
        run_id: str,
        rules: AgentRules,
        outbox: Outbox,
        usable: Callable[[str], bool],
    ) -> None:
        self.store = (
            settings.gates(run_id)
            if settings.gates
            else ProviderStore(
                settings.state_dir, tolerant=True, holder=run_id, clock=settings.clock, chance=settings.chance
            )
        )
        self.asked: set[str] = set()
        """Agents that this run's tasks have been for."""
        self.held: dict[str, float] = {}
        """Agents whose provider is paused: when to ask again, Unix time."""
        self._rules = rules
        self._outbox = outbox
        self._usable = usable
        self._clock = settings.clock
        self._classifier = ErrorClassifier()
        self._pauses = PauseNotifier()
        self._noted: dict[str, _GateKey] = {}
        """The gates as this run has journalled them last, by provider; other runs move them, too."""

    def close(self) -> None:
        """Closes the store."""
        self.store.close()

    def gate(self, agent: str) -> ProviderGate:
        """Returns the gate of an agent's provider."""
        return self.store.gate(self._rules.provider(agent))

    def restart(self) -> None:
        """Asks every provider anew, and takes back probes that an earlier coordinator of the run did not make."""
        for provider in {self._rules.provider(agent) for agent in self._rules.agents}:
            self.store.allow_probe(provider)
            gate = self.store.unanswered(provider)
            if gate.state is not GateState.OPEN:  # a coordinator that was killed may not have written what it moved
                self._note(gate)

    # Before an attempt.

    def admits(self, agent: str) -> bool:
        """Returns True if an attempt may start now, or if the provider is not waited for any longer."""
        self.asked.add(agent)
        provider = self._rules.provider(agent)
        answer = self.store.ask(provider)
        if answer.wait_until is not None or provider in self._pauses:
            self._notice(agent)
        if answer.wait_until is None or self.unavailable(agent):
            self.held.pop(agent, None)
            return True
        if (gate := self.gate(agent)).state is not GateState.OPEN:
            self._note(gate)
        self.held[agent] = answer.wait_until
        return False

    def unavailable(self, agent: str, remaining: tuple[str, ...] | None = None) -> str | None:
        """Returns why the agent's provider is not waited for: it is stopped, or asks for a longer wait than allowed.

        Args:
            remaining: The agents that may take over; None for the agent's own chain.
        """
        gate, now = self.gate(agent), self._clock()
        if gate.state is GateState.STOPPED:
            self._note(gate)
            return gate.reason
        patience = self._patience(agent, remaining)
        if patience.limit_s is None or not gate.exceeds_max_wait(now, patience.limit_s):
            return None
        self._note(gate)
        return gate.wait_limit_message(patience.limit_s, patience.limit)

    def usable(self, agent: str) -> bool:
        """Returns True if the agent's provider lets it be fallen back to, as far as can be seen without asking."""
        gate, now = self.gate(agent), self._clock()
        closed = gate.state is GateState.STOPPED or (bool(gate.window) and gate.pauses(now))
        if not closed and not gate.exceeds_max_wait(now, self._rules.policy(agent).max_provider_wait):
            return True
        self._note(gate)
        return False

    def _patience(self, agent: str, remaining: tuple[str, ...] | None = None) -> _Patience:
        """Returns how long the agent's provider is waited for: a shorter time if another agent is ready meanwhile."""
        policy, gate = self._rules.policy(agent), self.gate(agent)
        usual = _Patience(limit_s=policy.max_provider_wait)
        if gate.window:
            usual = _Patience(limit_s=policy.max_window_wait, limit="max_window_wait")
        if policy.fallback_after is None or not (gate.window or gate.overloaded):
            return usual
        ready = next(filter(self._ready, self._rules.chain(agent) if remaining is None else remaining), "")
        if not ready or (usual.limit_s is not None and usual.limit_s <= policy.fallback_after):
            return usual
        return _Patience(limit_s=policy.fallback_after, limit="fallback_after", fallback=ready)

    def _ready(self, agent: str) -> bool:
        """Returns True if an agent can take a task over at once."""
        return self._usable(agent) and not self.gate(agent).pauses(self._clock())

    # While an attempt runs, and after it.

    def hear(self, agent: str, heard: ProviderSignal, *, began: float) -> bool:
        """Takes in a running attempt's report of its provider; returns True if that changes what may start.

        Args:
            began: When the attempt started, Unix time.
        """
        before = self.gate(agent)
        if heard.refused is not None:
            why = self._classifier.classify(FailureEvidence(reported=heard.refused, at=self._clock()))
            if why.throttled:
                self.pause(agent, why, began=began, reason=heard.refused.text)
        elif heard.answered:
            self._move(agent, self.store.answered)
        self.take_windows(agent, heard.windows)
        if self.gate(agent) == before:
            return False
        self._notice(agent)
        return True

    def pause(self, agent: str, why: Classification, *, began: float, reason: str) -> None:
        """Pauses the agent's provider for all runs of the user."""
        provider = self._rules.provider(agent)
        before = self.store.gate(provider)
        gate = self.store.limited(
            provider,
            began=began,
            retry_after_s=why.retry_after_s,
            reason=_one_line(reason),
            trouble=_trouble(why),
            overloaded=why.cause is Cause.OVERLOADED,
            window=why.window,
        )
        self._add_fact(before, gate)
        self._notice(agent)

    def stop(self, agent: str, error: str) -> str:
        """Stops the provider, which refuses the agent's key; returns the error of all its tasks."""
        provider = self._rules.provider(agent)
        message = f"provider {provider} denies access: {_one_line(error)}; sign in or set its key, then resume"
        before = self.store.gate(provider)
        self._add_fact(before, self.store.refused(provider, reason=message))
        return message

    def succeeded(self, agent: str, windows: tuple[UsageWindow, ...]) -> None:
        """Takes in an attempt that did its task."""
        self._move(agent, self.store.succeeded)
        self.take_windows(agent, windows)
        if self.gate(agent).window or self._rules.provider(agent) in self._pauses:
            self._notice(agent)

    def unanswered(self, agent: str) -> None:
        """Takes in an attempt that ended without an answer; a probe is free again."""
        self._move(agent, self.store.unanswered)

    def take_windows(self, agent: str, windows: tuple[UsageWindow, ...]) -> None:
        """Holds further starts while a usage window of the account is nearly full."""
        if windows:
            provider = self._rules.provider(agent)
            before = self.store.gate(provider)
            threshold = self._rules.policy(agent).usage_threshold
            self._add_fact(before, self.store.report_windows(provider, windows, threshold=threshold))

    # For people.

    def waiting(self) -> list[dict[str, object]]:
        """Returns the providers that make agents of this run wait, as JSON values, without pauses that are over."""
        asked, now = {self._rules.provider(agent) for agent in self.asked}, self._clock()
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

    def _notice(self, agent: str) -> None:
        """Emits an event about the agent's provider if there is news."""
        gate, patience = self.gate(agent), self._patience(agent)
        event = self._pauses.notice(
            gate, self._clock(), patience.limit_s, limit=patience.limit, fallback=patience.fallback
        )
        if event is not None:
            self._outbox.add_event(event)

    def _move(self, agent: str, move: Callable[[str], ProviderGate]) -> None:
        provider = self._rules.provider(agent)
        before = self.store.gate(provider)
        self._add_fact(before, move(provider))

    def _add_fact(self, before: ProviderGate, after: ProviderGate) -> None:
        if _key(before) != _key(after):
            self._noted.pop(after.provider, None)
            self._note(after)

    def _note(self, gate: ProviderGate) -> None:
        """Has a gate in the journal on which a decision rests, whichever run has moved it."""
        if self._noted.get(gate.provider) != _key(gate):
            self._noted[gate.provider] = _key(gate)
            self._outbox.add_fact(None, ProviderMoved(provider=gate.provider, gate=gate.to_dict()))


def _key(gate: ProviderGate) -> _GateKey:
    return gate.state, gate.since, gate.window


def _trouble(why: Classification) -> str:
    """Returns what a provider does that is to be waited for, for people."""
    kind = "overloaded" if why.cause is Cause.OVERLOADED else "rate-limiting"
    return f"{kind} ({why.status})" if why.status else kind


def _one_line(error: str) -> str:
    return " ".join(error.split())[:300]
