"""The way to a host that outlives connections: a request is made again on the next one until it is answered."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aurora_spawner.distributed.ssh.connection import Connection
from aurora_spawner.distributed.ssh.destination import HostRefusedError, HostUnreachableError, SshError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_spawner.distributed.ssh.destination import Destination
    from aurora_spawner.distributed.ssh.frames import Answer, Request

_FIRST_PAUSE_S: Final = 0.3
_LONGEST_PAUSE_S: Final = 5.0


@dataclass(slots=True, kw_only=True)
class Channel:
    """Requests to one host. Only an answer ends the wait for one, since nothing else says what has happened there."""

    destination: Destination
    tell: Callable[[str], None]
    """Receives that the host cannot be reached, and that it is back."""
    _connection: Connection | None = None
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    _away_since: float | None = None
    _pause_s: float = _FIRST_PAUSE_S

    @property
    def away(self) -> bool:
        """True while the host cannot be reached, as far as is known."""
        return self._away_since is not None

    @property
    def away_s(self) -> float:
        """The time for which it cannot be reached; 0 while it can."""
        return 0.0 if self._away_since is None else time.monotonic() - self._away_since

    async def until_answered(
        self,
        request: Request,
        body: bytes = b"",
        *,
        refusable: bool = False,
        on_life: Callable[[], None] = lambda: None,
        on_sent: Callable[[], None] = lambda: None,
    ) -> tuple[Answer, bytes]:
        """Makes a request on as many connections as it takes.

        Args:
            refusable: A host that refuses the connection ends this, if the request was never sent.
            on_life: Called for each sign of life before the answer.
            on_sent: Called before the request is sent, each time.

        Raises:
            HostRefusedError: The host has refused, and the request was never sent.
            DocumentError: The request is too long.
        """
        sent = False
        while True:
            try:
                connection = await self.connected()
                sent = True
                on_sent()
                return await connection.call(request, body, on_life=on_life)
            except HostRefusedError as error:
                if refusable and not sent:
                    raise
                self._tell_of(error)
            except HostUnreachableError as error:
                self._tell_of(error)
            await self._pause()

    async def until_reached(self) -> None:
        """Waits for a connection.

        Raises:
            HostRefusedError: The host lets nobody in.
        """
        while True:
            try:
                await self.connected()
            except HostUnreachableError as error:
                self._tell_of(error)
                await self._pause()
            else:
                return

    async def _pause(self) -> None:
        await asyncio.sleep(self._pause_s * random.uniform(0.5, 1.0))
        self._pause_s = min(_LONGEST_PAUSE_S, self._pause_s * 1.5)

    async def connected(self) -> Connection:
        """Returns the connection, which is made if there is none.

        Raises:
            HostUnreachableError: The host cannot be reached now.
            HostRefusedError: It lets nobody in.
        """
        async with self._opening:
            if self._connection is None or self._connection.lost is not None:
                self._connection = None
                self._connection = await Connection.open(self.destination)
                self._pause_s = _FIRST_PAUSE_S
                if self.away:
                    self.tell(f"{self.destination.address} is back")
                self._away_since = None
            return self._connection

    def _tell_of(self, problem: SshError) -> None:
        if self._away_since is None:
            self.tell(f"{problem}; waiting for it")
            self._away_since = time.monotonic()

    def close(self) -> None:
        """Ends the connection; attempts continue."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
