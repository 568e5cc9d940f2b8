"""How a run is to be driven, and what is found of an earlier drive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aurora_spawner.attempts.executor import AttemptEnd, RunningAttempt
    from aurora_spawner.limits.prices import PriceTable
    from aurora_spawner.limits.token_bucket import TokenBucket
    from aurora_spawner.tasks.growth import Expansion


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundAttempt:
    """An attempt that an earlier coordinator left open, and how it was found."""

    task_id: str
    number: int
    found: RunningAttempt | AttemptEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """How a run is to be driven."""

    pace: TokenBucket | None = None
    """Spaces the starts of tasks."""
    expand: Expansion | None = None
    """Adds tasks when one succeeds."""
    max_added: int = 0
    """Tasks that may be added in all."""
    prices: PriceTable | None = None
    """For results of agents that tell tokens and no money."""
