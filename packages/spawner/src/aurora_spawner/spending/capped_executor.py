"""An executor with spawn caps: it limits the attempts of a run and passes on the depth; it wraps another executor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptRefusedError, WrappingExecutor

if TYPE_CHECKING:
    from aurora_spawner.attempts.executor import AttemptOrder, RunningAttempt

DEPTH_VARIABLE: Final = "AURORA_DEPTH"
"""The environment variable with the depth of an agent: the number of agents above its children, itself included."""


@dataclass(slots=True, kw_only=True)
class CappedExecutor(WrappingExecutor):
    """An executor that limits the attempts of a run, retries included."""

    max_total_spawns: int
    spawned: int = 0
    """The number of attempts so far, those of earlier executions of the run included."""
    depth: int = 0
    """The number of agents above this process."""

    async def start(self, order: AttemptOrder) -> RunningAttempt:
        """Starts an attempt within the cap.

        Raises:
            AttemptRefusedError: The cap is reached.
        """
        if self.spawned >= self.max_total_spawns:
            raise AttemptRefusedError(
                EndReason.OVER_CAP, f"the run has reached its cap of {self.max_total_spawns} attempts"
            )
        self.spawned += 1
        below = {**order.environment, DEPTH_VARIABLE: str(self.depth + 1)}
        return await self.inner.start(replace(order, environment=below))
