"""The connection to the database, its tables, and the errors that a caller can tell apart.

QueueError
├── QueueUnavailableError   the database cannot be reached now; what was asked may or may not have happened
└── QueueUnusableError      the database answers and refuses: a right is missing, or it is of another version
    ├── ServerUntrustedError   its certificate does not prove that it is the server of the address
    └── LoginRefusedError      it does not take the user or the password
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import random
import re
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import DictRow, dict_row

from aurora_spawner.distributed.access_schema import TOKEN_SETTING, access_schema
from aurora_spawner.distributed.documents import ORDER_LIMIT_BYTES, RESULT_LIMIT_BYTES
from aurora_spawner.distributed.lease import LOCK_ENDS_AFTER_S
from aurora_spawner.distributed.money_schema import MONEY_TABLES
from aurora_spawner.distributed.refusals import login_problem, tls_problem
from aurora_spawner.distributed.turns_schema import turns_schema
from aurora_spawner.errors import SpawnerError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from typing import TypeVar

    Answer = TypeVar("Answer")

SCHEMA_VERSION: Final = 4
AUTHORITY_VARIABLE: Final = "AURORA_DATABASE_CA"
"""The variable with the file of the authority that has signed the server's certificate; an address goes first."""
PLAIN_VARIABLE: Final = "AURORA_DATABASE_PLAIN"
"""The variable that is 1 where the connection to a server of another machine may do without TLS."""
_MAY_BE_PLAIN: Final = ("disable", "allow", "prefer")
"""Modes in which libpq sends passwords, tokens and prompts as they are, or may do so."""
_NOTICED: Final = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""Times after which a network that has gone without a word is taken for cut: 10 s to connect, 30 s to answer.

Left to the system, a statement would wait for a lost answer for hours. The last is in milliseconds.
"""
ANSWER_WITHIN_S: Final = 120.0
"""The time after which a statement without an answer is given up, whatever is in between.

A tunnel on this machine keeps a connection alive whose other end is gone. An order or a result may take long.
"""
LOCK_ENDS: Final = f"set_config('idle_in_transaction_session_timeout', '{LOCK_ENDS_AFTER_S}s', true)"
"""The expression that lets a session lose its locks if it is cut off in the middle of its transaction."""
BROKEN: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.IdleInTransactionSessionTimeout,
)
"""The errors of a connection that is not there, or no longer."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{0,200}")
_SCHEMA_LOCK: Final = 0x4155524F5241
"""The advisory lock under which the tables are made, so that two that begin at once do not both make them."""

_TABLES: Final = f"""
CREATE TABLE aurora_schema (version integer NOT NULL);
INSERT INTO aurora_schema VALUES ({SCHEMA_VERSION});
CREATE TABLE aurora_attempts (
    token text PRIMARY KEY CHECK (token ~ '^[A-Za-z0-9_-]{{1,200}}$'),
    run_id text NOT NULL, task_id text NOT NULL, number integer NOT NULL, pool text NOT NULL,
    CHECK (greatest(octet_length(run_id), octet_length(task_id), octet_length(pool)) <= 4000),
    document text NOT NULL CHECK (octet_length(document) <= {ORDER_LIMIT_BYTES}),
    state text NOT NULL CHECK (state IN ('queued', 'running', 'finished', 'lost', 'voided')),
    worker text NOT NULL DEFAULT '', fence integer NOT NULL DEFAULT 0,
    until double precision NOT NULL DEFAULT 0, cancel text NOT NULL DEFAULT '',
    progress bigint NOT NULL DEFAULT 0, labels text[] NOT NULL DEFAULT '{{}}',
    rank integer NOT NULL DEFAULT 0, lane text NOT NULL DEFAULT '' CHECK (length(lane) <= 64),
    workspace text NOT NULL DEFAULT '', agent text NOT NULL DEFAULT '', provider text NOT NULL DEFAULT '',
    CHECK (greatest(octet_length(workspace), octet_length(agent), octet_length(provider)) <= 1000),
    result bytea CHECK (octet_length(result) <= {RESULT_LIMIT_BYTES}),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(), claimed_at timestamptz, over_at timestamptz,
    UNIQUE (run_id, task_id, number)
);
CREATE INDEX aurora_attempts_running ON aurora_attempts (pool) WHERE state = 'running';
CREATE INDEX aurora_attempts_over ON aurora_attempts (over_at) WHERE over_at IS NOT NULL;
CREATE TABLE aurora_workers (
    id text PRIMARY KEY, name text NOT NULL, pool text NOT NULL, concurrency integer NOT NULL,
    CHECK (greatest(octet_length(id), octet_length(name), octet_length(pool)) <= 1000),
    agents text[] NOT NULL CHECK (pg_column_size(agents) <= 65536),
    labels text[] NOT NULL DEFAULT '{{}}' CHECK (pg_column_size(labels) <= 65536),
    tools jsonb NOT NULL DEFAULT '[]' CHECK (pg_column_size(tools) <= 65536),
    draining boolean NOT NULL DEFAULT false,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""  # noqa: S608 -- constants


class QueueError(SpawnerError):
    """The queue in the database cannot do what was asked."""


class QueueUnavailableError(QueueError):
    """The database cannot be reached now; what was asked may or may not have happened."""


class QueueUnusableError(QueueError):
    """The database refuses what was asked."""


class ServerUntrustedError(QueueUnusableError):
    """The certificate of a server does not prove that it is the one of the address; nothing was sent to it."""


class LoginRefusedError(QueueUnusableError):
    """The server does not take the user or the password of the address."""


def secured(url: str, *, worker_token: str = "") -> str:
    """Returns the options of a connection, with TLS and verification on unless the server is on this machine.

    Args:
        worker_token: The token by which the database knows a worker.

    Raises:
        QueueUnusableError: It is no address of a database, no token, or asks a server of another machine for a
            connection without TLS, and `PLAIN_VARIABLE` does not say that this is meant.
    """
    if not _TOKEN.fullmatch(worker_token):  # it becomes a part of the options, and must not add others
        raise QueueUnusableError(
            "the worker token is malformed: it must be one word, as `aur worker token add` prints it"
        )
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise QueueUnusableError(f"the address of the database is malformed: {error}".strip()) from error
    if not _all_here(given):
        _check_encrypted(given)
        authority = os.environ.get(AUTHORITY_VARIABLE) or os.environ.get("PGSSLROOTCERT") or "system"
        if given.setdefault("sslmode", "verify-full") == "verify-full":
            given.setdefault("sslrootcert", authority)
    if worker_token:
        said = " ".join(filter(None, (str(given.get("options") or ""), f"-c {TOKEN_SETTING}={worker_token}")))
        given["options"] = said
    for name, value in _NOTICED.items():
        given.setdefault(name, value)
    given.setdefault("application_name", "aurora")
    return make_conninfo("", **given)


def _check_encrypted(given: Mapping[str, object]) -> None:
    """Refuses an address that asks for a connection without TLS, or puts up with one, unless that is meant.

    Raises:
        QueueUnusableError: It does.
    """
    mode = given.get("sslmode")
    if mode in _MAY_BE_PLAIN and os.environ.get(PLAIN_VARIABLE) != "1":
        raise QueueUnusableError(
            f"the address has sslmode={mode}, and its server is on another machine: anyone in between could read the"
            f" password, the tokens and all prompts; leave sslmode out, or set {PLAIN_VARIABLE}=1 to allow this"
        )


def _all_here(given: Mapping[str, object]) -> bool:
    """Returns True if every server that an address could lead to is on this machine.

    What the address leaves out libpq takes from its variables, and from a service file that is not read here.
    """
    hosts = [str(given.get(name) or os.environ.get(f"PG{name.upper()}") or "") for name in ("host", "hostaddr")]
    if not any(hosts) and (given.get("service") or os.environ.get("PGSERVICE")):
        return False
    return all(_is_here(each) for each in ",".join(filter(None, hosts)).split(","))


def _is_here(host: str) -> bool:
    if host in ("", "localhost") or host.startswith(("/", "@")):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Database:
    """One connection to the database, made when it is needed and made again after it broke."""

    def __init__(self, url: str, *, worker_token: str = "", answer_within_s: float = ANSWER_WITHIN_S) -> None:
        self.conninfo = secured(url, worker_token=worker_token)
        self.has_worker_token = bool(worker_token)
        self._answer_within_s = answer_within_s
        self._away_since: float | None = None
        self._connection: psycopg.AsyncConnection[DictRow] | None = None
        self._one_at_a_time = asyncio.Lock()

    @property
    def away_s(self) -> float:
        """The time for which the database has not been reached, from the first call that failed; 0 if it was."""
        return 0.0 if self._away_since is None else time.monotonic() - self._away_since

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[psycopg.AsyncConnection[DictRow]]:
        """Runs statements as one transaction.

        Raises:
            QueueUnavailableError: The database cannot be reached now.
            QueueUnusableError: It refuses a statement, the login, or does not prove who it is.
        """
        async with self._alone() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[psycopg.AsyncConnection[DictRow]]:
        """Gives the connection, on which each statement is a transaction of its own. Errors as for `transaction`."""
        async with self._one_at_a_time:
            began = time.monotonic()
            try:
                async with asyncio.timeout(self._answer_within_s):
                    yield await self._connected()
                self._away_since = None
            except TimeoutError as error:
                self._fail(began)
                raise QueueUnavailableError("the database cannot be reached: it does not answer") from error
            except BROKEN as error:
                self._fail(began)
                raise unreached(error) from error
            except psycopg.Error as error:
                raise QueueUnusableError(f"the database refuses: {error}".strip()) from error
            except BaseException:  # cut off in the middle: the connection is in an unknown state
                self.close()
                raise

    def _fail(self, began: float) -> None:
        self._away_since = began if self._away_since is None else self._away_since
        self.close()

    async def _connected(self) -> psycopg.AsyncConnection[DictRow]:
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(
                self.conninfo, autocommit=True, row_factory=dict_row
            )
        return self._connection

    async def one(self, query: str, *values: object) -> dict[str, Any] | None:
        """Returns the first row of one statement; None without one. Errors as for `transaction`."""
        async with self._alone() as connection:
            cursor = await connection.execute(query.encode(), values)
            return await cursor.fetchone() if cursor.description else None

    async def all(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Returns the rows of one statement. Errors as for `transaction`."""
        async with self._alone() as connection:
            cursor = await connection.execute(query.encode(), values)
            return await cursor.fetchall()

    async def make_tables(self) -> None:
        """Makes the tables of the queue if they are missing.

        Raises:
            QueueUnusableError: They are of another version, or may not be made.
        """
        async with self.transaction() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_SCHEMA_LOCK,))
            cursor = await connection.execute("SELECT to_regclass('aurora_schema') AS ours")
            ours = await cursor.fetchone()
            if ours is None or ours["ours"] is None:
                await connection.execute(_TABLES.encode())
                cursor = await connection.execute("SELECT quote_ident(current_schema()) AS name")
                schema = await cursor.fetchone()
                assert schema is not None
                more = MONEY_TABLES + turns_schema(schema["name"]) + access_schema(schema["name"])
                await connection.execute(more.encode())
                return
            cursor = await connection.execute("SELECT version FROM aurora_schema")
            found = await cursor.fetchone()
            version = found and found["version"]
        if version != SCHEMA_VERSION:
            raise QueueUnusableError(
                f"the database's tables have version {version}, but this Aurora needs {SCHEMA_VERSION}: "
                "update the older side"
            )

    def close(self) -> None:
        """Closes the connection at once; another call opens the next one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.pgconn.finish()


def unreached(error: psycopg.Error) -> QueueError:
    """Returns the error for a connection that was not made, or was lost."""
    text = str(error).strip()
    if tls_problem(text):
        return ServerUntrustedError(
            f"the database does not prove that it is the server of the address: {text}; if your own authority"
            f" signed the server's certificate, name the authority's file (sslrootcert=FILE in the address, or"
            f" {AUTHORITY_VARIABLE})"
        )
    if login_problem(text):
        return LoginRefusedError(
            f"the database refuses the login: {text}; correct the address, or ask the administrator of the database"
        )
    return QueueUnavailableError(f"the database cannot be reached: {text}")


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
