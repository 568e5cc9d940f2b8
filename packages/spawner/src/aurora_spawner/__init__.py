"""Durable, supervised parallel execution of agent processes.

These names are the promise of the package; its wings hold the rest, each where it belongs.

Names are imported when they are first used: whoever needs one part of the package does not load the others.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
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

_HOMES: Final = {
    "Backend": "backends.base",
    "BudgetGate": "limits.budget_port",
    "CircuitBreaker": "recovery.breaker",
    "CliBackend": "backends.cli",
    "CommandBackend": "backends.command",
    "EarlyDetection": "recovery.policy_parts",
    "ErrorCategory": "classification.causes",
    "ErrorClassifier": "classification.classifier",
    "ModelBackend": "backends.model.backend",
    "RecoveryMetrics": "recovery.metrics",
    "RecoveryPolicy": "recovery.policy",
    "RecoveryResult": "recovery.metrics",
    "RecoverySettings": "recovery.settings",
    "RecoveryStateMachine": "recovery.machine",
    "RecoveryStateTransition": "recovery.machine",
    "RecoverySummary": "recovery.metrics",
    "Run": "runs.run",
    "RunEvent": "tasks.run_events",
    "RunOptions": "runs.run_options",
    "RunReport": "tasks.result",
    "SpawnResult": "tasks.result",
    "SpawnTask": "tasks.task",
    "SpawnerError": "errors",
    "TaskRecoveryState": "recovery.machine",
    "TaskState": "tasks.result",
    "TimeoutPolicy": "recovery.policy_parts",
    "expand_coordinator": "tasks.compose",
    "hierarchical": "tasks.compose",
    "map_reduce": "tasks.compose",
    "parallel": "tasks.compose",
    "read_taskfile": "taskfiles.read",
    "sequential": "tasks.compose",
    "spawn": "spawn",
    "spawn_parallel": "spawn",
    "spawn_parallel_with_recovery": "spawn",
    "spawn_parallel_with_state_tracking": "spawn",
    "spawn_sequential": "spawn",
    "spawn_with_retry_and_fallback": "spawn",
    "tick": "taskfiles.ticking",
}
"""The module of each name of `__all__`."""


def __getattr__(name: str) -> object:
    """Imports a name of `__all__` from its module, and the others of that module with it.

    Raises:
        AttributeError: the package has no such name.
    """
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{home}")
    globals().update({each: getattr(module, each) for each, its in _HOMES.items() if its == home})
    return globals()[name]


def __dir__() -> list[str]:
    return __all__
