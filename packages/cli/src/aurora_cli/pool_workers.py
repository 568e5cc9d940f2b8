"""The workers that a database knows, for the commands about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import click

from aurora_cli.render.words import one_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aurora_core.settings.config import PoolConfig
    from aurora_spawner.distributed.attempt_store import AttemptStore, StoredWorker
    from aurora_spawner.distributed.database import Database
    from aurora_spawner.distributed.worker_tokens import TokenStore
    from aurora_spawner.rate_limits.gate import ProviderGate

__all__ = [
    "DAY_S",
    "change_worker",
    "known_workers",
    "refuse_host",
    "with_database",
    "with_tables",
    "with_tokens",
]

DAY_S: Final = 86_400.0
Value = TypeVar("Value")


def refuse_host(pool: str, pools: Mapping[str, PoolConfig], *, what: str, instead: str) -> None:
    """Refuses the name of a host over ssh where only a pool of workers has something.

    Args:
        pools: those that the configuration describes, by name.
        what: what such a host does not have.
        instead: what to do.

    Raises:
        click.UsageError: the pool is such a host.
    """
    found = pools.get(pool)
    if found is not None and found.ssh is not None:
        host = one_line(found.ssh, 200)
        raise click.UsageError(f"pool {pool} is the host {host} over ssh, which has no {what}; {instead}")


async def with_database(work: Callable[[Database], Awaitable[Value]]) -> Value:
    """Does something with the database of pools, which is closed afterwards."""
    from aurora_soar.taskruns.pools import open_database

    database = open_database()
    try:
        return await work(database)
    finally:
        database.close()


async def with_tables(work: Callable[[Database], Awaitable[Value]]) -> Value:
    """Does something with the database of pools, whose tables are made if they are missing."""

    async def on(database: Database) -> Value:
        await database.make_tables()
        return await work(database)

    return await with_database(on)


async def with_tokens(work: Callable[[TokenStore], Awaitable[Value]]) -> Value:
    """Does something with the tokens of workers.

    Raises:
        click.UsageError: no token has the name or id.
    """

    async def on(database: Database) -> Value:
        from aurora_spawner.distributed.worker_tokens import TokenStore, UnknownTokenError

        try:
            return await work(TokenStore(database))
        except UnknownTokenError as error:
            raise click.UsageError(str(error)) from error

    return await with_tables(on)


async def known_workers() -> tuple[list[StoredWorker], list[ProviderGate]]:
    """Returns the workers of all pools, and the gates of providers that are not open."""

    async def both(store: AttemptStore) -> tuple[list[StoredWorker], list[ProviderGate]]:
        from aurora_spawner.distributed.shared_gates import shut_gates

        return await store.workers(), await shut_gates(store.database)

    return await _with_store(both)


async def change_worker(name: str, change: Callable[[AttemptStore, StoredWorker], Awaitable[None]]) -> StoredWorker:
    """Changes the worker of a name or id, and returns it as it was.

    Raises:
        click.UsageError: no worker, or more than one, has that name.
    """

    async def on(store: AttemptStore) -> StoredWorker:
        found = [each for each in await store.workers() if name in (each.name, each.id)]
        if len(found) != 1:
            problem = "no worker is named" if not found else f"{len(found)} workers are named"
            raise click.UsageError(f"{problem} {name}; `aur worker list --json` shows names and ids")
        await change(store, found[0])
        return found[0]

    return await _with_store(on)


async def _with_store(work: Callable[[AttemptStore], Awaitable[Value]]) -> Value:
    async def on(database: Database) -> Value:
        from aurora_spawner.distributed.attempt_store import AttemptStore

        return await work(AttemptStore(database))

    return await with_tables(on)
