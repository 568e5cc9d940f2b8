"""What the spawner asks of whoever watches over money; it knows of no ledger itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class BudgetAnswer(Protocol):
    """The answer to a wish to spend."""

    @property
    def granted(self) -> bool:
        """Whether it may be spent."""
        ...

    @property
    def reason(self) -> str:
        """Why not."""
        ...

    @property
    def allowance_usd(self) -> float | None:
        """What its agent is to be told that it may cost; None where it cannot be told, or nothing limits it."""
        ...

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know all the same."""
        ...


class BudgetGate(Protocol):
    """Grants money to attempts by their tokens; called from threads, and may block for a while.

    What it raises ends the run: without it, nothing that costs money may go on.
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
        """Sets money aside for an attempt that is about to start, durably.

        Args:
            sharers: for an agent that ends by itself at an allowance, the attempts of the run that still want money,
                this one included: it is dealt its share. 0 for other agents.
            continues_session: it goes on with the session of an earlier attempt.
        """
        ...

    def observe(self, token: str, spent_usd: float, step_usd: float = 0.0) -> BudgetAnswer:
        """Takes note of what a running attempt has spent so far; not granted: it is to be ended.

        Args:
            step_usd: the most that one call of its model has cost; 0 where that is not known.
        """
        ...

    def settle(self, token: str, cost_usd: float | None) -> None:
        """The attempt has ended; None: it did not tell what it cost."""
        ...

    def release(self, token: str) -> None:
        """The attempt never began."""
        ...

    def open_reservations(self, run_id: str) -> Mapping[str, str]:
        """The agents of a run's attempts that money is set aside for, by token."""
        ...
