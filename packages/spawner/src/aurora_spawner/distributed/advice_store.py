"""The figures of pools, and the advice about their workers, in the database: all who ask are told the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.distributed.advice import (
    Advice,
    AdviceSettings,
    PoolFigures,
    advised,
    hook_is_due,
    wanted_workers,
)
from aurora_spawner.distributed.database import LOCK_ENDS
from aurora_spawner.distributed.lease import LEASE_S, LOST_AFTER_S

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import DictRow

    from aurora_spawner.distributed.database import Database

LAST_ENDED: Final = 50
"""Attempts by which it is measured how long one takes."""

_POOLS: Final = """
    SELECT pool FROM aurora_workers UNION SELECT pool FROM aurora_advice
    UNION SELECT pool FROM aurora_attempts WHERE state IN ('queued', 'running') ORDER BY pool
"""
_FIGURES: Final = f"""
    WITH running AS (
        SELECT agent, count(*) AS times FROM aurora_attempts
        WHERE pool = %(pool)s AND state = 'running'
            AND until + {LOST_AFTER_S} > extract(epoch FROM clock_timestamp()) GROUP BY agent
    ), queued AS (
        SELECT a.agent, count(*) AS times, min(a.created_at) AS oldest,
            coalesce(g.gate->>'state', '') IN ('paused', 'probing') AS held
        FROM aurora_attempts a LEFT JOIN aurora_gates g USING (provider)
        WHERE a.pool = %(pool)s AND a.state = 'queued' GROUP BY 1, 4
    ), serving AS (
        SELECT id, name, concurrency FROM aurora_workers WHERE pool = %(pool)s AND NOT draining
            AND seen_at > clock_timestamp() - make_interval(secs => {LEASE_S})
    )
    SELECT extract(epoch FROM clock_timestamp())::float8 AS now,
        (SELECT coalesce(sum(times), 0)::int FROM running) AS running,
        (SELECT coalesce(json_agg(json_build_array(agent, times,
            extract(epoch FROM clock_timestamp() - oldest), held)), '[]') FROM queued) AS queued,
        (SELECT coalesce(json_object_agg(agent, times), '{{}}') FROM running) AS by_agent,
        (SELECT coalesce(json_object_agg(agent, most), '{{}}') FROM aurora_limits WHERE pool = %(pool)s) AS limits,
        (SELECT count(*)::int FROM serving) AS workers,
        (SELECT coalesce(sum(concurrency), 0)::int FROM serving) AS slots,
        (SELECT coalesce(array_agg(name ORDER BY name), '{{}}') FROM serving s WHERE NOT EXISTS
            (SELECT FROM aurora_attempts a WHERE a.worker = s.id AND a.state = 'running')) AS idle,
        (SELECT avg(extract(epoch FROM over_at - claimed_at))::float8 FROM
            (SELECT over_at, claimed_at FROM aurora_attempts WHERE pool = %(pool)s AND state = 'finished'
                AND claimed_at IS NOT NULL AND over_at IS NOT NULL ORDER BY over_at DESC LIMIT {LAST_ENDED}) ended)
            AS mean_s
"""  # noqa: S608 -- constants


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolAdvice:
    """The advice for a pool, with what it rests on."""

    figures: PoolFigures
    wanted: int
    reasons: tuple[str, ...]
    desired: int
    before: int | None
    """The number that was advised until now; None if none was."""
    unchanged_s: float
    """Seconds since the advice has changed."""
    hook_due: bool
    """True if the hook is to be told, by whoever has asked; nobody else is told so until the cool-down is over."""

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON values, without the one about the hook."""
        return {
            "pool": self.figures.pool,
            "desired": self.desired,
            "before": self.before,
            "wanted": self.wanted,
            "unchanged_s": self.unchanged_s,
            "reasons": list(self.reasons),
            "figures": self.figures.to_json(),
        }


@dataclass(frozen=True, slots=True)
class AdviceStore:
    """The advice in a database. All calls raise `QueueUnavailableError` and `QueueUnusableError`."""

    database: Database

    async def pools(self) -> list[str]:
        """Returns the pools that have workers, attempts or advice."""
        return [row["pool"] for row in await self.database.all(_POOLS)]

    async def advise(self, pool: str, settings: AdviceSettings, *, with_hook: bool) -> PoolAdvice:
        """Looks at a pool, and returns what is advised from now on.

        Args:
            with_hook: The caller has a hook, and will run it if the answer says so.
        """
        async with self.database.transaction() as connection:
            lock = f"SELECT {LOCK_ENDS}, pg_advisory_xact_lock(hashtext('aurora_advice'), hashtext(%s))"
            await connection.execute(lock.encode(), (pool,))
            cursor = await connection.execute(_FIGURES.encode(), {"pool": pool})
            row = await cursor.fetchone()
            assert row is not None
            figures, now = _figures(pool, row), float(row["now"])
            before = await _stored(connection, pool)
            wanted, reasons = wanted_workers(figures, settings)
            after = advised(before, wanted, now=now, settings=settings)
            due = with_hook and hook_is_due(after, now=now, settings=settings)
            await _keep(connection, pool, replace(after, hook_at=now) if due else after)
        return PoolAdvice(
            figures=figures,
            wanted=wanted,
            reasons=reasons,
            desired=after.desired,
            before=None if before is None else before.desired,
            unchanged_s=max(0.0, now - after.changed_at),
            hook_due=due,
        )

    async def told(self, pool: str, desired: int) -> None:
        """Notes that a hook has done what it was told."""
        await self.database.one("UPDATE aurora_advice SET told = %s WHERE pool = %s", desired, pool)


def _figures(pool: str, row: dict[str, Any]) -> PoolFigures:
    """Returns the figures; what is above a limit counts as held."""
    limits, running = row["limits"], row["by_agent"]
    queued = held = 0
    oldest_s = 0.0
    for agent, times, waited_s, paused in row["queued"]:
        room = 0 if paused else max(0, limits.get(agent, times + running.get(agent, 0)) - running.get(agent, 0))
        queued, held = queued + min(times, room), held + times - min(times, room)
        oldest_s = max(oldest_s, waited_s if room else 0.0)
    room = max(0, limits.get("", queued + row["running"]) - row["running"])
    return PoolFigures(
        pool=pool,
        queued=min(queued, room),
        held=held + queued - min(queued, room),
        oldest_s=oldest_s if room else 0.0,
        running=row["running"],
        workers=row["workers"],
        slots=row["slots"],
        mean_s=row["mean_s"],
        idle=tuple(row["idle"]),
    )


async def _stored(connection: psycopg.AsyncConnection[DictRow], pool: str) -> Advice | None:
    cursor = await connection.execute(
        "SELECT desired, changed_at, lower_since, peak, told, hook_at FROM aurora_advice WHERE pool = %s", (pool,)
    )
    row = await cursor.fetchone()
    return None if row is None else Advice(**row)


async def _keep(connection: psycopg.AsyncConnection[DictRow], pool: str, advice: Advice) -> None:
    await connection.execute(
        "INSERT INTO aurora_advice (pool, desired, changed_at, lower_since, peak, told, hook_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (pool) DO UPDATE SET desired = excluded.desired,"
        " changed_at = excluded.changed_at, lower_since = excluded.lower_since, peak = excluded.peak,"
        " told = excluded.told, hook_at = excluded.hook_at",
        (
            pool,
            advice.desired,
            advice.changed_at,
            advice.lower_since,
            advice.peak,
            advice.told,
            advice.hook_at,
        ),
    )
