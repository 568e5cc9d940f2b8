"""The state of one task between its first attempt and its result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aurora_spawner.spending.shares import Shares
from aurora_spawner.tasks.approvals import AskingAttempt

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from aurora_spawner.attempts.end_reason import EndReason
    from aurora_spawner.attempts.executor import RunningAttempt
    from aurora_spawner.journal.take_overs import TakeOver
    from aurora_spawner.runs.found_attempt import FoundAttempt
    from aurora_spawner.tasks.checked import CheckedWork, CheckingWork
    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.tasks.returned import Returned
    from aurora_spawner.tasks.review import Review
    from aurora_spawner.workspaces.worktrees import Worktree


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeAttempt:
    """A second attempt at a task, on another agent."""

    agent: str
    number: int
    running: RunningAttempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Termination:
    """The reason for which the coordinator itself ends an attempt."""

    reason: EndReason
    """Deadline or stalled."""
    error: str
    """The reason for people."""


@dataclass(slots=True, kw_only=True)
class TaskInFlight:
    """All that a coordinator remembers of one task that is not settled.

    It exists from the first attempt at the task, or from its cancellation, until the task is settled.
    """

    attempts: int = 0
    """Attempts so far, those of earlier executions included."""
    running: RunningAttempt | None = None
    """The attempt under way."""
    hedge: HedgeAttempt | None = None
    """The attempt under way beside it."""
    posts_seen: int = 0
    """The number of the newest post on the board when the order of its latest attempt was made."""
    judged_calls: int = 0
    """The tool calls of the attempt under way that the gate was asked about."""
    number: int = 0
    """The number of the attempt under way; its hedge has a later one."""
    agent: str = ""
    """The agent of the attempt under way: that of the task, or a reviewer."""
    cancelled: bool = False
    """A user has asked for the task's end."""
    taken: TakeOver | None = None
    """The user works in the session of its agent; no attempt starts."""
    handed_back: bool = False
    """The user has worked in the session since the latest attempt began, and the next one is told.

    While an attempt is under way, that is the one which the take-over has interrupted."""
    termination: Termination | None = None
    """Set once the coordinator has ended the attempt under way because it took too long or stalled."""
    shares: Shares = field(default_factory=Shares)
    """Attempts that have spent their share of the budget."""
    worktree: Worktree | None = None
    """The worktree of its attempts; None before the first, and without worktrees."""
    checking: CheckingWork | None = None
    """The work whose checks an earlier coordinator has begun."""
    rounds: list[CheckedWork] = field(default_factory=list)
    """The checks of each attempt's work, those of earlier executions included."""
    problem: str | None = None
    """The reason why the latest attempt ended, if another one follows it."""
    returned: list[Returned] = field(default_factory=list)
    """The times that its work came back other than for a check, those of earlier executions included."""
    reviews: list[Review] = field(default_factory=list)
    """The reviews of its work, those of earlier executions included."""
    reviewing: int = 0
    """The number of attempts that were those of reviewers."""
    reviewer: FoundAttempt | None = None
    """The attempt of a reviewer that an earlier coordinator has left open."""
    offered: SpawnResult | None = None
    """The result of a candidate that waits until it is the best one, before a person is asked about its work."""
    timer: asyncio.TimerHandle | None = None
    """Set while the task waits for its next attempt without a slot."""

    @property
    def sent_back(self) -> CheckedWork | Returned | None:
        """The finding that the next attempt is told of; None if nothing was found."""
        checked = self.rounds[-1] if self.rounds else None
        returned = self.returned[-1] if self.returned else None
        if returned is not None and (checked is None or returned.number >= checked.number):
            return returned
        return None if checked is None or checked.passed else checked

    @property
    def rounds_begun(self) -> int:
        """The number of attempts that went back to the agent, which are no retries."""
        return sum(not each.passed for each in self.rounds) + len(self.returned)

    def next_number(self) -> int:
        """Counts one more attempt and returns its number."""
        self.attempts += 1
        return self.attempts

    def asking(self, token: str) -> AskingAttempt | None:
        """Returns what works at the task with this token: an attempt, its hedge or the user; None for nothing."""
        if self.running is not None and self.running.token == token:
            return AskingAttempt(number=self.number, agent=self.agent)
        if self.taken is not None and self.taken.token == token:
            return AskingAttempt(number=self.attempts, agent=self.taken.agent)
        if self.hedge is not None and self.hedge.running.token == token:
            return AskingAttempt(number=self.hedge.number, agent=self.hedge.agent)
        return None

    def running_attempts(self) -> Iterator[RunningAttempt]:
        """Yields the attempt under way and its hedge."""
        if self.running is not None:
            yield self.running
        if self.hedge is not None:
            yield self.hedge.running
