"""An attempt that a worker holds: its folder, its order, and the heartbeats that keep its lease."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from aurora_spawner.attempts.end_reason import EndReason
from aurora_spawner.attempts.executor import AttemptRefusedError
from aurora_spawner.distributed.lease import Cancel

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from aurora_spawner.distributed.beats import Beats
    from aurora_spawner.distributed.documents import OrderDocument
    from aurora_spawner.distributed.worker_trees import AgentPlace

    Answer = TypeVar("Answer")


@dataclass(slots=True, kw_only=True)
class HeldAttempt:
    """An attempt that this worker holds."""

    token: str
    folder: Path
    beats: Beats
    ahead_s: float = 0.0
    """Seconds that this machine's clock shows more than the database's."""
    document: OrderDocument | None = None
    """None if its order cannot be read, or an earlier process began it without a tree."""
    notices: tuple[str, ...] = ()
    """Sentences for its coordinator about its worktree."""
    place: AgentPlace | None = None
    """The place of its agent; None before it is known."""

    async def during(self, work: Coroutine[Any, Any, Answer], *, endable: bool) -> Answer:
        """Keeps the lease while something is done for the attempt, and returns what that returns.

        Args:
            endable: A wish to end the attempt, or the loss of its lease, ends this, too.

        Raises:
            AttemptRefusedError: It was ended; what git does meanwhile goes on to its end.
        """
        working = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait({working}, timeout=self.beats.pause_s))[0]:
                if await self.beats.beat(self.folder) is not Cancel.NO and endable:
                    reason = EndReason.SUPERVISOR_LOST if self.beats.lost else EndReason.CANCELLED
                    raise AttemptRefusedError(reason, "it was ended while its tree was on the way")
            return await working
        finally:
            working.cancel()
