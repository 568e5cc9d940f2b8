"""The circuit breaker of a whole run: if too many tasks fail, the rest does not start. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aurora_spawner.tasks.result import NOT_PICKED, TaskState

if TYPE_CHECKING:
    from aurora_spawner.recovery.policy import RecoveryPolicy
    from aurora_spawner.tasks.result import SpawnResult


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBreaker:
    """The number of tasks that succeeded and failed since the run started, or since its user continued it."""

    succeeded: int = 0
    failed: int = 0

    def after(self, *, success: bool) -> RunBreaker:
        """Returns the breaker after one more settled task."""
        if success:
            return replace(self, succeeded=self.succeeded + 1)
        return replace(self, failed=self.failed + 1)

    def counting(self, result: SpawnResult) -> RunBreaker:
        """Returns the breaker after a task; one that was skipped or waits for the user's pick has not failed."""
        failed = result.state is TaskState.FAILED and result.termination_reason != NOT_PICKED
        return self.after(success=result.success) if result.success or failed else self

    @property
    def failure_rate(self) -> float:
        """Share of the settled tasks that failed; 0 if no task is settled."""
        total = self.succeeded + self.failed
        return self.failed / total if total else 0.0

    def tripped(self, policy: RecoveryPolicy) -> bool:
        """Returns True if enough tasks are settled and more of them failed than the policy allows."""
        limit = policy.max_failure_rate
        enough = self.succeeded + self.failed >= policy.min_batch
        return limit is not None and enough and self.failure_rate > limit

    def describe(self, policy: RecoveryPolicy) -> str:
        """Explains why the rest does not start."""
        total = self.succeeded + self.failed
        return f"{self.failed} of {total} tasks failed, more than {policy.max_failure_rate:.0%}"
