"""Attempts within caps: so many in a run, each told how many agents stand above it.

It stands before another executor.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptEnd, AttemptRefusedError, RunningAttempt

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.attempts.executor import AttemptOrder, Executor
    from aurora_spawner.attempts.process_identity import ProcessIdentity

DEPTH_VARIABLE: Final = "AURORA_DEPTH"
"""Tells an agent how many agents stand above what it starts, itself included."""


@dataclass(slots=True, kw_only=True)
class CappedExecutor:
    """Starts no more attempts than a run may have, retries included."""

    inner: Executor
    max_total_spawns: int
    spawned: int = 0
    """Attempts of earlier executions of the run."""
    depth: int = 0
    """Agents that stand above this process."""

    async def start(self, order: AttemptOrder) -> RunningAttempt:
        """Counts, then start.

        Raises:
            AttemptRefusedError: The run has had all its attempts.
        """
        if self.spawned >= self.max_total_spawns:
            raise AttemptRefusedError(
                EndReason.OVER_CAP, f"the run has had the {self.max_total_spawns} attempts that it may have"
            )
        self.spawned += 1
        below = {**order.environment, DEPTH_VARIABLE: str(self.depth + 1)}
        return await self.inner.start(replace(order, environment=below))

    async def collect(self, attempt: RunningAttempt) -> AttemptEnd:
        """As the executor behind does."""
        return await self.inner.collect(attempt)

    def cancel(self, attempt: RunningAttempt, *, at_once: bool) -> None:
        """As the executor behind does."""
        self.inner.cancel(attempt, at_once=at_once)

    def close(self) -> None:
        """As the executor behind does."""
        self.inner.close()

    async def adopt(
        self, *, token: str, folder: Path, supervisor: ProcessIdentity | None
    ) -> RunningAttempt | AttemptEnd:
        """As the executor behind does."""
        return await self.inner.adopt(token=token, folder=folder, supervisor=supervisor)
