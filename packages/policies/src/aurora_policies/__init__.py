"""YAML policies turned into typed decisions for running coding agents."""

from aurora_policies.caps import CapExceeded, SpawnCaps, depth_of
from aurora_policies.engine import PoliciesEngine, RecoveryConfig, default_policies_yaml
from aurora_policies.errors import BudgetStoreError, PoliciesError, PolicyFileError, Problem
from aurora_policies.schema import (
    Action,
    AgentRecovery,
    Anomalies,
    Budget,
    Caps,
    Destructive,
    DestructiveRule,
    FileDeleteRule,
    HardLimitAction,
    Policies,
    Safety,
)
from aurora_policies.strictness import Loosening

__all__ = [
    "Action",
    "AgentRecovery",
    "Anomalies",
    "Budget",
    "BudgetStoreError",
    "CapExceeded",
    "Caps",
    "Destructive",
    "DestructiveRule",
    "FileDeleteRule",
    "HardLimitAction",
    "Loosening",
    "Policies",
    "PoliciesEngine",
    "PoliciesError",
    "PolicyFileError",
    "Problem",
    "RecoveryConfig",
    "Safety",
    "SpawnCaps",
    "default_policies_yaml",
    "depth_of",
]
