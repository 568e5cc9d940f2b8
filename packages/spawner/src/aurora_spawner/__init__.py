"""Durable, supervised parallel execution of agent processes."""

from aurora_spawner.backends.base import Backend, Invocation, Reply
from aurora_spawner.backends.command import CommandBackend
from aurora_spawner.compose import expand_coordinator, hierarchical, map_reduce, parallel, sequential
from aurora_spawner.errors import (
    AttemptRecordError,
    BackendError,
    GraphError,
    IllegalTransitionError,
    JournalCorruptError,
    JournalError,
    JournalLockedError,
    RunHeldError,
    SpawnerError,
    TaskError,
    TaskFileError,
    UnknownRunError,
)
from aurora_spawner.growth import Expansion
from aurora_spawner.result import RunEvent, RunReport, RunState, SpawnResult, TaskState
from aurora_spawner.run import Run
from aurora_spawner.spawn import spawn, spawn_parallel, spawn_sequential
from aurora_spawner.task import SpawnTask
from aurora_spawner.taskfile import TaskFile, TaskLine, read_taskfile
from aurora_spawner.ticking import TickReport, tick

__all__ = [
    "AttemptRecordError",
    "Backend",
    "BackendError",
    "CommandBackend",
    "Expansion",
    "GraphError",
    "IllegalTransitionError",
    "Invocation",
    "JournalCorruptError",
    "JournalError",
    "JournalLockedError",
    "Reply",
    "Run",
    "RunEvent",
    "RunHeldError",
    "RunReport",
    "RunState",
    "SpawnResult",
    "SpawnTask",
    "SpawnerError",
    "TaskError",
    "TaskFile",
    "TaskFileError",
    "TaskLine",
    "TaskState",
    "TickReport",
    "UnknownRunError",
    "expand_coordinator",
    "hierarchical",
    "map_reduce",
    "parallel",
    "read_taskfile",
    "sequential",
    "spawn",
    "spawn_parallel",
    "spawn_sequential",
    "tick",
]
