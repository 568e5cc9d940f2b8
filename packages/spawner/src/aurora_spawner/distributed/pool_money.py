"""The money of a pool: one budget for a calendar month, for the attempts of all coordinators together.

A reservation is a row of the attempt's token. Of two coordinators that ask at once, one comes after the other: they
ask under a lock of the pool. Months are those of the database's clock, in UTC.

A coordinator that has died settles nothing. What it has reserved stays reserved while its attempt waits or runs, and
for `KEPT_S` at least; after that it counts as spent, at its estimate or what was seen of it, unless the attempt never
began. So nothing that may have been spent is ever given out again.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.rows import dict_row

from aurora_spawner.distributed.database import LOCK_ENDS, secured
from aurora_spawner.distributed.money_schema import MOST_MICROS
from aurora_spawner.errors import SpawnerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg.rows import DictRow

    from aurora_spawner.distributed.database import Database

KEPT_S: Final = 86_400.0
TRY_AGAIN_S: Final = 2.0
"""Time after a failure in which the database is not asked again: several attempts must not all wait for it."""
MICROS: Final = 1_000_000
_MONEY_LOCK: Final = 0x4155524D
"""The first half of the advisory lock under which the money of one pool is given out."""
_MONTH: Final = "to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM')"
_TAKEN: Final = (
    "coalesce(sum(CASE state WHEN 'reserved' THEN reserved WHEN 'settled' THEN cost ELSE 0 END), 0)::bigint"
)


class PoolMoneyError(SpawnerError):
    """The budget of a pool cannot be asked now, or the database refuses it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolBudgetStatus:
    """The budget of a pool in this month, in US dollars."""

    pool: str
    month: str
    monthly_usd: float | None
    """None if no budget is set."""
    spent_usd: float
    reserved_usd: float
    estimated_usd: float
    """The part of `spent_usd` that was not measured."""

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyAnswer:
    """The answer to a request for money."""

    granted: bool
    reason: str = ""
    reserved: int = 0
    """Micros that are reserved for the attempt now."""


class PoolMoney:
    """The money of one pool, as one coordinator asks for it. Calls block, and may come from several threads.

    Args:
        url: The database.

    All calls raise PoolMoneyError if the database cannot be reached, or refuses.
    """

    def __init__(self, url: str, pool: str) -> None:
        self.pool = pool
        self._conninfo = secured(url)
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[DictRow] | None = None
        self._not_before = 0.0

    def reserve(self, token: str, *, run_id: str, agent: str, amount: int) -> MoneyAnswer:
        """Reserves an amount for an attempt if it fits into the month; a second request gets the same answer."""
        with self._transaction() as connection:
            known = _one(
                connection,
                "SELECT reserved FROM aurora_reservations WHERE token = %s AND state <> 'released'",
                token,
            )
            if known:
                return MoneyAnswer(granted=True, reserved=known["reserved"])
            self._forget_dead(connection)
            limit, taken = self._limit(connection), self._taken(connection, token)
            if limit is not None and (taken + amount > limit or taken >= limit):
                return MoneyAnswer(granted=False, reason=self._does_not_fit(amount, taken, limit))
            connection.execute(
                "INSERT INTO aurora_reservations (token, pool, run_id, agent, month, first, reserved)"  # noqa: S608 -- constants
                f" VALUES (%s, %s, %s, %s, {_MONTH}, %s, %s) ON CONFLICT (token) DO UPDATE SET state = 'reserved',"
                " month = excluded.month, first = excluded.first, reserved = excluded.reserved, at = excluded.at",
                (token, self.pool, run_id, agent, amount, amount),
            )
            return MoneyAnswer(granted=True, reserved=amount)

    def observe(self, token: str, *, spent: int, wanted: int) -> MoneyAnswer:
        """Records what a running attempt has spent, and answers if it may go on.

        Args:
            wanted: What is to be reserved for it from now on.
        """
        with self._transaction() as connection:
            row = _one(
                connection,
                "SELECT reserved FROM aurora_reservations WHERE token = %s AND state = 'reserved' FOR UPDATE",
                token,
            )
            if row is None:
                return MoneyAnswer(granted=True, reserved=wanted)
            limit, taken = self._limit(connection), self._taken(connection, token)
            passed = limit is not None and taken + spent > limit
            reserved = max(row["reserved"], spent if passed else wanted)
            connection.execute(
                "UPDATE aurora_reservations SET reserved = %s, spent = greatest(spent, %s) WHERE token = %s",
                (reserved, spent, token),
            )
            if limit is None or not passed:
                return MoneyAnswer(granted=True, reserved=reserved)
            return MoneyAnswer(granted=False, reason=self._passed(spent, taken, limit), reserved=reserved)

    def settle(self, token: str, cost: int | None) -> None:
        """Replaces a reservation by its cost; None counts its estimate, or what was seen of it."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE aurora_reservations SET state = 'settled', cost = coalesce(%s, greatest(first, spent)),"
                " estimated = %s WHERE token = %s AND (state = 'reserved' OR estimated)",
                (cost, cost is None, token),
            )

    def release(self, token: str) -> None:
        """Releases the reservation of an attempt that never started."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE aurora_reservations SET state = 'released' WHERE token = %s AND state = 'reserved'", (token,)
            )

    def close(self) -> None:
        """Closes the connection; another call opens the next one."""
        with self._lock:
            self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _limit(self, connection: psycopg.Connection[DictRow]) -> int | None:
        row = _one(connection, "SELECT monthly FROM aurora_budgets WHERE pool = %s", self.pool)
        return None if row is None else int(row["monthly"])

    def _taken(self, connection: psycopg.Connection[DictRow], token: str) -> int:
        """Returns what all other attempts of this month have spent and reserved."""
        query = (
            f"SELECT {_TAKEN} AS taken FROM aurora_reservations"  # noqa: S608 -- constants
            f" WHERE pool = %s AND month = {_MONTH} AND token <> %s"
        )
        row = _one(connection, query, self.pool, token)
        return 0 if row is None else int(row["taken"])

    def _forget_dead(self, connection: psycopg.Connection[DictRow]) -> None:
        connection.execute(
            "UPDATE aurora_reservations r SET cost = greatest(r.first, r.spent), estimated = true,"
            " state = CASE WHEN old.state = 'voided' THEN 'released' ELSE 'settled' END FROM"
            " (SELECT o.token, a.state FROM aurora_reservations o LEFT JOIN aurora_attempts a USING (token)"
            " WHERE o.pool = %s AND o.state = 'reserved'"
            " AND o.at < clock_timestamp() - make_interval(secs => %s)) old"
            " WHERE r.token = old.token AND coalesce(old.state, '') NOT IN ('queued', 'running')",
            (self.pool, KEPT_S),
        )

    def _does_not_fit(self, amount: int, taken: int, limit: int) -> str:
        return (
            f"an attempt of ${amount / MICROS:.2f} does not fit into the budget of pool {self.pool}: of"
            f" ${limit / MICROS:.2f} a month, ${taken / MICROS:.2f} are spent or reserved"
        )

    def _passed(self, spent: int, taken: int, limit: int) -> str:
        return (
            f"it has spent ${spent / MICROS:.2f}, which passes the budget of pool {self.pool}: of"
            f" ${limit / MICROS:.2f} a month, others have ${taken / MICROS:.2f}"
        )

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Connection[DictRow]]:
        with self._lock:
            if time.monotonic() < self._not_before:
                raise PoolMoneyError(
                    f"the budget of pool {self.pool} cannot be checked: the database is not reachable"
                )
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = psycopg.connect(self._conninfo, autocommit=True, row_factory=dict_row)
                with self._connection.transaction():
                    self._connection.execute(
                        f"SELECT {LOCK_ENDS}, pg_advisory_xact_lock(%s, hashtext(%s))", (_MONEY_LOCK, self.pool)
                    )
                    yield self._connection
            except psycopg.Error as error:
                self._disconnect()
                self._not_before = time.monotonic() + TRY_AGAIN_S
                raise PoolMoneyError(f"the budget of pool {self.pool} cannot be checked: {error}".strip()) from error


def _one(connection: psycopg.Connection[DictRow], query: str, *values: object) -> dict[str, Any] | None:
    return connection.execute(query.encode(), values).fetchone()


@dataclass(frozen=True, slots=True)
class BudgetStore:
    """The budgets of a database. All calls raise `QueueUnavailableError` and `QueueUnusableError`."""

    database: Database

    async def set(self, pool: str, monthly_usd: float) -> None:
        """Sets the budget of a pool for each calendar month."""
        await self.database.one(
            "INSERT INTO aurora_budgets (pool, monthly) VALUES (%s, %s)"
            " ON CONFLICT (pool) DO UPDATE SET monthly = excluded.monthly",
            pool,
            min(MOST_MICROS, round(monthly_usd * MICROS)),
        )

    async def remove(self, pool: str) -> bool:
        """Removes the budget of a pool; returns False if it had none."""
        row = await self.database.one("DELETE FROM aurora_budgets WHERE pool = %s RETURNING pool", pool)
        return row is not None

    async def all(self) -> list[PoolBudgetStatus]:
        """Returns the pools with a budget, or with costs in this month."""
        rows = await self.database.all(
            f"SELECT pool, {_MONTH} AS month, b.monthly,"  # noqa: S608 -- constants
            " coalesce(sum(cost) FILTER (WHERE state = 'settled'), 0)::bigint AS spent,"
            " coalesce(sum(reserved) FILTER (WHERE state = 'reserved'), 0)::bigint AS reserved,"
            " coalesce(sum(cost) FILTER (WHERE state = 'settled' AND estimated), 0)::bigint AS estimated"
            f" FROM aurora_budgets b FULL JOIN (SELECT * FROM aurora_reservations WHERE month = {_MONTH}) r"
            " USING (pool) GROUP BY pool, b.monthly ORDER BY pool"
        )
        return [
            PoolBudgetStatus(
                pool=row["pool"],
                month=row["month"],
                monthly_usd=None if row["monthly"] is None else row["monthly"] / MICROS,
                spent_usd=row["spent"] / MICROS,
                reserved_usd=row["reserved"] / MICROS,
                estimated_usd=row["estimated"] / MICROS,
            )
            for row in rows
        ]
