"""The roles of the database, with the least rights that each needs: a migration that is generated, and can be read.

Roles are those of the whole server, so each bears the name of its database. None of them can log in; a login is made
a member of one. A worker's rights of rows follow from its token: it sees the queue of its pool and its own attempts.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from psycopg import sql

from aurora_spawner.distributed.database import QueueUnusableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aurora_spawner.distributed.database import Database

KINDS: Final = ("coordinator", "worker", "reader")
_NAME_LIMIT: Final = 63
"""Bytes of a name in PostgreSQL."""
_TABLES: Final = (
    "aurora_schema",
    "aurora_attempts",
    "aurora_workers",
    "aurora_worker_tokens",
    "aurora_refusals",
    "aurora_limits",
    "aurora_gates",
    "aurora_shares",
    "aurora_advice",
    "aurora_budgets",
    "aurora_reservations",
)
_LEASE: Final = "state, worker, fence, until, cancel, progress, result, claimed_at, over_at"
_FACTS_OF_TOKENS: Final = "id, name, pool, worker, created_at, expires_at, revoked_at"
_FACTS_OF_ATTEMPTS: Final = (
    "token, run_id, task_id, number, pool, state, worker, fence, until, cancel, progress, labels, created_at,"
    " claimed_at, over_at, rank, workspace, agent, provider"
)

_GRANTS: Final = f"""
GRANT SELECT ON aurora_schema TO {{coordinator}}, {{worker}}, {{reader}};
GRANT SELECT ({_FACTS_OF_TOKENS}) ON aurora_worker_tokens TO {{coordinator}}, {{reader}};
GRANT SELECT ON aurora_refusals TO {{coordinator}}, {{reader}};
GRANT SELECT ON aurora_workers, aurora_limits, aurora_gates, aurora_budgets, aurora_reservations, aurora_advice
    TO {{coordinator}}, {{reader}};

GRANT SELECT, INSERT, UPDATE ({_LEASE}) ON aurora_attempts TO {{coordinator}};
GRANT UPDATE (draining), DELETE ON aurora_workers TO {{coordinator}};
GRANT INSERT, UPDATE, DELETE ON aurora_limits, aurora_gates, aurora_budgets, aurora_advice TO {{coordinator}};
GRANT INSERT, UPDATE ON aurora_reservations TO {{coordinator}};

GRANT SELECT, UPDATE ({_LEASE}) ON aurora_attempts TO {{worker}};
GRANT SELECT, INSERT, UPDATE, DELETE ON aurora_workers TO {{worker}};

GRANT SELECT ({_FACTS_OF_ATTEMPTS}) ON aurora_attempts TO {{reader}};

REVOKE ALL ON FUNCTION aurora_worker_id(), aurora_worker_pool(), aurora_admit(text, text, text), aurora_forget_over(),
    aurora_next(text, text[]), aurora_take(text, text[], text, float8, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION aurora_worker_id(), aurora_worker_pool(), aurora_admit(text, text, text),
    aurora_forget_over(), aurora_next(text, text[]), aurora_take(text, text[], text, float8, integer) TO {{worker}};
"""  # noqa: S608 -- constants

_ME: Final = "(SELECT aurora_worker_id())"
_MY_POOL: Final = "(SELECT aurora_worker_pool())"
_MINE_OR_QUEUED: Final = f"worker = {_ME} OR (state = 'queued' AND pool = {_MY_POOL})"
_POLICIES: Final = (
    ("aurora_attempts", "SELECT", _MINE_OR_QUEUED, ""),
    (
        "aurora_attempts",
        "UPDATE",
        f"(worker = {_ME} AND state = 'running') OR (state = 'queued' AND pool = {_MY_POOL})",
        f"worker = {_ME} AND state IN ('running', 'finished')",
    ),
    ("aurora_workers", "ALL", f"id = {_ME}", f"id = {_ME} AND pool = {_MY_POOL}"),
)
"""The rows of each table that a worker may touch: table, command, those that it sees, those that it may leave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role of the database.

    Attributes:
        kind: coordinator, worker or reader.
        exists: whether it is there.
        members: logins that have its rights.
    """

    kind: str
    name: str
    exists: bool
    members: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON values."""
        return {**asdict(self), "members": list(self.members)}


def role_names(database: str) -> dict[str, str]:
    """Returns the name of each kind of role.

    Raises:
        QueueUnusableError: The name of the database leaves no room for them.
    """
    names = {kind: f"{database}_{kind}" for kind in KINDS}
    if max(len(each.encode()) for each in names.values()) > _NAME_LIMIT:
        raise QueueUnusableError(f"the name of the database {database} is too long for roles to bear it; rename it")
    return names


def migration(database: str, schema: str) -> str:
    """Returns the statements that make the roles and set their rights; run again, they change nothing."""
    names = role_names(database)
    roles = {kind: _quoted(name) for kind, name in names.items()}
    return "\n".join((*_made(names, schema), _GRANTS.format(**roles), *_guards(roles)))


def _made(names: dict[str, str], schema: str) -> Iterator[str]:
    yield "DO $made$ BEGIN"
    for name in names.values():
        yield f"  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {_literal(name)}) THEN"
        yield f"    CREATE ROLE {_quoted(name)} NOLOGIN; END IF;"
    yield "END $made$;"
    everybody = ", ".join(map(_quoted, names.values()))
    yield f"REVOKE CREATE ON SCHEMA {_quoted(schema)} FROM PUBLIC;"
    yield f"GRANT USAGE ON SCHEMA {_quoted(schema)} TO {everybody};"
    yield f"REVOKE ALL ON {', '.join(_TABLES)} FROM PUBLIC, {everybody};"


def _guards(roles: dict[str, str]) -> Iterator[str]:
    """Yields the policies of rows: a worker's by its token, everything for the others as far as they have rights."""
    for table in dict.fromkeys(table for table, *_ in _POLICIES):
        yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;"
        yield f"DROP POLICY IF EXISTS aurora_others ON {table};"
        others = f"{roles['coordinator']}, {roles['reader']}"
        yield f"CREATE POLICY aurora_others ON {table} TO {others} USING (true) WITH CHECK (true);"
    for table, command, seen, left in _POLICIES:
        name = f"aurora_worker_{command.lower()}"
        yield f"DROP POLICY IF EXISTS {name} ON {table};"
        using = f" USING ({seen})" if seen else ""
        check = f" WITH CHECK ({left})" if left else ""
        yield f"CREATE POLICY {name} ON {table} FOR {command} TO {roles['worker']}{using}{check};"


async def generated(database: Database) -> str:
    """Returns the migration for a database.

    Raises:
        QueueUnavailableError, QueueUnusableError: It cannot be reached, or has no room for the names.
    """
    row = await database.one("SELECT current_database() AS name, current_schema() AS schema")
    assert row is not None
    return migration(row["name"], row["schema"])


async def set_up(database: Database) -> None:
    """Makes the tables, if they are missing, and the roles with their rights, as one change.

    Raises:
        QueueUnavailableError, QueueUnusableError: It cannot be reached, or this login may not do that.
    """
    await database.make_tables()
    statements = await generated(database)
    async with database.transaction() as connection:
        await connection.execute(statements.encode())


async def found_roles(database: Database) -> list[Role]:
    """Returns the three roles, with the logins that have their rights; errors as of `generated`."""
    row = await database.one("SELECT current_database() AS name")
    assert row is not None
    names = role_names(row["name"])
    rows = await database.all(
        "SELECT r.rolname AS role, m.rolname AS member FROM pg_roles r LEFT JOIN pg_auth_members a"
        " ON a.roleid = r.oid LEFT JOIN pg_roles m ON m.oid = a.member WHERE r.rolname = ANY(%s) ORDER BY m.rolname",
        list(names.values()),
    )
    there = {each["role"] for each in rows}
    return [
        Role(
            kind=kind,
            name=name,
            exists=name in there,
            members=tuple(each["member"] for each in rows if each["role"] == name and each["member"]),
        )
        for kind, name in names.items()
    ]


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string()


def _literal(text: str) -> str:
    return sql.Literal(text).as_string()
