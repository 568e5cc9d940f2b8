"""Durable, supervised parallel execution of agent processes."""

from aurora_spawner.backends.base import AgentBackend, AttemptRequest, Backend, Invocation, Reply
from aurora_spawner.backends.cli import CliBackend
from aurora_spawner.backends.command import CommandBackend
from aurora_spawner.backends.model import ModelBackend
from aurora_spawner.budget import BudgetAnswer, BudgetGate
from aurora_spawner.capping import CappedExecutor
from aurora_spawner.compose import expand_coordinator, hierarchical, map_reduce, parallel, sequential
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
    RunHeldError,
    SpawnerError,
    TaskError,
    TaskFileError,
    UnknownRunError,
)
from aurora_spawner.events import (
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
from aurora_spawner.failure import ReportedFailure
from aurora_spawner.growth import Expansion
from aurora_spawner.journal.views import RunOptions
from aurora_spawner.prices import PriceTable, load_prices
from aurora_spawner.recovery.breaker import CircuitBreaker
from aurora_spawner.recovery.causes import ErrorCategory
from aurora_spawner.recovery.classify import Classification, ErrorClassifier, FailureEvidence
from aurora_spawner.recovery.errors import ProviderStateError, RecoveryPolicyError
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
from aurora_spawner.result import RunReport, RunState, SpawnResult, TaskState
from aurora_spawner.run import Run
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
from aurora_spawner.spending import BudgetedExecutor
from aurora_spawner.task import SpawnTask
from aurora_spawner.taskfiles.model import TaskFile, TaskLine
from aurora_spawner.taskfiles.read import read_taskfile
from aurora_spawner.taskfiles.ticking import TickReport, tick
from aurora_spawner.usage import Usage

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
