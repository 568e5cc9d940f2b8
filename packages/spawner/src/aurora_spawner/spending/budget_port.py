"""The port to a budget ledger, which the spawner itself does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from aurora_spawner.errors import SpawnerError

if TYPE_CHECKING:
    from collections.abc import Mapping


class BudgetAwayError(SpawnerError):
    """A budget cannot be asked now; nothing that costs money may begin until it can."""


class BudgetAnswer(Protocol):
    """The answer to a request for money."""

    @property
    def granted(self) -> bool:
        """True if the money may be spent."""
        ...

    @property
    def reason(self) -> str:
        """Reason of a refusal."""
        ...

    @property
    def allowance_usd(self) -> float | None:
        """Limit to pass to the agent; None if the agent takes none, or nothing limits it."""
        ...

    @property
    def notices(self) -> tuple[str, ...]:
        """Notices for the user, refused or not."""
        ...


class BudgetGate(Protocol):
    """A budget that grants money to attempts by their tokens; called from threads, and may block for a while.

    An error that it raises ends the run: without the gate, no attempt that costs money may continue.
    """

    def reserve(
        self,
        *,
        token: str,
        run_id: str,
        task_id: str,
        agent: str,
        model: str | None,
        sharers: int = 0,
        continues_session: bool = False,
    ) -> BudgetAnswer:
        """Reserves money for an attempt that is about to start, durably.

        Args:
            sharers: For an agent that ends by itself at an allowance, the number of attempts of the run that still
                need money, this one included: it gets its share. 0 for other agents.
            continues_session: True if the attempt continues the session of an earlier one.

        Raises:
            BudgetAwayError: It cannot be asked now; the attempt waits, and nothing is reserved for it.
        """
        ...

    def observe(self, token: str, spent_usd: float, step_usd: float = 0.0) -> BudgetAnswer:
        """Records the spending of a running attempt so far; if it is not granted, the attempt has to end.

        Args:
            step_usd: The most that one call of its model has cost; 0 if unknown.
        """
        ...

    def settle(self, token: str, cost_usd: float | None) -> None:
        """Settles an ended attempt at its cost; None if the cost is unknown."""
        ...

    def release(self, token: str) -> None:
        """Releases the reservation of an attempt that never started."""
        ...

    def open_reservations(self, run_id: str) -> Mapping[str, str]:
        """Returns the agents of a run's open reservations, by token."""
        ...
