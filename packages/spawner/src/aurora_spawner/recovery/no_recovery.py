"""A run without recovery: every task keeps its agent, and its first failure is final."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aurora_spawner.recovery.actions import Final, Start
from aurora_spawner.recovery.outbox import Outbox
from aurora_spawner.recovery.policy_parts import EarlyDetection
from aurora_spawner.recovery.timeouts import TimeLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aurora_spawner.attempts.executor import AttemptEnd
    from aurora_spawner.rate_limits.provider_signal import ProviderSignal
    from aurora_spawner.recovery.actions import BatchTrip
    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.tasks.task import SpawnTask

_UNWATCHED = EarlyDetection(enabled=False)
_UNLIMITED = TimeLimits(hard_s=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoRecovery:
    """Answers a coordinator as `RunRecovery` does, and never changes anything."""

    first_agent: Callable[[SpawnTask], str]
    outbox: Outbox = field(default_factory=Outbox)
    """Stays empty."""
    metrics: None = None
    trouble: None = None

    def close(self) -> None:
        """Closes nothing."""

    def agent_of(self, task: SpawnTask) -> str:
        """Returns the task's own agent."""
        return self.first_agent(task)

    def admits(self, agent: str) -> bool:  # noqa: ARG002 -- the signature of `RunRecovery`; so below
        """Returns True: no provider is waited for."""
        return True

    def held(self) -> dict[str, float]:
        """Returns no agents."""
        return {}

    def release(self, agent: str) -> None:
        """Has nothing to release."""

    def before(self, task: SpawnTask) -> Start:  # noqa: ARG002
        """Starts every attempt."""
        return Start()

    def limits(self, task: SpawnTask, *, explicit_s: float | None, default_s: float | None) -> TimeLimits:  # noqa: ARG002
        """Returns the limit of the task, its agent or the run, and nothing to watch."""
        limit_s = explicit_s or default_s
        return _UNLIMITED if limit_s is None else TimeLimits(hard_s=limit_s)

    def detection(self, task: SpawnTask) -> EarlyDetection:  # noqa: ARG002
        """Returns the rules that find no attempt stalled."""
        return _UNWATCHED

    def hedge_after_s(self, task: SpawnTask) -> None:
        """Returns None: no attempt gets a second one."""

    def hedge_agent(self, task: SpawnTask) -> None:
        """Returns None."""

    def listener(self, agent: str) -> Callable[[ProviderSignal], bool] | None:  # noqa: ARG002
        """Returns None: reports on providers are ignored."""
        return None

    def after(self, task: SpawnTask, end: AttemptEnd, result: SpawnResult, *, cancelled: bool = False) -> Final:  # noqa: ARG002
        """Lets every attempt be the last one."""
        return Final()

    def unavailable(self, agent: str) -> str | None:  # noqa: ARG002
        """Returns None: no provider is known to refuse."""
        return None

    def after_review(self, agent: str, end: AttemptEnd, result: SpawnResult, *, failures: int) -> float | None:  # noqa: ARG002
        """Returns None: a reviewer that fails is not asked again."""
        return None

    def settled(self, task: SpawnTask, result: SpawnResult) -> SpawnResult:  # noqa: ARG002
        """Returns the result as it is."""
        return result

    def cut_off(self, task: SpawnTask) -> None:
        """Has nothing to take back."""

    def batch_trip(self) -> BatchTrip | None:
        """Returns None: the rest of the run starts whatever has failed."""
        return None

    def forgive_batch(self) -> None:
        """Has counted nothing."""

    def resume(self, tasks: Iterable[SpawnTask], *, attempted: set[str]) -> dict[str, float]:  # noqa: ARG002
        """Returns no tasks that have to wait."""
        return {}

    def status(self, waiting_for: Mapping[str, str]) -> dict[str, Any]:  # noqa: ARG002
        """Returns nothing."""
        return {}
