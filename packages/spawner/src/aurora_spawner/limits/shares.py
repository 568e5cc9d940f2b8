"""Tasks whose agents went on with further shares of the budget: what the earlier attempts used, and the last word."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aurora_spawner.attempts.end_reason import REFUSALS, EndReason
from aurora_spawner.tasks.usage import NOTHING

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.attempts.executor import AttemptEnd
    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.tasks.usage import Usage


@dataclass(slots=True)
class Shares:
    """The attempts of one open task that ended at their shares.

    An attempt that goes on with another share is no retry, and what it used belongs to its task's result.
    """

    _used: dict[Path | None, Usage | None] = field(default_factory=dict)
    """By the path of the attempt's output."""

    def __len__(self) -> int:
        return len(self._used)

    def add(self, end: AttemptEnd, usage: Usage | None) -> None:
        """Adds an attempt that has spent its share, and its usage."""
        self._used[end.stdout_path] = usage

    def joined(self, end: AttemptEnd, result: SpawnResult) -> SpawnResult:
        """Returns the result of an attempt with the usage of the task's earlier shares.

        Their cost is unknown if one of them did not tell: then so is that of the task.
        """
        earlier = [used for output, used in self._used.items() if output != end.stdout_path]
        if not earlier:
            return result
        known = [used for used in (*earlier, result.usage) if used is not None]
        total = sum(known, NOTHING) if known else None
        if total is not None and len(known) <= len(earlier):
            total = replace(total, cost_usd=None)
        return replace(result, usage=total)


def last_word(end: AttemptEnd, spent: AttemptEnd | None, *, stopping: bool) -> AttemptEnd:
    """Returns the end that a task is judged by when no attempt follows.

    Args:
        end: of its last attempt.
        spent: of the attempt before, which ended at its share; what it did counts if there was no other share.
        stopping: whether the task was told to end; it can then go on after a resume.
    """
    if end.reason is EndReason.SHARE_SPENT:
        return replace(end, reason=EndReason.CANCELLED if stopping else EndReason.OVER_BUDGET)
    if spent is not None and end.reason in REFUSALS:
        return replace(spent, reason=end.reason, stderr=f"{spent.stderr}; {end.stderr}")
    return end
