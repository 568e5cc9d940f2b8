"""The ledger of money: limits, reservations before a spawn, settlement afterwards."""

from aurora_policies.budget.admission import Grant
from aurora_policies.budget.ledger import Ledger
from aurora_policies.budget.limits import Limits, OwnLimits, effective_limits
from aurora_policies.budget.statement import AgentSpending, BudgetStatus, Entry, EntryState

__all__ = [
    "AgentSpending",
    "BudgetStatus",
    "Entry",
    "EntryState",
    "Grant",
    "Ledger",
    "Limits",
    "OwnLimits",
    "effective_limits",
]
