"""The heartbeats of an attempt: they keep its lease, and bring the wish to end it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aurora_spawner.attempts.attempt_folder import AttemptFolder
from aurora_spawner.distributed import lease
from aurora_spawner.distributed.activity import activity
from aurora_spawner.distributed.database import QueueError
from aurora_spawner.distributed.lease import Cancel

if TYPE_CHECKING:
    from pathlib import Path

    from aurora_spawner.distributed.attempt_store import AttemptStore
    from aurora_spawner.distributed.lease import Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTimes:
    """The times of leases, in seconds."""

    lease_s: float = lease.LEASE_S
    beat_every_s: float = lease.BEAT_EVERY_S
    leave_after_s: float = lease.LEASE_S + lease.LOST_AFTER_S
    """The time without the database after which a worker that drains leaves; its leases are over then."""


@dataclass(slots=True, kw_only=True)
class Beats:
    """The heartbeats of one attempt.

    The end of the lease is also kept on this machine's monotonic clock, from the moment before each beat was sent: a
    worker that cannot reach the database knows that it has lost the lease before anybody else may act on that.
    """

    store: AttemptStore
    token: str
    row: Lease
    """The row as this worker has last changed it."""
    times: LeaseTimes
    lost: bool = False
    """True once the lease is lost, or has to be taken for lost."""
    since: float = field(default_factory=time.monotonic)
    """The moment of the last beat that was answered, on this machine's clock; at first that before the claim."""
    _seen: tuple[int, int] = (0, 0)
    _progress: int = 0

    @property
    def fence(self) -> int:
        """The fence of the lease."""
        return self.row.fence

    @property
    def pause_s(self) -> float:
        """The time until the next beat."""
        return self.times.beat_every_s

    async def beat(self, folder: Path) -> Cancel:
        """Extends the lease; returns the wish to end the attempt, at once if the lease is lost."""
        if self.lost:
            return Cancel.AT_ONCE
        sent = time.monotonic()
        seen = activity(AttemptFolder(path=folder))
        if seen != self._seen:
            self._seen, self._progress = seen, self._progress + 1
        try:
            async with asyncio.timeout(self.times.lease_s / 4):
                row = await self.store.change(
                    self.token,
                    lambda row, now: lease.renew(row, self.fence, now=now, lease_s=self.times.lease_s),
                    progress=self._progress,
                )
        except (QueueError, TimeoutError):
            self.lost = time.monotonic() - self.since >= self.times.lease_s
            return Cancel.AT_ONCE if self.lost else Cancel.NO
        if row is None:
            self.lost = True
            return Cancel.AT_ONCE
        self.since, self.row = sent, row
        return row.cancel
