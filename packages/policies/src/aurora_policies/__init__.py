"""YAML policies turned into typed decisions for running coding agents.

The sections of policies.yaml are in `aurora_policies.schema`, the ledger in `aurora_policies.budget`.
"""

from aurora_policies.caps import CapExceeded, check_caps, depth_of
from aurora_policies.engine import PoliciesEngine, RecoveryConfig, default_policies_yaml
from aurora_policies.errors import BudgetStoreError, PoliciesError, PolicyFileError, Problem
from aurora_policies.operations import Operation, OperationType, PolicyResult
from aurora_policies.schema import Action, Caps, HardLimitAction, Policies
from aurora_policies.strictness import Loosening

__all__ = [
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
