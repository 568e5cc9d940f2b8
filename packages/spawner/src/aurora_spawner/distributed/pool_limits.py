"""Limits on the attempts of a pool that run at once in all runs together: of the pool, and of single agents."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aurora_spawner.distributed.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLimit:
    """A limit, and the attempts that count for it now."""

    pool: str
    agent: str
    """The agent whose attempts it counts; "" for those of all agents."""
    most: int
    running: int

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class LimitStore:
    """The limits of a database. All calls raise `QueueUnavailableError` and `QueueUnusableError`."""

    database: Database

    async def set(self, pool: str, agent: str, most: int) -> None:
        """Sets a limit; attempts that run already go on.

        Args:
            agent: The agent that it is for; "" for all agents together.
            most: Attempts at once; with 0, none starts.
        """
        await self.database.one(
            "INSERT INTO aurora_limits (pool, agent, most) VALUES (%s, %s, %s)"
            " ON CONFLICT (pool, agent) DO UPDATE SET most = excluded.most",
            pool,
            agent,
            most,
        )

    async def remove(self, pool: str, agent: str) -> bool:
        """Removes a limit; returns False if there was none."""
        row = await self.database.one(
            "DELETE FROM aurora_limits WHERE pool = %s AND agent = %s RETURNING pool", pool, agent
        )
        return row is not None

    async def all(self) -> list[PoolLimit]:
        """Returns all limits, by pool and agent."""
        rows = await self.database.all(
            "SELECT pool, agent, most, (SELECT count(*) FROM aurora_attempts a WHERE a.pool = l.pool"
            " AND a.state = 'running' AND l.agent IN ('', a.agent)) AS running"
            " FROM aurora_limits l ORDER BY pool, agent"
        )
        return [PoolLimit(**row) for row in rows]
