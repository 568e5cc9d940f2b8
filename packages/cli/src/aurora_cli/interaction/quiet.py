"""The input of a session that is held for others: it has no lines, and ends once nothing was said for a while."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from aurora_spawner.conversations.session import Session

__all__ = ["Quiet"]

HOLD_S: Final = 600.0
"""The time after the last turn for which a session is held."""
LOOK_S: Final = 0.5


class Quiet:
    """Ends the input of a session once no turn has run for some time."""

    def __init__(self, session: Session, *, limit_s: float = HOLD_S) -> None:
        self._session = session
        self._limit_s = limit_s

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Waits for the end.

        Raises:
            StopAsyncIteration: always.
        """
        turns, since = 0, time.monotonic()
        while True:
            talk = self._session.transcript
            if talk.open_turn is not None or len(talk.turns) != turns:
                turns, since = len(talk.turns), time.monotonic()
            if time.monotonic() - since >= self._limit_s:
                raise StopAsyncIteration
            await asyncio.sleep(min(LOOK_S, self._limit_s / 4))
