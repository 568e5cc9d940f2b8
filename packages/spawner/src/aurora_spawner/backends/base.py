"""What the spawner needs to know of a kind of agent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aurora_spawner.task import SpawnTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """How an agent is started for one task; the prompt goes to its stdin."""

    command: tuple[str, ...]
    env: Mapping[str, str]
    keep_env: tuple[str, ...] = ()
    """Patterns of inherited variables that this agent needs though they look like secrets."""
    instructed: bool = False
    """The command or environment carries the task's instructions; else they are put before the prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an agent said, read from its streams."""

    text: str
    failure: str | None = None
    """What the agent itself reports as failed, whatever its exit code says."""
    finished: bool = False
    """It gave a terminal success event; agents without events never do."""


class Backend(Protocol):
    """Drives one kind of agent."""

    @property
    def name(self) -> str:
        """What tasks call it by."""
        ...

    @property
    def timeout_s(self) -> float | None:
        """The limit of an attempt where the task sets none."""
        ...

    def invoke(self, task: SpawnTask) -> Invocation:
        """How to start it for this task.

        Raises:
            BackendError: Its program cannot be found.
        """
        ...

    def read(self, stdout: str, stderr: str) -> Reply:
        """What an ended attempt said."""
        ...
