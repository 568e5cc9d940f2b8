"""YAML policies turned into typed decisions for running coding agents."""

from aurora_policies.engine import PoliciesEngine, RecoveryConfig, default_policies_yaml
from aurora_policies.errors import PoliciesError, PolicyFileError, Problem
from aurora_policies.schema import (
    Action,
    AgentRecovery,
    Anomalies,
    Budget,
    Destructive,
    DestructiveRule,
    FileDeleteRule,
    HardLimitAction,
    Policies,
    Safety,
)

__all__ = [
    "Action",
    "AgentRecovery",
    "Anomalies",
    "Budget",
    "Destructive",
    "DestructiveRule",
    "FileDeleteRule",
    "HardLimitAction",
    "Policies",
    "PoliciesEngine",
    "PoliciesError",
    "PolicyFileError",
    "Problem",
    "RecoveryConfig",
    "Safety",
    "default_policies_yaml",
]
