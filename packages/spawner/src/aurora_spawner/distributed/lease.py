"""The lease of an attempt: who may run it, and whose result counts. Pure: rows, and the changes that are allowed.

An attempt is claimed once, so its agent starts at most once. Its row names the worker and a fence, a number that
grows whenever the worker takes the attempt over again. A result counts only if it carries the fence of a row that
still runs. Once a lease has run out, a coordinator may declare the attempt lost; from then on no result of it counts,
and the task may have another attempt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

LEASE_S: Final = 60.0
"""The time for which a heartbeat keeps an attempt its worker's, on the database's clock."""
BEAT_EVERY_S: Final = 5.0
LOCK_ENDS_AFTER_S: Final = 15
"""The time after which the database ends a session that holds a lock of a whole pool and says nothing.

Its machine may be cut off, and all others wait for it.
"""
LOST_AFTER_S: Final = 30.0
"""The time after the end of a lease in which its worker ends the agent by itself; then the attempt counts as lost."""


class AttemptState(StrEnum):
    """The state of an attempt in the queue; the database stores the values."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    """Its worker has delivered the result."""
    LOST = "lost"
    """Its lease has run out; a result that comes now is refused."""
    VOIDED = "voided"
    """It never ran and never will."""


OVER: Final = frozenset({AttemptState.FINISHED, AttemptState.LOST, AttemptState.VOIDED})


class Cancel(StrEnum):
    """The request to end an attempt; the database stores the values."""

    NO = ""
    POLITE = "polite"
    AT_ONCE = "at_once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The row of an attempt, as far as it decides who may do what. Times are seconds on the database's clock."""

    state: AttemptState = AttemptState.QUEUED
    worker: str = ""
    fence: int = 0
    until: float = 0.0
    """The end of the lease."""
    cancel: Cancel = Cancel.NO


def claim(row: Lease, worker: str, *, now: float, lease_s: float) -> Lease | None:
    """Gives a queued attempt to a worker; None if it is not queued."""
    if row.state is not AttemptState.QUEUED:
        return None
    return replace(row, state=AttemptState.RUNNING, worker=worker, fence=row.fence + 1, until=now + lease_s)


def take_over(row: Lease, worker: str, *, now: float, lease_s: float) -> Lease | None:
    """Gives a running attempt to a later process of the same worker; None if it is not this worker's any more."""
    if row.state is not AttemptState.RUNNING or row.worker != worker:
        return None
    return replace(row, fence=row.fence + 1, until=now + lease_s)


def renew(row: Lease, fence: int, *, now: float, lease_s: float) -> Lease | None:
    """Extends the lease of its holder; None if the holder has lost it."""
    return replace(row, until=now + lease_s) if _holds(row, fence) else None


def finish(row: Lease, fence: int) -> Lease | None:
    """Accepts the result of the holder; None if the holder has lost the lease."""
    return replace(row, state=AttemptState.FINISHED) if _holds(row, fence) else None


def request_cancel(row: Lease, cancel: Cancel) -> Lease | None:
    """Voids a queued attempt, and asks the holder of a running one to end it; None if it is over."""
    if row.state is AttemptState.QUEUED:
        return replace(row, state=AttemptState.VOIDED, cancel=cancel)
    if row.state is not AttemptState.RUNNING:
        return None
    return replace(row, cancel=row.cancel if row.cancel is Cancel.AT_ONCE else cancel)


def declare_lost(row: Lease, *, now: float, lost_after_s: float) -> Lease | None:
    """Ends a running attempt whose lease has run out long enough ago; None if it has not."""
    if row.state is not AttemptState.RUNNING or now <= row.until + lost_after_s:
        return None
    return replace(row, state=AttemptState.LOST)


def _holds(row: Lease, fence: int) -> bool:
    return row.state is AttemptState.RUNNING and row.fence == fence
