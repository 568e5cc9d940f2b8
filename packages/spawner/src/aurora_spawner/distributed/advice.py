"""Advises the number of workers of a pool: by what waits in its queue and for how long, without flapping. Pure.

What is wanted follows the queue from one moment to the next. What is advised follows it up at once, and down only
after less was wanted for a while without a break, and then to the most that was wanted in that while. Between two
changes there is a cool-down.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

MOST_WORKERS: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AdviceSettings:
    """The aims of the advice."""

    within_s: float = 300.0
    """The time in which what waits should have begun."""
    slots: int | None = None
    """Attempts at once of a worker that is added; None for the mean of those that are there."""
    least: int = 0
    most: int = MOST_WORKERS
    cool_down_s: float = 60.0
    """The shortest time between two changes, and between two runs of the hook."""
    down_after_s: float = 300.0
    """The time for which less has to be wanted before less is advised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFigures:
    """The state of a pool's queue and workers, at one moment."""

    pool: str
    queued: int
    """Attempts that could begin if there was room."""
    held: int
    """Attempts that wait for a limit or a provider, whatever workers there are."""
    oldest_s: float
    """Seconds for which the oldest of the queued ones has waited; 0 without one."""
    running: int
    workers: int
    """Workers that serve the pool and do not drain."""
    slots: int
    """Attempts that they can run at once."""
    mean_s: float | None
    """Seconds that the last attempts took in the mean; None if none has ended."""
    idle: tuple[str, ...] = ()
    """Workers that run nothing, by name: those to drain first."""

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        return {**asdict(self), "idle": list(self.idle)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """The advice for a pool, as it stands in the database. Times are seconds on the database's clock."""

    desired: int
    changed_at: float
    lower_since: float | None = None
    """The moment since when less was wanted without a break; None if that is not so."""
    peak: int = 0
    """The most that was wanted since then."""
    told: int | None = None
    """The number that a hook was told last; None if none was."""
    hook_at: float | None = None
    """The moment at which a hook was run last."""


def wanted_workers(figures: PoolFigures, settings: AdviceSettings) -> tuple[int, tuple[str, ...]]:
    """Returns the number of workers that the queue asks for now, and why."""
    waiting, why = _slots_for_queue(figures, settings)
    of_each = settings.slots or max(1, round(figures.slots / figures.workers) if figures.workers else 1)
    needed = math.ceil((figures.running + waiting) / of_each)
    reasons = [
        (
            f"{figures.running} slots for running attempts, {waiting} for {figures.queued} waiting ones,"
            f" {of_each} per worker"
        ),
        *why,
    ]
    if figures.held:
        reasons.append(f"{figures.held} more wait for a limit or a provider; more workers would not help")
    wanted = max(settings.least, min(settings.most, needed))
    if wanted != needed:
        reasons.append(f"the {'least' if wanted > needed else 'most'} is {wanted}, not {needed}")
    return wanted, tuple(reasons)


def _slots_for_queue(figures: PoolFigures, settings: AdviceSettings) -> tuple[int, tuple[str, ...]]:
    if not figures.queued:
        return 0, ()
    if figures.oldest_s > settings.within_s:
        late = f"the oldest has waited {figures.oldest_s:.0f} s, over {settings.within_s:.0f} s: one slot for each"
        return figures.queued, (late,)
    if figures.mean_s is None:
        return figures.queued, ("no attempt has ended yet, so each gets its own slot",)
    slots = math.ceil(figures.queued * figures.mean_s / settings.within_s) if settings.within_s else figures.queued
    took = f"attempts take {figures.mean_s:.1f} s, and waiting ones should start within {settings.within_s:.0f} s"
    return max(1, min(figures.queued, slots)), (took,)


def advised(before: Advice | None, wanted: int, *, now: float, settings: AdviceSettings) -> Advice:
    """Returns the advice after a look at the queue.

    Args:
        before: The advice until now; None if there was none.
        now: On the database's clock.
    """
    if before is None:
        return Advice(desired=wanted, changed_at=now)
    cooled = now - before.changed_at >= settings.cool_down_s
    if wanted >= before.desired:
        desired = wanted if cooled else before.desired
        changed_at = now if desired != before.desired else before.changed_at
        return replace(before, desired=desired, changed_at=changed_at, lower_since=None, peak=0)
    since = now if before.lower_since is None else before.lower_since
    peak = max(before.peak, wanted)
    if cooled and now - since >= settings.down_after_s:
        return replace(before, desired=peak, changed_at=now, lower_since=None, peak=0)
    return replace(before, lower_since=since, peak=peak)


def hook_is_due(advice: Advice, *, now: float, settings: AdviceSettings) -> bool:
    """Returns True if a hook has not been told what is advised now, and the last run of one is long enough ago."""
    if advice.told == advice.desired:
        return False
    return advice.hook_at is None or now - advice.hook_at >= settings.cool_down_s
