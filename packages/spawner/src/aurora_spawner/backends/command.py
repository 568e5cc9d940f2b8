"""Any program as an agent: prompt on its stdin, answer on its stdout."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from aurora_spawner.backends.base import Invocation, Reply
from aurora_spawner.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_spawner.task import SpawnTask


@dataclass(frozen=True, slots=True)
class CommandBackend:
    """A program that reads a prompt and prints an answer.

    It finds the run, task, attempt and model in AURORA_RUN_ID, AURORA_TASK_ID, AURORA_ATTEMPT_NUMBER, AURORA_MODEL.

    Raises:
        BackendError: The command is empty.
    """

    name: str
    command: tuple[str, ...]
    """An argument list; no shell reads it. A relative path counts from the run's working folder."""
    env: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float | None = None
    keep_env: tuple[str, ...] = ()
    """Inherited variables that it needs though they look like secrets; patterns are allowed."""
    provider: str | None = None
    """Whose rate limits it meets; None shares them with whatever runs the same command."""
    instructible: bool = True
    """Whether a task's instructions stand before its prompt; a program that is no model has no use for them."""

    def __post_init__(self) -> None:
        if not self.command or not self.command[0]:
            raise BackendError(self.name, "has no command; give the program and its arguments")

    def invoke(self, task: SpawnTask) -> Invocation:
        """The command as it is."""
        program = self.command[0]
        if "/" not in program and shutil.which(program, path=self.env.get("PATH")) is None:
            raise BackendError(self.name, f"{program} is not on PATH; install it or give its full path")
        if program.startswith("/") and not Path(program).exists():
            raise BackendError(self.name, f"{program} does not exist")
        model = {"AURORA_MODEL": task.model} if task.model else {}
        env = {**self.env, **model}
        return Invocation(command=self.command, env=env, keep_env=self.keep_env, instructed=not self.instructible)

    def read(self, stdout: str, stderr: str) -> Reply:  # noqa: ARG002 -- the port's signature
        """All of stdout is the answer."""
        return Reply(text=stdout)
