"""Tasks whose agents went on with further shares of the budget: what the earlier attempts used, and the last word."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aurora_spawner.attempts.executor import OVER_BUDGET, REFUSALS, SHARE_SPENT
from aurora_spawner.tasks.usage import NOTHING

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.attempts.executor import AttemptEnd
    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.tasks.usage import Usage


@dataclass(slots=True)
class Shares:
    """The attempts of open tasks that ended at their shares, for one coordinator.

    An attempt that goes on with another share is no retry, and what it used belongs to its task's result.
    """

    _used: dict[str, dict[Path | None, Usage | None]] = field(default_factory=dict)
    """By task, and by where the attempt's output is."""

    def add(self, task_id: str, end: AttemptEnd, usage: Usage | None) -> None:
        """Notes an attempt that has spent its share, and what it used."""
        self._used.setdefault(task_id, {})[end.stdout_path] = usage

    def count(self, task_id: str) -> int:
        """Returns how many attempts at a task have."""
        return len(self._used.get(task_id, ()))

    def joined(self, task_id: str, end: AttemptEnd, result: SpawnResult) -> SpawnResult:
        """Returns the result of an attempt with what the task's earlier shares used.

        Their cost is unknown if one of them did not tell: then so is that of the task.
        """
        earlier = [used for output, used in self._used.get(task_id, {}).items() if output != end.stdout_path]
        if not earlier:
            return result
        known = [used for used in (*earlier, result.usage) if used is not None]
        total = sum(known, NOTHING) if known else None
        if total is not None and len(known) <= len(earlier):
            total = replace(total, cost_usd=None)
        return replace(result, usage=total)

    def forget(self, task_id: str) -> None:
        """Drops what is known of a task that is settled."""
        self._used.pop(task_id, None)


def last_word(end: AttemptEnd, spent: AttemptEnd | None, *, stopping: bool) -> AttemptEnd:
    """Returns the end that a task is judged by when no attempt follows.

    Args:
        end: of its last attempt.
        spent: of the attempt before, which ended at its share; what it did counts if there was no other share.
        stopping: whether the task was told to end; it can then go on after a resume.
    """
    if end.reason == SHARE_SPENT:
        return replace(end, reason="cancelled" if stopping else OVER_BUDGET)
    if spent is not None and end.reason in REFUSALS:
        return replace(spent, reason=end.reason, stderr=f"{spent.stderr}; {end.stderr}")
    return end
