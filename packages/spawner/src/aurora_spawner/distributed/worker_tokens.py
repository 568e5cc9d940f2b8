"""Tokens of workers: made once and shown once, kept as a hash, with an end, and revocable."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from aurora_spawner.distributed.database import QueueUnusableError
from aurora_spawner.errors import SpawnerError

if TYPE_CHECKING:
    from aurora_spawner.distributed.database import Database

PREFIX: Final = "aurw_"
SECRET_BYTES: Final = 32
DAY_S: Final = 86_400.0


class UnknownTokenError(SpawnerError):
    """No token of a worker has the id or the name."""


class WorkerRefusedError(QueueUnusableError):
    """The database does not take this worker: its token is missing, revoked, expired, or another worker's.

    Attributes:
        problem: none, unknown, revoked, expired, foreign, or unguarded: its login may do more than a token allows.
    """

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"this worker is refused: {_WORDS.get(problem, problem)}")


_ASK: Final = "ask for another one (`aur worker token add`)"
_WORDS: Final = {
    "none": "it has no token; set AURORA_WORKER_TOKEN to one that `aur worker token add` has made",
    "unknown": f"its token is none of this database; {_ASK}",
    "revoked": f"its token was revoked; {_ASK}",
    "expired": f"its token has expired; {_ASK}",
    "foreign": "its token is of another worker: it holds for one name, one pool and one machine",
    "unguarded": "its login may do more than its token allows; give it one that is a member of the worker role alone",
    "unused": "it has a token, and the database has no roles yet; run `aur worker database init` first",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerToken:
    """A token of a worker, without its secret."""

    id: str
    name: str
    pool: str
    worker: str
    """The id of the worker that has used it first, and alone can use it since; "" before."""
    created_at: float
    expires_at: float
    revoked_at: float | None
    now: float
    """The moment of reading, on the database's clock."""

    @property
    def state(self) -> str:
        """The state in one word: valid, expired or revoked."""
        if self.revoked_at is not None:
            return "revoked"
        return "valid" if self.now < self.expires_at else "expired"

    def to_json(self) -> dict[str, Any]:
        """Returns all fields and the state as JSON values."""
        fields = asdict(self)
        del fields["now"]
        return {**fields, "state": self.state}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A worker that the database did not take."""

    name: str
    pool: str
    token: str
    """The id of the token; "" if it was none of this database."""
    problem: str
    times: int
    last_at: float

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        return asdict(self)


_EPOCH: Final = "extract(epoch FROM {})::float8 AS {}"
_FACTS: Final = ", ".join(
    ("id, name, pool, worker", *(_EPOCH.format(each, each) for each in ("created_at", "expires_at", "revoked_at")))
)
_NOW: Final = "extract(epoch FROM clock_timestamp())::float8 AS now"
_ADD: Final = (
    "INSERT INTO aurora_worker_tokens (id, hash, name, pool, expires_at)"  # noqa: S608 -- constants
    " VALUES (%s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s))"
    f" RETURNING {_FACTS}, {_NOW}"
)


@dataclass(frozen=True, slots=True)
class TokenStore:
    """The tokens of a database. All calls raise `QueueUnavailableError` and `QueueUnusableError`."""

    database: Database

    async def add(self, name: str, *, pool: str, lasts_s: float) -> tuple[WorkerToken, str]:
        """Makes a token for a worker; returns it with its secret, which nobody can read again."""
        identity, secret = secrets.token_hex(4), secrets.token_urlsafe(SECRET_BYTES)
        text = f"{PREFIX}{identity}_{secret}"
        row = await self.database.one(
            _ADD,
            identity,
            hashlib.sha256(text.encode()).digest(),
            name,
            pool,
            lasts_s,
        )
        assert row is not None
        return WorkerToken(**row), text

    async def all(self) -> list[WorkerToken]:
        """Returns all tokens, the newest last."""
        query = f"SELECT {_FACTS}, {_NOW} FROM aurora_worker_tokens ORDER BY created_at, id"  # noqa: S608 -- constants
        return [WorkerToken(**row) for row in await self.database.all(query)]

    async def refusals(self) -> list[Refusal]:
        """Returns the workers that were refused, the last one first."""
        rows = await self.database.all(
            "SELECT name, pool, token, problem, times, extract(epoch FROM last_at)::float8 AS last_at"
            " FROM aurora_refusals ORDER BY aurora_refusals.last_at DESC"
        )
        return [Refusal(**row) for row in rows]

    async def revoke(self, name: str) -> list[WorkerToken]:
        """Revokes the token of an id, or all that a name has; returns those that were valid until now.

        Raises:
            UnknownTokenError: There is none.
        """
        known = [each for each in await self.all() if name in (each.id, each.name)]
        if not known:
            raise UnknownTokenError(f"no token has the id or the name {name[:100]}; `aur worker token list` has them")
        open_ones = [each for each in known if each.revoked_at is None]
        await self.database.one(
            "UPDATE aurora_worker_tokens SET revoked_at = clock_timestamp() WHERE id = ANY(%s)",
            [each.id for each in open_ones],
        )
        return open_ones


async def admit(database: Database, worker: str, *, name: str, pool: str) -> None:
    """Sees that the database takes a worker, and that its token binds it.

    Raises:
        WorkerRefusedError: It does not; a refusal by the token is recorded there.
        QueueUnavailableError, QueueUnusableError: As of `Database.transaction`.
    """
    row = await database.one(
        "SELECT aurora_admit(%s, %s, %s) AS problem, row_security_active('aurora_attempts') AND NOT EXISTS"
        " (SELECT FROM pg_roles WHERE rolname = current_database() || '_coordinator' AND pg_has_role(oid, 'MEMBER'))"
        " AS bound,"
        " (SELECT relrowsecurity FROM pg_class WHERE oid = 'aurora_attempts'::regclass) AS guarded",
        worker,
        name,
        pool,
    )
    assert row is not None
    if row["problem"]:
        raise WorkerRefusedError(row["problem"])
    if not row["guarded"]:
        if database.has_worker_token:
            raise WorkerRefusedError("unused")
        return
    if not row["bound"]:
        raise WorkerRefusedError("unguarded")


async def why_lost(database: Database, worker: str) -> str:
    """Returns the reason for which a worker has lost its attempts, as far as its token is one; "" if it is not."""
    row = await database.one(
        "SELECT name, revoked_at IS NOT NULL AS revoked, expires_at <= clock_timestamp() AS expired"
        " FROM aurora_worker_tokens WHERE worker = %s ORDER BY created_at DESC LIMIT 1",
        worker,
    )
    if row is None or not (row["revoked"] or row["expired"]):
        return ""
    what = "was revoked" if row["revoked"] else "has expired"
    return f"the token of its worker {row['name']} {what}, and nothing that comes from it counts any longer"
