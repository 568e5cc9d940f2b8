"""The workers that a database knows, for the commands about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aurora_spawner.distributed.attempt_store import AttemptStore, StoredWorker
    from aurora_spawner.distributed.database import Database
    from aurora_spawner.distributed.worker_tokens import TokenStore

__all__ = ["DAY_S", "change_worker", "known_workers", "with_database", "with_tokens"]

DAY_S: Final = 86_400.0
Value = TypeVar("Value")


async def with_database(work: Callable[[Database], Awaitable[Value]]) -> Value:
    """Does something with the database of pools, which is closed afterwards."""
    from aurora_soar.taskruns.pools import open_store

    store = open_store()
    try:
        return await work(store.database)
    finally:
        store.database.close()


async def with_tokens(work: Callable[[TokenStore], Awaitable[Value]]) -> Value:
    """Does something with the tokens of workers.

    Raises:
        click.UsageError: no token has the name or id.
    """

    async def on(database: Database) -> Value:
        from aurora_spawner.distributed.worker_tokens import TokenStore, UnknownTokenError

        await database.make_tables()
        try:
            return await work(TokenStore(database))
        except UnknownTokenError as error:
            raise click.UsageError(str(error)) from error

    return await with_database(on)


async def known_workers() -> list[StoredWorker]:
    """Returns the workers of all pools."""
    from aurora_soar.taskruns.pools import open_store

    store = open_store()
    try:
        await store.database.make_tables()
        return await store.workers()
    finally:
        store.database.close()


async def change_worker(name: str, change: Callable[[AttemptStore, StoredWorker], Awaitable[None]]) -> StoredWorker:
    """Changes the worker of a name or id, and returns it as it was.

    Raises:
        click.UsageError: no worker, or more than one, has that name.
    """
    from aurora_soar.taskruns.pools import open_store

    store = open_store()
    try:
        await store.database.make_tables()
        found = [each for each in await store.workers() if name in (each.name, each.id)]
        if len(found) != 1:
            problem = "no worker is named" if not found else f"{len(found)} workers are named"
            raise click.UsageError(f"{problem} {name}; `aur worker list --json` shows names and ids")
        await change(store, found[0])
    finally:
        store.database.close()
    return found[0]
