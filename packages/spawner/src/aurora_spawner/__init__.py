"""Durable, supervised parallel execution of agent processes.

These names are the promise of the package; its wings hold the rest, each where it belongs.
"""

from aurora_spawner.backends.base import Backend
from aurora_spawner.backends.cli import CliBackend
from aurora_spawner.backends.command import CommandBackend
from aurora_spawner.backends.model.backend import ModelBackend
from aurora_spawner.classification.causes import ErrorCategory
from aurora_spawner.classification.classifier import ErrorClassifier
from aurora_spawner.errors import SpawnerError
from aurora_spawner.limits.budget_port import BudgetGate
from aurora_spawner.recovery.breaker import CircuitBreaker
from aurora_spawner.recovery.machine import RecoveryStateMachine, RecoveryStateTransition, TaskRecoveryState
from aurora_spawner.recovery.metrics import RecoveryMetrics, RecoveryResult, RecoverySummary
from aurora_spawner.recovery.policy import RecoveryPolicy
from aurora_spawner.recovery.policy_parts import EarlyDetection, TimeoutPolicy
from aurora_spawner.recovery.settings import RecoverySettings
from aurora_spawner.runs.run import Run
from aurora_spawner.runs.run_options import RunOptions
from aurora_spawner.spawn import (
    spawn,
    spawn_parallel,
    spawn_parallel_with_recovery,
    spawn_parallel_with_state_tracking,
    spawn_sequential,
    spawn_with_retry_and_fallback,
)
from aurora_spawner.taskfiles.read import read_taskfile
from aurora_spawner.taskfiles.ticking import tick
from aurora_spawner.tasks.compose import expand_coordinator, hierarchical, map_reduce, parallel, sequential
from aurora_spawner.tasks.result import RunReport, SpawnResult, TaskState
from aurora_spawner.tasks.run_events import RunEvent
from aurora_spawner.tasks.task import SpawnTask

__all__ = [
    "Backend",
    "BudgetGate",
    "CircuitBreaker",
    "CliBackend",
    "CommandBackend",
    "EarlyDetection",
    "ErrorCategory",
    "ErrorClassifier",
    "ModelBackend",
    "RecoveryMetrics",
    "RecoveryPolicy",
    "RecoveryResult",
    "RecoverySettings",
    "RecoveryStateMachine",
    "RecoveryStateTransition",
    "RecoverySummary",
    "Run",
    "RunEvent",
    "RunOptions",
    "RunReport",
    "SpawnResult",
    "SpawnTask",
    "SpawnerError",
    "TaskRecoveryState",
    "TaskState",
    "TimeoutPolicy",
    "expand_coordinator",
    "hierarchical",
    "map_reduce",
    "parallel",
    "read_taskfile",
    "sequential",
    "spawn",
    "spawn_parallel",
    "spawn_parallel_with_recovery",
    "spawn_parallel_with_state_tracking",
    "spawn_sequential",
    "spawn_with_retry_and_fallback",
    "tick",
]
