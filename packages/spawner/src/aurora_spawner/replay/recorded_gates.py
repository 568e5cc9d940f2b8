"""The provider gates as a run has journalled them: other runs and the clock move them, so a replay takes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.providers.gate import GateAnswer, GateState, ProviderGate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aurora_spawner.tasks.usage_windows import UsageWindow

MARGIN_S: Final = 1.0
"""An event is written a little after it was decided: times that are nearer to each other tell no order."""


@dataclass(slots=True)
class RecordedGates:
    """Stands in for the `ProviderStore` of a run: it says what was recorded, and nothing moves it.

    Args:
        clock: Unix time.
    """

    clock: Callable[[], float]
    trouble: str | None = None
    _moves: dict[str, list[ProviderGate]] = field(default_factory=dict)
    """By provider, in the order of the events."""
    _now: dict[str, int] = field(default_factory=dict)
    """The number of moves so far."""

    def add(self, stored: dict[str, Any]) -> None:
        """Adds a recorded move, the latest.

        Raises:
            KeyError, TypeError, ValueError: It is malformed.
        """
        gate = ProviderGate.from_dict(stored)
        self._moves.setdefault(gate.provider, []).append(gate)

    def gate(self, provider: str) -> ProviderGate:
        """Returns the gate as it is now."""
        moves, passed = self._moves.get(provider, []), self._now.get(provider, 0)
        while passed < len(moves) and moves[passed].since <= self.clock():
            passed += 1
        self._now[provider] = passed
        return moves[passed - 1] if passed else ProviderGate(provider=provider)

    def surely_open(self, provider: str) -> bool:
        """Returns True if the gate is open now, and was and will be within the margin."""
        gate, moves = self.gate(provider), self._moves.get(provider, [])
        passed, now = self._now.get(provider, 0), self.clock()
        if gate.state is not GateState.OPEN or (passed and gate.since > now - MARGIN_S):
            return False
        return passed == len(moves) or moves[passed].since > now + MARGIN_S

    def ask(self, provider: str) -> GateAnswer:
        """Lets an attempt start, if the gate does not pause."""
        gate = self.gate(provider)
        return GateAnswer(go=not gate.pauses(self.clock()))

    def gates(self) -> list[ProviderGate]:
        """Returns the gates that are not open."""
        found = [self.gate(provider) for provider in self._moves]
        return [gate for gate in found if gate.state is not GateState.OPEN]

    def close(self) -> None:
        """Has nothing to close."""

    # What would move a gate changes nothing: the moves are recorded.

    def succeeded(self, provider: str) -> ProviderGate:
        """Returns the gate."""
        return self.gate(provider)

    def unanswered(self, provider: str) -> ProviderGate:
        """Returns the gate."""
        return self.gate(provider)

    def answered(self, provider: str) -> ProviderGate:
        """Returns the gate."""
        return self.gate(provider)

    def allow_probe(self, provider: str) -> ProviderGate:
        """Returns the gate."""
        return self.gate(provider)

    def refused(self, provider: str, *, reason: str) -> ProviderGate:  # noqa: ARG002 -- as `ProviderStore`; so below
        """Returns the gate."""
        return self.gate(provider)

    def limited(self, provider: str, **_how: object) -> ProviderGate:
        """Returns the gate."""
        return self.gate(provider)

    def report_windows(
        self,
        provider: str,
        windows: Iterable[UsageWindow],  # noqa: ARG002
        *,
        threshold: float | None,  # noqa: ARG002
    ) -> ProviderGate:
        """Returns the gate."""
        return self.gate(provider)
