"""The properties of a worker: its pool, its agents, and how it runs them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_spawner.distributed.beats import LeaseTimes
from aurora_spawner.distributed.exchange import GIVE_UP_AFTER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from aurora_spawner.attempts.executor import Executor
    from aurora_spawner.backends.base import AgentBackend
    from aurora_spawner.distributed.announced import AnnouncedTool
    from aurora_spawner.distributed.worker_trees import WorkerTrees
    from aurora_spawner.gates.tool_calls import ToolCallGate

CLEAN_EVERY_S: Final = 60.0
LOOK_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """The properties of a worker, and its list of agents."""

    name: str
    pool: str
    concurrency: int
    cwd: Path
    """The folder in which its agents work."""
    labels: tuple[str, ...] = ()
    """Names of what this machine has; attempts that need any other go to other workers."""
    backends: Mapping[str, AgentBackend]
    """The agents that it runs, by name; an order for any other is refused."""
    gate: ToolCallGate | None = None
    """Judges the tool calls of agents with hooks; None leaves these in their own safe mode."""
    executor: Callable[[str], Executor]
    """Builds the executor for a use of a sandbox: off, auto or require."""
    environ: Mapping[str, str]
    clock: Callable[[], float] = time.time
    """This machine's clock, which supervisors show in the times of attempts."""
    times: LeaseTimes = field(default_factory=LeaseTimes)
    trees: WorkerTrees | None = None
    """Carries trees; None if the pool names no repository here, so that orders with a tree are refused."""
    carry_within_s: float = GIVE_UP_AFTER_S
    """The time for which the pool's repository is tried again if it cannot be reached."""
    clean_every_s: float = CLEAN_EVERY_S
    """Time between two looks for worktrees that are needed no longer."""
    tools: Callable[[], Sequence[AnnouncedTool]] = tuple
    """Finds out which agents are on this machine; it may take long, and is called again from time to time."""
    look_every_s: float = LOOK_EVERY_S
    """Time between two looks, while there is room, for attempts that no bell was rung for."""
