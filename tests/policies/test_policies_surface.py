"""The names that aurora_policies and its budget promise are exactly these; all others come from their own module."""

from __future__ import annotations

import aurora_policies
from aurora_policies import budget

PROMISED = [
    "Action",
    "BudgetStoreError",
    "CapExceeded",
    "Caps",
    "HardLimitAction",
    "Loosening",
    "Operation",
    "OperationType",
    "Policies",
    "PoliciesEngine",
    "PoliciesError",
    "PolicyFileError",
    "PolicyResult",
    "Problem",
    "RecoveryConfig",
    "check_caps",
    "default_policies_yaml",
    "depth_of",
]
PROMISED_BY_BUDGET = [
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


def test_the_promised_names_are_these_and_can_be_imported() -> None:
    assert aurora_policies.__all__ == PROMISED
    assert [name for name in PROMISED if not hasattr(aurora_policies, name)] == []


def test_the_names_of_the_budget_are_these_and_can_be_imported() -> None:
    assert budget.__all__ == PROMISED_BY_BUDGET
    assert [name for name in PROMISED_BY_BUDGET if not hasattr(budget, name)] == []
