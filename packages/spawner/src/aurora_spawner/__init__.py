"""Durable, supervised parallel execution of agent processes."""

from aurora_spawner.backends.base import AgentBackend, AttemptRequest, Backend, Invocation, Reply
from aurora_spawner.backends.cli import CliBackend
from aurora_spawner.backends.command import CommandBackend
from aurora_spawner.backends.model.backend import ModelBackend
from aurora_spawner.classification.causes import ErrorCategory
from aurora_spawner.classification.classifier import Classification, ErrorClassifier, FailureEvidence
from aurora_spawner.errors import (
    AttemptRecordError,
    BackendError,
    GraphError,
    IllegalTransitionError,
    JournalChangedError,
    JournalCorruptError,
    JournalError,
    JournalLockedError,
    PriceFileError,
    ProviderStateError,
    RecoveryPolicyError,
    RunHeldError,
    SpawnerError,
    TaskError,
    TaskFileError,
    UnknownRunError,
    UnknownTaskError,
)
from aurora_spawner.journal.views import RunOptions
from aurora_spawner.limits.budget_gate import BudgetAnswer, BudgetGate
from aurora_spawner.limits.budgeted_executor import BudgetedExecutor
from aurora_spawner.limits.capped_executor import CappedExecutor
from aurora_spawner.limits.prices import PriceTable, load_prices
from aurora_spawner.recovery.breaker import CircuitBreaker
from aurora_spawner.recovery.machine import RecoveryStateMachine, RecoveryStateTransition, TaskRecoveryState
from aurora_spawner.recovery.metrics import RecoveryMetrics, RecoveryResult, RecoverySummary
from aurora_spawner.recovery.policy import (
    BreakerPolicy,
    EarlyDetection,
    RecoveryPolicy,
    RecoveryStrategy,
    TimeoutPolicy,
)
from aurora_spawner.recovery.settings import RecoverySettings
from aurora_spawner.recovery.states import RecoveryState
from aurora_spawner.runs.run import Run
from aurora_spawner.spawn import (
    spawn,
    spawn_parallel,
    spawn_parallel_sync,
    spawn_parallel_with_recovery,
    spawn_parallel_with_recovery_sync,
    spawn_parallel_with_state_tracking,
    spawn_parallel_with_state_tracking_sync,
    spawn_sequential,
    spawn_sequential_sync,
    spawn_sync,
    spawn_with_retry_and_fallback,
    spawn_with_retry_and_fallback_sync,
)
from aurora_spawner.taskfiles.model import TaskFile, TaskLine
from aurora_spawner.taskfiles.read import read_taskfile
from aurora_spawner.taskfiles.ticking import TickReport, tick
from aurora_spawner.tasks.compose import expand_coordinator, hierarchical, map_reduce, parallel, sequential
from aurora_spawner.tasks.failure import ReportedFailure
from aurora_spawner.tasks.growth import Expansion
from aurora_spawner.tasks.result import RunReport, RunState, SpawnResult, TaskState
from aurora_spawner.tasks.run_events import (
    BatchTripped,
    ProviderAnswers,
    ProviderLeft,
    ProviderPaused,
    RunEnded,
    RunEnding,
    RunEvent,
    RunPaused,
    RunStarted,
    RunUnpaused,
    TaskDeferred,
    TaskEnded,
    TaskEvent,
    TaskFellBack,
    TaskHedged,
    TaskRestarted,
    TaskRetried,
    TaskStalled,
    TaskStarted,
)
from aurora_spawner.tasks.task import SpawnTask
from aurora_spawner.tasks.usage import Usage

__all__ = [
    "AgentBackend",
    "AttemptRecordError",
    "AttemptRequest",
    "Backend",
    "BackendError",
    "BatchTripped",
    "BreakerPolicy",
    "BudgetAnswer",
    "BudgetGate",
    "BudgetedExecutor",
    "CappedExecutor",
    "CircuitBreaker",
    "Classification",
    "CliBackend",
    "CommandBackend",
    "EarlyDetection",
    "ErrorCategory",
    "ErrorClassifier",
    "Expansion",
    "FailureEvidence",
    "GraphError",
    "IllegalTransitionError",
    "Invocation",
    "JournalChangedError",
    "JournalCorruptError",
    "JournalError",
    "JournalLockedError",
    "ModelBackend",
    "PriceFileError",
    "PriceTable",
    "ProviderAnswers",
    "ProviderLeft",
    "ProviderPaused",
    "ProviderStateError",
    "RecoveryMetrics",
    "RecoveryPolicy",
    "RecoveryPolicyError",
    "RecoveryResult",
    "RecoverySettings",
    "RecoveryState",
    "RecoveryStateMachine",
    "RecoveryStateTransition",
    "RecoveryStrategy",
    "RecoverySummary",
    "Reply",
    "ReportedFailure",
    "Run",
    "RunEnded",
    "RunEnding",
    "RunEvent",
    "RunHeldError",
    "RunOptions",
    "RunPaused",
    "RunReport",
    "RunStarted",
    "RunState",
    "RunUnpaused",
    "SpawnResult",
    "SpawnTask",
    "SpawnerError",
    "TaskDeferred",
    "TaskEnded",
    "TaskError",
    "TaskEvent",
    "TaskFellBack",
    "TaskFile",
    "TaskFileError",
    "TaskHedged",
    "TaskLine",
    "TaskRecoveryState",
    "TaskRestarted",
    "TaskRetried",
    "TaskStalled",
    "TaskStarted",
    "TaskState",
    "TickReport",
    "TimeoutPolicy",
    "UnknownRunError",
    "UnknownTaskError",
    "Usage",
    "expand_coordinator",
    "hierarchical",
    "load_prices",
    "map_reduce",
    "parallel",
    "read_taskfile",
    "sequential",
    "spawn",
    "spawn_parallel",
    "spawn_parallel_sync",
    "spawn_parallel_with_recovery",
    "spawn_parallel_with_recovery_sync",
    "spawn_parallel_with_state_tracking",
    "spawn_parallel_with_state_tracking_sync",
    "spawn_sequential",
    "spawn_sequential_sync",
    "spawn_sync",
    "spawn_with_retry_and_fallback",
    "spawn_with_retry_and_fallback_sync",
    "tick",
]
