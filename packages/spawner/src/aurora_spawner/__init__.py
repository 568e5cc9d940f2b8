"""Durable, supervised parallel execution of agent processes.

These names are the promise of the package; its wings hold the rest, each where it belongs.
Names are imported when they are first used: a program that needs one wing does not start the others.
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
    from aurora_spawner.recovery.breaker import CircuitBreaker
    from aurora_spawner.recovery.machine import RecoveryStateMachine, RecoveryStateTransition, TaskRecoveryState
    from aurora_spawner.recovery.metrics import RecoveryMetrics, RecoveryResult, RecoverySummary
    from aurora_spawner.recovery.policy import RecoveryPolicy
    from aurora_spawner.recovery.policy_parts import EarlyDetection, TimeoutPolicy
    from aurora_spawner.recovery.settings import RecoverySettings
    from aurora_spawner.runs.run import Run
    from aurora_spawner.runs.run_options import RunOptions
    from aurora_spawner.shortcuts import (
        spawn,
        spawn_parallel,
        spawn_parallel_with_recovery,
        spawn_parallel_with_state_tracking,
        spawn_sequential,
        spawn_with_retry_and_fallback,
    )
    from aurora_spawner.spending.budget_port import BudgetGate
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

_MODULES: Final = {
    "backends.base": ("Backend",),
    "backends.cli": ("CliBackend",),
    "backends.command": ("CommandBackend",),
    "backends.model.backend": ("ModelBackend",),
    "classification.causes": ("ErrorCategory",),
    "classification.classifier": ("ErrorClassifier",),
    "errors": ("SpawnerError",),
    "spending.budget_port": ("BudgetGate",),
    "recovery.breaker": ("CircuitBreaker",),
    "recovery.machine": ("RecoveryStateMachine", "RecoveryStateTransition", "TaskRecoveryState"),
    "recovery.metrics": ("RecoveryMetrics", "RecoveryResult", "RecoverySummary"),
    "recovery.policy": ("RecoveryPolicy",),
    "recovery.policy_parts": ("EarlyDetection", "TimeoutPolicy"),
    "recovery.settings": ("RecoverySettings",),
    "runs.run": ("Run",),
    "runs.run_options": ("RunOptions",),
    "shortcuts": (
        "spawn",
        "spawn_parallel",
        "spawn_parallel_with_recovery",
        "spawn_parallel_with_state_tracking",
        "spawn_sequential",
        "spawn_with_retry_and_fallback",
    ),
    "taskfiles.read": ("read_taskfile",),
    "taskfiles.ticking": ("tick",),
    "tasks.compose": ("expand_coordinator", "hierarchical", "map_reduce", "parallel", "sequential"),
    "tasks.result": ("RunReport", "SpawnResult", "TaskState"),
    "tasks.run_events": ("RunEvent",),
    "tasks.task": ("SpawnTask",),
}
_HOMES: Final = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    """Imports a name of `__all__` from its module.

    Raises:
        AttributeError: The package has no such name.
    """
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Returns all names that the package promises."""
    return sorted({*globals(), *__all__})
