"""What a coordinator is given of its run, and the orders for attempts that follow from it."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_spawner.environment import TOKEN_VARIABLE, agent_environment
from aurora_spawner.executor import AttemptOrder
from aurora_spawner.prompts import prompt_for
from aurora_spawner.spool import attempt_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from aurora_spawner.backends.base import Backend
    from aurora_spawner.result import SpawnResult
    from aurora_spawner.task import SpawnTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The circumstances of a run that are the same for all its tasks."""

    run_id: str
    cwd: Path
    spool: Path
    """The run's own folder."""
    default_agent: str
    default_timeout_s: float | None
    environ: Mapping[str, str]
    """What agents inherit, before it is scrubbed."""
    _scrubbed: dict[tuple[str, ...], dict[str, str]] = field(default_factory=dict, repr=False)

    def agent_of(self, task: SpawnTask) -> str:
        """Who does a task."""
        return task.agent or self.default_agent

    def order(
        self, task: SpawnTask, *, number: int, position: int, backend: Backend, before: Sequence[SpawnResult]
    ) -> AttemptOrder:
        """The order for one attempt.

        Args:
            number: Of the attempt, from 1.
            position: Of the task in its run; keeps folders apart whose names look the same.
            before: Results of the task's dependencies, for its prompt.

        Raises:
            BackendError: The agent's program cannot be found.
        """
        invocation = backend.invoke(task)
        token = new_token()
        task_id = str(task.id)
        names = {
            TOKEN_VARIABLE: token,
            "AURORA_RUN_ID": self.run_id,
            "AURORA_TASK_ID": task_id,
            "AURORA_ATTEMPT_NUMBER": str(number),
        }
        return AttemptOrder(
            run_id=self.run_id,
            task_id=task_id,
            number=number,
            token=token,
            folder=attempt_folder(self.spool, position=position, task_id=task_id, number=number).path,
            prompt=prompt_for(task, before, instructed=invocation.instructed),
            command=invocation.command,
            environment={**self._inherited(invocation.keep_env), **invocation.env, **names},
            cwd=self.cwd,
            deadline_s=task.timeout_s or backend.timeout_s or self.default_timeout_s,
        )

    def _inherited(self, keep: tuple[str, ...]) -> dict[str, str]:
        """The environment for agents that need these; worked out once for each kind."""
        if keep not in self._scrubbed:
            self._scrubbed[keep] = agent_environment(self.environ, keep=keep)
        return self._scrubbed[keep]


_PROCESS_TOKEN: Final = os.urandom(10).hex()
_COUNTER: Final = itertools.count()


def new_token() -> str:
    """Names one attempt among all attempts of all machines."""
    return f"{_PROCESS_TOKEN}{os.getpid():x}-{next(_COUNTER):x}"
