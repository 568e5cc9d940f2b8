"""The bells of a pool: notices of the database that something was queued, at which a worker looks for it at once.

A bell names nothing and decides nothing. One that got lost delays an attempt until the worker's next look.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Callable

BELL: Final = "aurora_"
"""The beginning of the channel of each pool; the rest is a hash of its name, since a channel has 63 bytes at most."""
BELL_HASH: Final = 32
"""Digits of that hash; of SHA-256, since a server in FIPS mode refuses MD5, and with it every row that rings."""
RETRY_S: Final = 1.0
"""Time between two tries to reach the database."""
QUIET_S: Final = 30.0
"""Time without a bell after which the connection is tried: a network may have gone without a word."""


def channel_of(pool: str) -> str:
    """Returns the channel on which the bells of a pool ring."""
    return f"{BELL}{hashlib.sha256(pool.encode()).hexdigest()[:BELL_HASH]}"


async def hear_bells(conninfo: str, pool: str, *, ring: Callable[[], None], tell: Callable[[str], None]) -> None:
    """Calls `ring` at each bell, and after each new connection, before which one may have got lost; never returns.

    Args:
        conninfo: The options of a connection of its own.
        tell: Receives that the database cannot be reached, once each time it goes away.
    """
    reached = True
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel_of(pool))))
                reached = True
                await _hear(connection, ring)
        except (psycopg.Error, OSError):
            if reached:
                tell("the queue cannot be reached; trying again")
            reached = False
        await asyncio.sleep(RETRY_S)


async def _hear(connection: psycopg.AsyncConnection, ring: Callable[[], None]) -> None:
    ring()
    while True:
        async for _bell in connection.notifies(timeout=QUIET_S):
            ring()
        await connection.execute("SELECT 1")
