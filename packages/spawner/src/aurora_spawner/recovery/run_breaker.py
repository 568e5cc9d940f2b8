"""The breaker of a whole run: where too much fails, the rest is not thrown after it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aurora_spawner.recovery.policy import RecoveryPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """How many tasks have succeeded and failed since the run began, or since its user said to go on."""

    succeeded: int = 0
    failed: int = 0

    def settled(self, *, success: bool) -> Batch:
        """After one more task."""
        if success:
            return replace(self, succeeded=self.succeeded + 1)
        return replace(self, failed=self.failed + 1)

    @property
    def failure_rate(self) -> float:
        """Share of the settled tasks that failed; 0 where none is settled."""
        total = self.succeeded + self.failed
        return self.failed / total if total else 0.0

    def tripped(self, policy: RecoveryPolicy) -> bool:
        """Whether more has failed than the policy bears, and enough is known to say so."""
        limit = policy.max_failure_rate
        enough = self.succeeded + self.failed >= policy.min_batch
        return limit is not None and enough and self.failure_rate > limit

    def describe(self, policy: RecoveryPolicy) -> str:
        """Why the rest does not start."""
        total = self.succeeded + self.failed
        return f"{self.failed} of {total} tasks failed, more than {policy.max_failure_rate:.0%}"
