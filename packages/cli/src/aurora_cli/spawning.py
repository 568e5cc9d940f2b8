"""A task file on its way to a run: which agent does what within which limits, and whose box is ticked."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from aurora_cli.errors import UnknownAgentError
from aurora_spawner import TaskEnded, TaskFileError, tick

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from aurora_cli.money import Guard
    from aurora_spawner import Backend, RunEvent, SpawnResult, SpawnTask, TaskFile
    from aurora_spawner.recovery.settings import RecoverySettings

__all__ = ["SpawnPlan", "Ticker", "plan_spawn"]

TICK_EVERY_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnPlan:
    """What a run of a task file will do.

    Attributes:
        backends: all that tasks may name, by name.
        default_agent: does the tasks that name none.
        timeout_s: of an attempt whose task and backend set none; None for no limit.
        policies: the file that the limits come from; None for the defaults.
        recovery: what is done about agents that fail; None for nothing.
        personas: by task, whose part its agent takes.
        made_up: tasks whose persona no file defines.
        guard: keeps its run within budget and caps; None for no limits.
    """

    file: TaskFile
    backends: Mapping[str, Backend]
    default_agent: str
    max_concurrent: int
    timeout_s: float | None
    policies: Path | None
    recovery: RecoverySettings | None = None
    personas: Mapping[str, str] = field(default_factory=dict)
    made_up: frozenset[str] = frozenset()
    guard: Guard | None = None

    def agent_of(self, task: SpawnTask) -> str:
        """Names the agent that does a task."""
        return task.agent or self.default_agent

    def timeout_of(self, task: SpawnTask) -> float | None:
        """Returns the limit of one attempt at a task, in seconds; None for no limit."""
        return task.timeout_s or self.backends[self.agent_of(task)].timeout_s or self.timeout_s

    def extended_timeout_of(self, task: SpawnTask) -> float | None:
        """Returns what an agent that stays active may take in seconds, where that is more; None where it is not."""
        policy = self.recovery.policy.get_for_agent(self.agent_of(task)).timeout if self.recovery else None
        if policy is None or task.timeout_s or self.backends[self.agent_of(task)].timeout_s:
            return None
        return policy.max_timeout_s if policy.mode == "progressive" else None

    @property
    def expected_usd(self) -> float | None:
        """What one attempt at each task is expected to cost, all together; None where that is nothing."""
        return (
            self.guard.expected_usd([(self.agent_of(task), task.model) for task in self.file.tasks])
            if self.guard
            else None
        )

    @property
    def agents(self) -> tuple[str, ...]:
        """The agents that have something to do, by name."""
        return tuple(sorted({self.agent_of(task) for task in self.file.tasks}))


def plan_spawn(
    file: TaskFile,
    *,
    backends: Mapping[str, Backend],
    default_agent: str,
    default_from: str,
    max_concurrent: int,
    timeout_s: float | None,
    policies: Path | None,
    recovery: RecoverySettings | None = None,
    personas: Mapping[str, str] = MappingProxyType({}),
    made_up: frozenset[str] = frozenset(),
    guard: Guard | None = None,
    known: Collection[str] = (),
) -> SpawnPlan:
    """Match the open tasks of a file with agents; nothing is started.

    Args:
        default_from: what named the default agent, for the error.
        personas: by task, whose part its agent takes.
        made_up: tasks whose persona no file defines.
        guard: keeps the run within budget and caps.
        known: personas that a task could name, for the error.

    Raises:
        UnknownAgentError: a task, or the default, names an agent that is not among the backends.
    """
    plan = SpawnPlan(
        file=file,
        backends=backends,
        default_agent=default_agent,
        max_concurrent=max_concurrent,
        timeout_s=timeout_s,
        policies=policies,
        recovery=recovery,
        personas=personas,
        made_up=made_up,
        guard=guard,
    )
    for task in file.tasks:
        if plan.agent_of(task) not in backends:
            where = f"{file.path}:{file.line_of(task.id or '')}" if task.agent else default_from
            raise UnknownAgentError(plan.agent_of(task), where, {*backends, *known})
    return plan


class Ticker:
    """Ticks boxes as tasks succeed, a few at a time, so that a large file is not rewritten for each.

    Attributes:
        notices: a sentence for each box that could not be ticked.
    """

    def __init__(self, file: TaskFile, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._clock = clock
        self._waiting: set[str] = set()
        self._next = clock() + TICK_EVERY_S
        self.notices: list[str] = []

    def follow(self, event: RunEvent) -> None:
        """Takes in one event of the run."""
        if isinstance(event, TaskEnded) and event.result.success:
            self._waiting.add(event.task_id)
        if self._waiting and self._clock() >= self._next:
            self.flush()

    def finish(self, results: Mapping[str, SpawnResult]) -> None:
        """Ticks what is left, those included that an earlier execution finished and had no time to tick."""
        self._waiting.update(task_id for task_id, result in results.items() if result.success)
        self.flush()

    def flush(self) -> None:
        """Ticks what waits. A file that cannot be read or written now becomes a notice, not the end of the run."""
        began = self._clock()
        finished, self._waiting = self._waiting, set()
        try:
            if finished:
                self.notices.extend(tick(self._file, finished).left_alone)
        except TaskFileError as error:
            self.notices.append(str(error))
        took = self._clock() - began
        self._next = self._clock() + max(TICK_EVERY_S, 20 * took)
