"""An attempt that an earlier coordinator has left open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aurora_spawner.attempts.executor import AttemptEnd, RunningAttempt


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundAttempt:
    """An attempt that an earlier coordinator left open, and how it was found."""

    task_id: str
    number: int
    token: str
    found: RunningAttempt | AttemptEnd
    reviewer: FoundAttempt | None = None
    """The open attempt of the reviewer of its work."""
