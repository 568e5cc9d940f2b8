"""Tasks whose agents continued with further shares of the budget: the use of earlier attempts, and the final end."""

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

    An attempt that continues with another share is no retry, and its use belongs to its task's result.
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

        The cost of the task is unknown if that of one share is unknown.
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
    """Returns the end by which a task without a further attempt is judged.

    Args:
        end: The end of its last attempt.
        spent: The end of the attempt before, at its share; it counts if no other share was granted.
        stopping: True if the task was interrupted or cancelled; it may then continue after a resume.
    """
    if end.reason == EndReason.SHARE_SPENT:
        return replace(end, reason=EndReason.CANCELLED if stopping else EndReason.OVER_BUDGET)
    if spent is not None and end.reason in REFUSALS:
        return replace(spent, reason=end.reason, stderr=f"{spent.stderr}; {end.stderr}")
    return end
