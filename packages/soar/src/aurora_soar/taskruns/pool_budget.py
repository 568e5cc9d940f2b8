"""The budget of a run on a pool: the user's own ledger, and beside it the budget that all runs on the pool share."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from aurora_policies.budget import Grant
from aurora_spawner.distributed.pool_money import MICROS, PoolMoney, PoolMoneyError
from aurora_spawner.spending.budget_port import BudgetAwayError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aurora_policies.budget import Ledger

__all__ = ["PoolBudget"]


@dataclass(slots=True)
class PoolBudget:
    """Grants what fits into both: the limits of the user, and the budget of the pool, which always rejects.

    While the database cannot be reached, no attempt begins. One that runs goes on until it has spent what was
    reserved for it there, and no further; its cost is told to the database afterwards.
    """

    ledger: Ledger
    money: PoolMoney
    _reserved: dict[str, int] = field(default_factory=dict)
    """Micros that the pool has reserved for attempts of this run, by token, as far as this process knows."""
    _untold: dict[str, Callable[[], None]] = field(default_factory=dict)
    """Calls that tell the database of attempts, and are still to be made; by token."""

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
    ) -> Grant:
        """Reserves the estimated cost in the pool, then in the ledger.

        Raises:
            BudgetAwayError: the database cannot be asked now; nothing is reserved.
        """
        estimate = _micros(self.ledger.estimate_usd(agent, model))
        try:
            self._tell()
            answer = self.money.reserve(token, run_id=run_id, agent=agent, amount=estimate)
        except PoolMoneyError as error:
            raise BudgetAwayError(str(error)) from error
        if not answer.granted:
            return Grant(granted=False, reason=answer.reason)
        self._reserved[token] = answer.reserved
        grant = self.ledger.reserve(
            token=token,
            run_id=run_id,
            task_id=task_id,
            agent=agent,
            model=model,
            sharers=sharers,
            continues_session=continues_session,
        )
        if not grant.granted:
            self._let_go(token)
        return grant

    def observe(self, token: str, spent_usd: float, step_usd: float = 0.0) -> Grant:
        """Records what a running attempt has spent in both; without the database, it may spend what it has there."""
        grant = self.ledger.observe(token, spent_usd, step_usd)
        if not grant.granted:
            return grant
        spent, wanted = _micros(spent_usd), _micros(grant.reserved_usd)
        try:
            self._tell()
            answer = self.money.observe(token, spent=spent, wanted=max(spent, wanted))
        except PoolMoneyError as error:
            known = self._reserved.setdefault(token, wanted)  # of one that was adopted, as much as the ledger has
            if spent <= known:
                notice = f"{error}; running attempts may spend what is reserved for them"
                return replace(grant, notices=(*grant.notices, notice))
            reason = f"{error}, and it has spent the ${known / MICROS:.2f} reserved for it there"
            return Grant(granted=False, reason=reason, reserved_usd=spent_usd)
        self._reserved[token] = answer.reserved
        return grant if answer.granted else Grant(granted=False, reason=answer.reason, reserved_usd=spent_usd)

    def settle(self, token: str, cost_usd: float | None) -> None:
        """Settles in both; the database is told later if it cannot be reached."""
        self.ledger.settle(token, cost_usd)
        self._reserved.pop(token, None)
        cost = None if cost_usd is None or cost_usd < 0 else _micros(cost_usd)
        self._untold[token] = partial(self.money.settle, token, cost)
        self._tell_if_there()

    def release(self, token: str) -> None:
        """Releases in both; the database is told later if it cannot be reached."""
        self.ledger.release(token)
        self._let_go(token)

    def _let_go(self, token: str) -> None:
        self._reserved.pop(token, None)
        self._untold[token] = partial(self.money.release, token)
        self._tell_if_there()

    def open_reservations(self, run_id: str) -> Mapping[str, str]:
        """Returns the agents of a run's open reservations, by token: the ledger has them all."""
        return self.ledger.open_reservations(run_id)

    def _tell_if_there(self) -> None:
        try:
            self._tell()
        except PoolMoneyError:
            return  # told with the next request; without one, the pool counts the estimate

    def _tell(self) -> None:
        for token, tell in list(self._untold.items()):
            tell()
            self._untold.pop(token, None)


def _micros(amount_usd: float) -> int:
    return max(0, -int(-round(amount_usd * MICROS, 3) // 1))
