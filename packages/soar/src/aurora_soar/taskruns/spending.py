"""Budgets that a run has passed, for the word about it at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aurora_policies.errors import BudgetStoreError
from aurora_soar.taskruns.ledger import open_ledger

if TYPE_CHECKING:
    from aurora_policies import PoliciesEngine

__all__ = ["over_budget"]

_ROUNDING_USD: Final = 0.000_001


def over_budget(policies: PoliciesEngine, run_id: str, *, per_run_usd: float | None = None) -> tuple[str, ...]:
    """Returns a sentence for each budget that is passed, after a run that has spent something.

    An agent reports its cost at the end, so its last attempt may pass a budget that admitted it.

    Args:
        per_run_usd: the limit that was set for the run; the policies may have a lower one.
    """
    try:
        ledger = open_ledger(policies, per_run_usd=per_run_usd)
        spent = sum(entry.cost_usd or 0.0 for entry in ledger.history(limit=-1, run_id=run_id))
        month = ledger.status()
    except BudgetStoreError as error:
        return (f"what the run has cost is not known: {error}",)
    if not spent:
        return ()
    budgets = (
        (f"the run has cost ${spent:.2f}", "its budget", spent, ledger.limits.per_run_usd),
        (f"this month's cost is ${month.consumed_usd:.2f}", "the budget", month.consumed_usd, month.limit_usd),
    )
    return tuple(
        f"{said}, ${amount - limit:.2f} over {whose} of ${limit:.2f}"
        for said, whose, amount, limit in budgets
        if limit is not None and amount > limit + _ROUNDING_USD
    )
