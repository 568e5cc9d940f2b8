"""The actions that recovery answers with, before an attempt and after it. The coordinator carries them out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aurora_spawner.recovery.policy import BatchAction
    from aurora_spawner.recovery.settings import BatchQuestion
    from aurora_spawner.tasks.run_events import TaskDeferred, TaskFellBack, TaskRestarted, TaskRetried


@dataclass(frozen=True, slots=True)
class Start:
    """The attempt starts now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """The provider of the task's agent is paused and no other agent can do the task: it waits without a slot."""

    after_s: float
    """Seconds until the task may take a slot again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveTo:
    """The task belongs to another agent from now on and has to take a slot of that agent."""

    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """The task has failed without an attempt."""

    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """The agent attempts the task again."""

    after_s: float
    """Seconds until then; the task holds no slot meanwhile."""
    event: TaskRetried | TaskRestarted | TaskDeferred


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """Another agent attempts the task."""

    agent: str
    event: TaskFellBack


@dataclass(frozen=True, slots=True, kw_only=True)
class Final:
    """No attempt follows."""

    error: str | None = None
    """The error of the task; None for the one of its result."""


BeforeAttempt = Start | Wait | MoveTo | GiveUp
AfterAttempt = Retry | Fallback | Final


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTrip:
    """Too much of a run has failed: its rest is held or skipped."""

    reason: str
    action: BatchAction
    question: BatchQuestion | None
    """Asks the user instead, if the policy holds the rest."""
