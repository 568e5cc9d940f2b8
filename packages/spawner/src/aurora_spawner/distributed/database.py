"""The connection to the database, its tables, and the errors that a caller can tell apart.

QueueError
├── QueueUnavailableError   the database cannot be reached now; what was asked may or may not have happened
└── QueueUnusableError      the database answers and refuses: a right is missing, or it is of another version
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import psycopg
from procrastinate.schema import SchemaManager
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import DictRow, dict_row

from aurora_spawner.distributed.documents import ORDER_LIMIT_BYTES, RESULT_LIMIT_BYTES
from aurora_spawner.errors import SpawnerError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from typing import TypeVar

    Answer = TypeVar("Answer")

SCHEMA_VERSION: Final = 2
_MIGRATIONS: Final = {
    1: "ALTER TABLE aurora_attempts ADD COLUMN labels text[] NOT NULL DEFAULT '{}';"
    "ALTER TABLE aurora_workers ADD COLUMN labels text[] NOT NULL DEFAULT '{}'",
}
"""Statements that bring the tables of a version to the next one."""
CONNECT_TIMEOUT_S: Final = 10
_SCHEMA_LOCK: Final = 0x4155524F5241
"""The advisory lock under which the tables are made, so that two that begin at once do not both make them."""

_TABLES: Final = f"""
CREATE TABLE aurora_schema (version integer NOT NULL);
INSERT INTO aurora_schema VALUES ({SCHEMA_VERSION});
CREATE TABLE aurora_attempts (
    token text PRIMARY KEY CHECK (length(token) BETWEEN 1 AND 200),
    run_id text NOT NULL, task_id text NOT NULL, number integer NOT NULL, pool text NOT NULL,
    document text NOT NULL CHECK (octet_length(document) <= {ORDER_LIMIT_BYTES}),
    state text NOT NULL CHECK (state IN ('queued', 'running', 'finished', 'lost', 'voided')),
    worker text NOT NULL DEFAULT '', fence integer NOT NULL DEFAULT 0,
    until double precision NOT NULL DEFAULT 0, cancel text NOT NULL DEFAULT '',
    progress bigint NOT NULL DEFAULT 0, labels text[] NOT NULL DEFAULT '{{}}',
    result bytea CHECK (octet_length(result) <= {RESULT_LIMIT_BYTES}),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(), over_at timestamptz,
    UNIQUE (run_id, task_id, number)
);
CREATE INDEX aurora_attempts_open ON aurora_attempts (pool, state) WHERE state IN ('queued', 'running');
CREATE INDEX aurora_attempts_over ON aurora_attempts (over_at) WHERE over_at IS NOT NULL;
CREATE TABLE aurora_workers (
    id text PRIMARY KEY, name text NOT NULL, pool text NOT NULL, concurrency integer NOT NULL,
    agents text[] NOT NULL, labels text[] NOT NULL DEFAULT '{{}}', draining boolean NOT NULL DEFAULT false,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""  # noqa: S608 -- constants


class QueueError(SpawnerError):
    """The queue in the database cannot do what was asked."""


class QueueUnavailableError(QueueError):
    """The database cannot be reached now; what was asked may or may not have happened."""


class QueueUnusableError(QueueError):
    """The database refuses what was asked."""


def secured(url: str) -> str:
    """Returns the options of a connection, with TLS and verification on unless the server is on this machine.

    Raises:
        QueueUnusableError: It is no address of a database.
    """
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise QueueUnusableError(f"the database's address is not one: {error}".strip()) from error
    hosts = str(given.get("host") or "")
    if not all(map(_is_here, hosts.split(","))) and "sslmode" not in given:
        given |= {"sslmode": "verify-full", "sslrootcert": given.get("sslrootcert", "system")}
    given.setdefault("connect_timeout", CONNECT_TIMEOUT_S)
    given.setdefault("application_name", "aurora")
    return make_conninfo("", **given)


def _is_here(host: str) -> bool:
    if host in ("", "localhost") or host.startswith(("/", "@")):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Database:
    """One connection to the database, made when it is needed and made again after it broke."""

    def __init__(self, url: str) -> None:
        self.conninfo = secured(url)
        self._connection: psycopg.AsyncConnection[DictRow] | None = None
        self._one_at_a_time = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[psycopg.AsyncConnection[DictRow]]:
        """Runs statements as one transaction.

        Raises:
            QueueUnavailableError: The database cannot be reached now.
            QueueUnusableError: It refuses a statement.
        """
        async with self._one_at_a_time:
            try:
                connection = await self._connected()
                async with connection.transaction():
                    yield connection
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                self.close()
                raise QueueUnavailableError(f"the database cannot be reached: {error}".strip()) from error
            except psycopg.Error as error:
                raise QueueUnusableError(f"the database refuses: {error}".strip()) from error
            except BaseException:  # cut off in the middle: the connection is in an unknown state
                self.close()
                raise

    async def _connected(self) -> psycopg.AsyncConnection[DictRow]:
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(
                self.conninfo, autocommit=True, row_factory=dict_row
            )
        return self._connection

    async def one(self, query: str, *values: object) -> dict[str, Any] | None:
        """Returns the first row of a query; None without one. Errors as for `transaction`."""
        async with self.transaction() as connection:
            cursor = await connection.execute(query.encode(), values)
            return await cursor.fetchone() if cursor.description else None

    async def all(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Returns the rows of a query. Errors as for `transaction`."""
        async with self.transaction() as connection:
            cursor = await connection.execute(query.encode(), values)
            return await cursor.fetchall()

    async def make_tables(self) -> None:
        """Makes the tables of the queue if they are missing, and brings older ones up to date.

        Raises:
            QueueUnusableError: They are of another version, or may not be made.
        """
        async with self.transaction() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_SCHEMA_LOCK,))
            cursor = await connection.execute("SELECT to_regclass('aurora_schema') AS ours")
            ours = await cursor.fetchone()
            if ours is None or ours["ours"] is None:
                cursor = await connection.execute("SELECT to_regclass('procrastinate_jobs') AS theirs")
                theirs = await cursor.fetchone()
                if theirs is None or theirs["theirs"] is None:
                    await connection.execute(SchemaManager.get_schema())
                await connection.execute(_TABLES.encode())
                return
            cursor = await connection.execute("SELECT version FROM aurora_schema")
            found = await cursor.fetchone()
            version = found and found["version"]
            while version in _MIGRATIONS:
                await connection.execute(_MIGRATIONS[version].encode())
                version += 1
                await connection.execute("UPDATE aurora_schema SET version = %s", (version,))
        if version != SCHEMA_VERSION:
            raise QueueUnusableError(
                f"the database's tables are of version {version}, and this is {SCHEMA_VERSION}: update the older side"
            )

    def close(self) -> None:
        """Closes the connection at once; another call opens the next one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.pgconn.finish()


async def until_reachable(
    call: Callable[[], Awaitable[Answer]], *, tell: Callable[[str], None] = lambda _problem: None
) -> Answer:
    """Repeats a call until the database can be reached: nobody else can say what has happened.

    Args:
        tell: Receives the first problem.
    """
    pause_s, told = 0.2, False
    while True:
        try:
            return await call()
        except QueueUnavailableError as error:
            if not told:
                tell(str(error))
            told = True
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(2.0, pause_s * 2)
