"""The provider gates as a run has journalled them: other runs and the clock move them, so a replay takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.rate_limits.gate import GateState, ProviderGate
from aurora_spawner.rate_limits.gate_store import ProviderStore

if TYPE_CHECKING:
    from collections.abc import Callable

MARGIN_S: Final = 1.0
"""An event is written a little after it was decided: times that are nearer to each other tell no order."""


class RecordedGates(ProviderStore):
    """A store of gates that says what was recorded: what would move a gate changes nothing.

    Args:
        clock: Unix time.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(None, clock=clock)
        self._time = clock
        self._moves: dict[str, list[ProviderGate]] = {}
        """By provider, in the order of the events."""
        self._passed: dict[str, int] = {}
        """The number of moves so far, by provider."""

    def add(self, stored: dict[str, Any]) -> None:
        """Adds a recorded move, the latest.

        Raises:
            KeyError, TypeError, ValueError: It is malformed.
        """
        gate = ProviderGate.from_dict(stored)
        self._moves.setdefault(gate.provider, []).append(gate)

    def gate(self, provider: str) -> ProviderGate:
        """Returns the gate as it is now."""
        moves, passed = self._moves.get(provider, []), self._passed.get(provider, 0)
        while passed < len(moves) and moves[passed].since <= self._time():
            passed += 1
        self._passed[provider] = passed
        return moves[passed - 1] if passed else ProviderGate(provider=provider)

    def surely_open(self, provider: str) -> bool:
        """Returns True if the gate is open now, and was and will be within the margin."""
        gate, moves, now = self.gate(provider), self._moves.get(provider, []), self._time()
        passed = self._passed[provider]
        if gate.state is not GateState.OPEN or (passed and gate.since > now - MARGIN_S):
            return False
        return passed == len(moves) or moves[passed].since > now + MARGIN_S

    def gates(self) -> list[ProviderGate]:
        """Returns the gates that are not open."""
        found = [self.gate(provider) for provider in self._moves]
        return [gate for gate in found if gate.state is not GateState.OPEN]

    def _change(self, provider: str, change: Callable[[ProviderGate], ProviderGate]) -> ProviderGate:  # noqa: ARG002
        return self.gate(provider)
